"""Whose questions are answered: on loopback whose request names loopback, over TLS who may read the map."""

import logging
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from grapevine.model.errors import RetryableError
from grapevine.model.loopback import is_loopback
from grapevine.model.metric import Metric
from grapevine.serving.limits import ListenLimits, PeerTable
from grapevine.serving.listener import Listener
from grapevine.serving.tokens import Denied
from grapevine.web.readers import Forbidden, Readers

LIMITS = ListenLimits(max_connections=512, max_connections_per_peer=128)
"""Of the listener with TLS. All people behind one proxy are one peer; a browser opens six connections."""
LONGEST_ANSWER_S = 660.0
"""A stream of changes lasts ten minutes; everything else has shorter bounds of its own."""
_WARN_PERIOD_S = 60.0

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """A question is not answered, whatever it is; the text and the status are for whoever asks."""

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers or {}


@web.middleware
async def loopback_names_only(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Refuse names that a web page has bound to loopback (DNS rebinding)."""
    host = (request.url.host or "").rstrip(".")
    if host != "localhost" and not is_loopback(host):
        raise RefusedError(403, "ask by the name localhost or an address of loopback")
    return await handler(request)


class TokenGate:
    """Bounds and counts what comes over TLS."""

    def __init__(self, limits: ListenLimits = LIMITS, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a clock of seconds that never goes back."""
        self.limits = limits
        self._clock = clock
        self._peers = PeerTable(limits)
        self._refused: Counter[str] = Counter()
        self._warn_at_s = -math.inf

    def metrics(self) -> list[Metric]:
        """Return what was not answered."""
        text = "Questions over TLS that were not answered, and connections that came to none, by reason."
        return [Metric("grapevine_api_refused", "counter", text, dict(self._refused), "reason")]

    def count(self, reason: str) -> None:
        """Count one that was not answered."""
        self._refused[reason] += 1

    def admit(self, address: str) -> str | None:
        """Return why an address may not connect now; None where it may. A handshake costs a millisecond."""
        return self._peers.try_spend(address, self._clock())

    def middleware(self, readers: Readers, listener: Callable[[], Listener]) -> Middleware:
        """Return what lets readers pass, and times the listener's connections."""

        @web.middleware
        async def check(request: web.Request, handler: _Handler) -> web.StreamResponse:
            listener().heard(request.protocol, LONGEST_ANSWER_S)
            try:
                await self._check(request, readers)
                return await handler(request)
            finally:
                listener().heard(request.protocol)

        return check

    async def _check(self, request: web.Request, readers: Readers) -> None:
        address = request.remote or ""
        if self._peers.try_spend(address, self._clock()) is not None:
            self.count("rate")
            raise RefusedError(429, "too many questions from this address: come again", {"Retry-After": "1"})
        try:
            await readers.check(request.headers.get("Authorization", ""))
        except Denied as denied:
            self.count(denied.result)
            if isinstance(denied, Forbidden):
                raise RefusedError(403, str(denied)) from denied
            self._peers.try_spend(address, self._clock(), self.limits.refused_cost)  # guessing is slow
            raise RefusedError(401, str(denied), {"WWW-Authenticate": "Bearer"}) from denied
        except RetryableError as error:
            self.count("unreviewed")
            if self._clock() >= self._warn_at_s:
                self._warn_at_s = self._clock() + _WARN_PERIOD_S
                _log.warning("a reader's token cannot be reviewed", extra={"reason": str(error)})
            reason = "the token cannot be reviewed now; the operator's log says why"
            raise RefusedError(503, reason, {"Retry-After": "5"}) from error
