"""List and watch every kind the resolver needs, and hand on what changed.

Not kopf: 10,000 pods take its handlers 18 s CPU and 170 MiB, and this 0.5 s and 8. The protocol is client-go's
reflector: list in pages, watch from the list's version with bookmarks, list again when the server has forgotten our
place. What an answer means is in `kube.cache`.

Source: Kubernetes API concepts, "Efficient detection of changes" and "Retrieving large results sets in chunks".
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from grapevine.kube.cache import KINDS, Cache, Change, Kind
from grapevine.kube.decode import EVERYTHING, ObjectDecoder
from grapevine.kube.errors import ExpiredError, ForbiddenError, SilentError, try_rule
from grapevine.kube.session import Session
from grapevine.model.errors import GrapevineError, PermanentInputError, RetryableError
from grapevine.model.metric import Metric
from grapevine.model.rbac import RbacRule, Refusal
from grapevine.settings import ScopeSettings

PAGE_SIZE = 500
"""Objects in one list page: 3.7 MB of JSON for pods, 10 ms to decode."""
WATCH_S = 290
"""A watch is ended by the server after this long, ± `WATCH_JITTER_S`, before proxies in between do it."""
WATCH_JITTER_S = 20
INACTIVITY_S = 100.0
"""Silent for this long, a watch may be dead without knowing it and is opened anew. The API server sends a bookmark
every 60 s, give or take a quarter — but none for a kind it has seen no event of, so silence alone is no failure."""
MIN_BACKOFF_S = 1.0
MAX_BACKOFF_S = 30.0

_JSON = "application/json"
_PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

OnRecords = Callable[[list[Change]], None]
"""Takes changes in the order they happened; must be quick, it runs between two reads of the watch."""

OnCurrent = Callable[[bool], None]
"""Told False when the first kind falls behind the server, and True when none is behind any more."""

_log = logging.getLogger(__name__)


class Behind:
    """The kinds whose newest request failed or whose place was lost: what changed since is not known.

    A server that is back is found by one of them, and wakes the others from their back-off.
    """

    def __init__(self, on_current: OnCurrent) -> None:
        self._on_current = on_current
        self._kinds: set[str] = set()
        self._recovery = asyncio.Event()

    def add(self, kind: str) -> None:
        """Take in that a kind fell behind."""
        is_first = not self._kinds
        self._kinds.add(kind)
        if is_first:
            self._on_current(False)

    def discard(self, kind: str) -> None:
        """Take in that a kind has caught up."""
        if kind not in self._kinds:
            return
        self._kinds.discard(kind)
        self._recovery.set()
        self._recovery = asyncio.Event()
        if not self._kinds:
            self._on_current(True)

    async def wait_for_recovery(self, timeout_s: float) -> None:
        """Return when another kind has caught up, at the latest after `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._recovery.wait()


class Informer:
    """One kind: keeps its cache like the server's state, and says what changed."""

    def __init__(
        self,
        kind: Kind,
        session: Session,
        cache: Cache,
        on_records: OnRecords,
        clock: Callable[[], int],
        behind: Behind,
    ) -> None:
        self.kind = kind
        self.cache = cache
        self.synced = asyncio.Event()
        """Set once the first list is complete, and never cleared: a stale state is better than none."""
        self.lists = 0
        """Lists begun; all but the first are re-lists."""
        self.events = 0
        self.failures = 0
        self.silences = 0
        """Watches opened anew because nothing came."""
        self.last_heard_ms = clock()
        """When the server last said anything, a bookmark included."""
        self.refusal: Refusal | None = None
        """Why the newest request failed; None while all is well."""
        self.on_refused: Callable[[], None] = lambda: None
        """Called after each failure."""
        self._session = session
        self._on_records = on_records
        self._clock = clock
        self._behind = behind
        self._backoff_s = MIN_BACKOFF_S
        self._version = ""
        self._is_lost = False
        """Whether the server has forgotten our place, and no watch told anything since."""

    async def run(self) -> None:
        """Follow the kind until cancelled; no failure of the server ends this."""
        while True:
            try:
                await self._list()
                await self._follow()
            except ExpiredError as error:
                if self._is_lost:  # twice without an event between: a server in trouble, not a long gap
                    await self._back_off(error)
                    continue
                self._is_lost = True
                self._behind.add(self.kind.name)
                _log.info("listing again", extra={"kind": self.kind.name, "reason": str(error)})
            except GrapevineError as error:
                await self._back_off(error)

    async def _list(self) -> None:
        """List all, page by page; the watch goes on from the list's version."""
        self.lists += 1
        self.cache.begin_list()
        query, accept = {"limit": str(PAGE_SIZE)}, _PARTIAL_LIST if self.kind.partial else _JSON
        while True:
            body = await self._session.request("GET", self.kind.path, query, accept=accept)
            page = self.cache.apply_page(body, self._clock())
            self._heard(page.changes)
            if not page.continue_token:
                break
            query["continue"] = page.continue_token
            await asyncio.sleep(0)  # a page is 10 ms of work
        self._heard(self.cache.finish_list(self._clock()))
        if not self.synced.is_set():
            self.synced.set()
            _log.info("synced", extra={"kind": self.kind.name, "objects": len(self.cache)})
        self._version = page.version
        self._behind.discard(self.kind.name)

    async def _follow(self) -> None:
        """Watch, one watch after the other, each from where the last one got to.

        Raises:
            ExpiredError: the server has forgotten that place.
            PermanentInputError: the watch is refused.
        """
        while True:
            try:
                await self._watch()
            except ExpiredError:
                raise
            except SilentError:
                self.silences += 1
            except RetryableError as error:
                await self._back_off(error)

    async def _watch(self) -> None:
        """Take one watch to its end."""
        jitter_s = random.randint(-WATCH_JITTER_S, WATCH_JITTER_S)  # noqa: S311 - no secret
        query = {"resourceVersion": self._version, "timeoutSeconds": str(WATCH_S + jitter_s)}
        accept = _PARTIAL if self.kind.partial else _JSON
        heard = self.events
        async with self._session.watch(self.kind.path, query, accept=accept, inactivity_s=INACTIVITY_S) as lines:
            self.refusal = None
            self._behind.discard(self.kind.name)
            async for line in lines:
                event = self.cache.apply_event(line, self._clock())
                self._version = event.version or self._version
                self.events += 1
                self._is_lost = False
                self._heard(event.changes)
        if heard == self.events:
            raise RetryableError(f"GET {self.kind.path}: the watch ended without a word")

    def _heard(self, changes: Sequence[Change]) -> None:
        self.last_heard_ms = self._clock()
        self._backoff_s = MIN_BACKOFF_S
        self.refusal = None
        if changes:
            self._on_records(list(changes))

    async def _back_off(self, error: GrapevineError) -> None:
        self.failures += 1
        self.refusal = Refusal(str(error), self._missing_rule() if isinstance(error, ForbiddenError) else None)
        self._behind.add(self.kind.name)
        self.on_refused()
        asked_s = error.after_s if isinstance(error, RetryableError) else None
        wait_s = min(MAX_BACKOFF_S, max(asked_s or 0.0, self._backoff_s * random.uniform(0.5, 1.0)))  # noqa: S311
        level = logging.ERROR if isinstance(error, PermanentInputError) else logging.WARNING
        _log.log(
            level, "cannot follow", extra={"kind": self.kind.name, "reason": str(error), "retry_s": round(wait_s, 1)}
        )
        self._backoff_s = min(MAX_BACKOFF_S, self._backoff_s * 2)
        if asked_s is None:
            await self._behind.wait_for_recovery(wait_s)
        else:
            await asyncio.sleep(wait_s)

    def _missing_rule(self) -> RbacRule | None:
        """Return the whole rule that following the kind needs: without both verbs it cannot."""
        rule = try_rule("GET", self.kind.path, {})
        return replace(rule, verbs=("list", "watch")) if rule else None


class Informers:
    """All kinds at once."""

    def __init__(
        self,
        session: Session,
        override_annotations: tuple[str, ...],
        on_records: OnRecords,
        clock: Callable[[], int],
        kinds: Sequence[Kind] = KINDS,
        *,
        on_current: OnCurrent = lambda _: None,
        scope: ScopeSettings = EVERYTHING,
        service_labels: tuple[str, ...] = (),
        with_job_images: bool = False,
    ) -> None:
        """Take the keys of the pods' override annotations and service labels, and a clock of ms since the epoch."""
        decoder = ObjectDecoder(override_annotations, scope, service_labels, with_job_images=with_job_images)
        self._clock = clock
        behind = Behind(on_current)
        self._informers = [Informer(kind, session, Cache(kind, decoder), on_records, clock, behind) for kind in kinds]

    async def run(self) -> None:
        """Follow all kinds until cancelled; raises only what `on_records` raises."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers:
                group.create_task(informer.run(), name=f"informer-{informer.kind.name}")

    async def wait_synced(self, timeout_s: float) -> None:
        """Return once every kind was listed completely.

        Raises:
            RetryableError: that took longer; the text names each kind that is missing and why.
        """
        try:
            async with asyncio.timeout(timeout_s):
                for informer in self._informers:
                    await informer.synced.wait()
        except TimeoutError as error:
            late = [
                f"{i.kind.name} ({i.refusal.reason if i.refusal else 'still listing'})"
                for i in self._informers
                if not i.synced.is_set()
            ]
            raise RetryableError(f"not synced after {timeout_s:.0f} s: {'; '.join(late)}") from error

    def unsynced(self) -> tuple[str, ...]:
        """Return the kinds that were not listed completely yet."""
        return tuple(informer.kind.name for informer in self._informers if not informer.synced.is_set())

    def failing(self) -> dict[str, Refusal]:
        """Return the kinds whose newest request failed, each with why."""
        return {informer.kind.name: informer.refusal for informer in self._informers if informer.refusal}

    def metrics(self) -> list[Metric]:
        """Return the state of every kind."""

        def by_kind(value: Callable[[Informer], float]) -> dict[str, float]:
            return {informer.kind.name: value(informer) for informer in self._informers}

        now_ms = self._clock()
        return [
            Metric(
                "grapevine_informer_synced",
                "gauge",
                "1 once a kind was listed completely.",
                by_kind(lambda i: i.synced.is_set()),
                "kind",
            ),
            Metric("grapevine_informer_objects", "gauge", "Objects known.", by_kind(lambda i: len(i.cache)), "kind"),
            Metric("grapevine_informer_events", "counter", "Watch events.", by_kind(lambda i: i.events), "kind"),
            Metric(
                "grapevine_informer_relists",
                "counter",
                "Lists after the first.",
                by_kind(lambda i: max(0, i.lists - 1)),
                "kind",
            ),
            Metric(
                "grapevine_informer_failures",
                "counter",
                "Lists and watches that failed.",
                by_kind(lambda i: i.failures),
                "kind",
            ),
            Metric(
                "grapevine_informer_silences",
                "counter",
                "Watches opened anew because nothing came.",
                by_kind(lambda i: i.silences),
                "kind",
            ),
            Metric(
                "grapevine_informer_rejected",
                "counter",
                "Malformed objects, left out.",
                by_kind(lambda i: i.cache.rejected),
                "kind",
            ),
            Metric(
                "grapevine_informer_last_event_age_seconds",
                "gauge",
                "Since the server last said anything of a kind, bookmarks included.",
                by_kind(lambda i: (now_ms - i.last_heard_ms) / 1000),
                "kind",
            ),
        ]
