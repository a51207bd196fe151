"""Writes Events about ClientIntents: one after the other, at a rate, with the leader's right to write.

Events are said and forgotten: what cannot be written is tried again for seconds, counted and let go, and nothing else
waits for it. Each is created under a name of its own and never changed, so the right to create is all it takes.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from grapevine.insight.events import event_name, new_edge_event, render_event, status_events
from grapevine.insight.news import NewsItem
from grapevine.kube.errors import ConflictError
from grapevine.kube.fence import FencedSession
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.event import Event
from grapevine.model.intents import ActualIntents
from grapevine.model.metric import Metric
from grapevine.reconcile.event_book import EventBook
from grapevine.reconcile.pace import Pace
from grapevine.reconcile.ports import Resource

EVENTS_PER_S, EVENT_BURST = 5, 50
TIMEOUT_S = 10.0
_TRIES = 4
_BACKOFF_S = 1.0
"""After the first failure; twice as long after each further one."""
_MAX_BACKOFF_S = 10.0
_WARN_EVERY_MS = 60_000

_log = logging.getLogger(__name__)


class EventWriter:
    """Takes what happens, and writes it while `run` runs. `clock` gives milliseconds since the epoch."""

    def __init__(self, session: FencedSession, reporter: str, clock: Callable[[], int], *, is_on: bool = True) -> None:
        """Take who says it: the pod's name, or that of the process; where it is not on, nothing is said."""
        self._session = session
        self._reporter = reporter[:128]
        self._clock = clock
        self._is_on = is_on
        self._book = EventBook()
        self._pace = Pace(per_s=EVENTS_PER_S, burst=EVENT_BURST)
        self._wake = asyncio.Event()
        self._serial = clock() * 1_000_000
        self._warned_ms = -_WARN_EVERY_MS
        self._counts: Counter[str] = Counter({"written": 0, "refused": 0, "gave-up": 0, "no-object": 0})

    def tell_status(self, before: ActualIntents | None, after: ActualIntents, written: Resource) -> None:
        """Take in that a status was written."""
        for event in status_events(before, after, written):
            self._offer(event)

    def tell_new_edge(self, item: NewsItem, actual: ActualIntents | None) -> None:
        """Take in that an edge is new; without an object there is nothing to say it of."""
        if actual is None:
            self._counts["no-object"] += self._is_on
        else:
            self._offer(new_edge_event(item, actual))

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            event = self._book.take()
            if event is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            await asyncio.sleep(self._pace.take_turn(self._clock()))
            self._counts[await self._write(event)] += 1

    def metrics(self) -> list[Metric]:
        """Return what was said and what was not."""
        return [
            Metric(
                "grapevine_events",
                "counter",
                "Kubernetes Events, by what became of them.",
                dict(self._counts) | dict(self._book.left_out),
                "result",
            ),
            Metric("grapevine_events_waiting", "gauge", "Events that wait to be written.", {"": len(self._book)}),
        ]

    def _offer(self, event: Event) -> None:
        if self._is_on:
            self._book.offer(event, self._clock())
            self._wake.set()

    async def _write(self, event: Event) -> str:
        """Write one Event, trying again where that may help; return what became of it."""
        self._serial += 1
        name = event_name(event, self._serial)
        body = render_event(event, name=name, at_ms=self._clock(), reporter=self._reporter)
        path = f"/apis/events.k8s.io/v1/namespaces/{event.about.namespace}/events"
        error: Exception | None = None
        for number in range(_TRIES):
            try:
                await self._session.request("POST", path, body=body, timeout_s=TIMEOUT_S)
            except ConflictError:
                return "written"  # the answer to an earlier try was lost
            except RetryableError as failure:
                error = failure
                backoff_s = max(failure.after_s or 0.0, _BACKOFF_S * 2**number)
                await asyncio.sleep(min(backoff_s, _MAX_BACKOFF_S))
            except PermanentInputError as failure:
                self._warn("an Event was refused", event, failure)
                return "refused"
            else:
                return "written"
        self._warn("an Event could not be written", event, error)
        return "gave-up"

    def _warn(self, message: str, event: Event, error: Exception | None) -> None:
        now_ms = self._clock()
        if now_ms - self._warned_ms >= _WARN_EVERY_MS:
            self._warned_ms = now_ms
            _log.warning(message, extra={"about": f"{event.about.namespace}/{event.about.name}", "error": str(error)})
