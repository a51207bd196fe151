"""Sends new edges to a webhook: signed, one after the other, tried again, and never in the way of anything else.

A message may arrive twice, under one `webhook-id`. What waits dies with the process.

Source: Standard Webhooks 1.0.
"""

import asyncio
import logging
import random
import ssl
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import aiohttp
import msgspec

from grapevine import __version__
from grapevine.export.delivery import TRIES, Outcome, asked_pause_s, outcome_of, pause_s
from grapevine.export.signature import parse_secrets, sign
from grapevine.insight.news import NewsItem
from grapevine.model.errors import PermanentInputError
from grapevine.model.intents import ActualIntents
from grapevine.model.metric import Metric
from grapevine.model.timestamp import format_ms
from grapevine.settings import WebhookSettings

TIMEOUT_S, CONNECT_TIMEOUT_S = 10.0, 5.0
"""For one request, and of that for the connection."""
MAX_WAITING = 500
"""Messages that wait; one more is dropped."""
EVENT_TYPE = "grapevine.edge.new"
_MAX_SECRET_BYTES = 4_096
_STANDBY_S = 1.0
_WARN_EVERY_S = 60.0
_RESULTS = ("delivered", "refused", "gave-up", "queue-full", "gone")

_log = logging.getLogger(__name__)


class Webhook:
    """Takes what is new, and sends it while `run` runs and this replica leads."""

    def __init__(self, settings: WebhookSettings, instance: str, leads: Callable[[], bool]) -> None:
        """Take who the receiver is, and the name of this process for the ids of messages.

        Raises:
            PermanentInputError: the file of secrets, or that of authorities, cannot be used.
        """
        self._settings = settings
        self._instance = instance
        self._leads = leads
        read_secrets(settings.secret_file)
        self._tls = _tls_context(settings.ca_file)
        self._waiting: deque[tuple[str, bytes]] = deque()
        """Ids and bodies."""
        self._wake = asyncio.Event()
        self._is_gone = False
        self._counts: Counter[str] = Counter(dict.fromkeys(_RESULTS, 0))
        self._failed_tries = 0
        self._warned_s = -_WARN_EVERY_S

    def tell(self, item: NewsItem, _actual: ActualIntents | None) -> None:
        """Take in that an edge is new."""
        if self._is_gone:
            self._counts["gone"] += 1
        elif len(self._waiting) >= MAX_WAITING:
            self._counts["queue-full"] += 1
        else:
            self._waiting.append((f"{self._instance}/{item.seq}", message(item, self._settings.cluster)))
            self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
        headers = {"Content-Type": "application/json", "User-Agent": f"grapevine/{__version__}"}
        async with aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=True) as session:
            while True:
                while not self._waiting:
                    self._wake.clear()
                    await self._wake.wait()
                result = await self._deliver(session, *self._waiting[0])
                self._counts[result] += 1
                self._waiting.popleft()
                if result == "gone":
                    self._counts["gone"] += len(self._waiting)
                    self._waiting.clear()
                    self._is_gone = True

    def metrics(self) -> list[Metric]:
        """Return what was sent and what was not."""
        return [
            Metric(
                "grapevine_webhook_messages",
                "counter",
                "New edges for the webhook, by what became of them.",
                dict(self._counts),
                "result",
            ),
            Metric(
                "grapevine_webhook_failed_tries",
                "counter",
                "Requests the webhook's receiver did not take.",
                {"": self._failed_tries},
            ),
            Metric("grapevine_webhook_waiting", "gauge", "New edges that wait to be sent.", {"": len(self._waiting)}),
        ]

    async def _deliver(self, session: aiohttp.ClientSession, message_id: str, body: bytes) -> str:
        """Send one message, as often as it takes; return what became of it."""
        for tried in range(1, TRIES + 1):
            while not self._leads():  # noqa: ASYNC110 - what ends it is the Lease
                await asyncio.sleep(_STANDBY_S)  # cut off, another may lead: then this process ends
            outcome, why, asked_s = await self._try(session, message_id, body)
            if outcome is not Outcome.DELIVERED:
                self._failed_tries += 1
                self._warn(why)
            if outcome is not Outcome.AGAIN:
                return str(outcome.value)
            if tried < TRIES:
                await asyncio.sleep(pause_s(tried, asked_s, random.random()))  # noqa: S311 - to spread, not to hide
        return "gave-up"

    async def _try(self, session: aiohttp.ClientSession, message_id: str, body: bytes) -> tuple[Outcome, str, float]:
        """Send one request; return what its answer says, why it failed, and the pause that was asked for."""
        now_s = int(time.time())
        try:
            secrets = await asyncio.to_thread(read_secrets, self._settings.secret_file)
            headers = {
                "webhook-id": message_id,
                "webhook-timestamp": str(now_s),
                "webhook-signature": sign(secrets, message_id, now_s, body),
            }
            async with session.post(
                self._settings.url, data=body, headers=headers, allow_redirects=False, ssl=self._tls
            ) as answer:
                why = f"HTTP {answer.status}"
                return outcome_of(answer.status), why, asked_pause_s(answer.headers.get("Retry-After", ""))
        except PermanentInputError as error:  # the secret is being replaced
            return Outcome.AGAIN, str(error), 0.0
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return Outcome.AGAIN, str(error) or "no answer in time", 0.0

    def _warn(self, why: str) -> None:
        now_s = time.monotonic()
        if now_s - self._warned_s >= _WARN_EVERY_S:
            self._warned_s = now_s
            why = why.replace(self._settings.url, self._settings.origin)  # it may hold a token
            _log.warning("the webhook did not take a message", extra={"receiver": self._settings.origin, "error": why})


def message(item: NewsItem, cluster: str) -> bytes:
    """Return the body: type, time and data, as Standard Webhooks advises; `data` as in `/api/v1/news`."""
    data = {**({"cluster": cluster} if cluster else {}), **asdict(item)}
    return msgspec.json.encode({"type": EVENT_TYPE, "timestamp": format_ms(item.told_ms), "data": data})


def read_secrets(path: str) -> tuple[bytes, ...]:
    """Return the secrets of a file.

    Raises:
        PermanentInputError: it cannot be read, or holds none; the text names it.
    """
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_SECRET_BYTES).decode("ascii", errors="replace")
        return parse_secrets(text)
    except OSError as error:
        raise PermanentInputError(f"GRAPEVINE_WEBHOOK_SECRET_FILE: {path}: {error.strerror}") from error
    except PermanentInputError as error:
        raise PermanentInputError(f"GRAPEVINE_WEBHOOK_SECRET_FILE: {path}: {error}") from error


def _tls_context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PermanentInputError(f"GRAPEVINE_WEBHOOK_CA_FILE: {ca_file}: {reason}") from error
