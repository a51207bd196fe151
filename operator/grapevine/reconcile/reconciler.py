"""The loop that makes the cluster say what the graph knows: key → plan → write, until nothing is left."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from grapevine.intents.kept import KeptStatus
from grapevine.intents.resource import digest, status_digest
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.intents import ActualIntents, DesiredIntents
from grapevine.model.metric import Metric
from grapevine.model.workload import WorkloadRef
from grapevine.reconcile.actual import ActualStore
from grapevine.reconcile.pace import Pace
from grapevine.reconcile.plan import (
    HELD_REASONS,
    ApplySpec,
    ApplyStatus,
    Change,
    Circumstances,
    Create,
    Delete,
    Held,
    next_change,
)
from grapevine.reconcile.ports import IntentsWriter, Resource
from grapevine.reconcile.queue import KeyQueue
from grapevine.reconcile.refusals import Refusals
from grapevine.settings import ReconcileSettings

logger = logging.getLogger(__name__)

_MAX_CHANGES = 8
"""Changes to one object in one go; a plan needs two, and two more each time the map changes under a write."""
_IDLE_S = 1.0
OnStatus = Callable[[ActualIntents | None, ActualIntents, Resource], None]
"""Takes an object as it was, None where it was not known, as it is once its status was written, and what was written.
"""
_WARN_EVERY_MS = 60_000


class Reconciler:
    """Works keys off the queue with a few tasks; one workload's failure never stops another's."""

    def __init__(
        self,
        *,
        desired_of: Callable[[WorkloadRef], DesiredIntents],
        actual: ActualStore,
        writer: IntentsWriter,
        clock: Callable[[], int],
        settings: ReconcileSettings,
        on_written: Callable[[WorkloadRef], None],
        on_gone: Callable[[ActualIntents], None] = lambda _: None,
        on_status: OnStatus = lambda _before, _after, _written: None,
        is_fresh: Callable[[], bool] = lambda: True,
        is_unwanted: Callable[[DesiredIntents], bool] = lambda _: False,
        kept: Callable[[], KeptStatus] = KeptStatus,
    ) -> None:
        """Take what to ask and whom to tell.

        `on_gone` is told of objects found deleted by somebody else, `on_status` of each status written; `is_fresh`,
        `is_unwanted` and `kept` are as in the plan.
        """
        self._desired_of = desired_of
        self._actual = actual
        self._writer = writer
        self._clock = clock
        self._settings = settings
        self._on_written = on_written
        self._on_gone = on_gone
        self._on_status = on_status
        self._is_fresh = is_fresh
        self._is_unwanted = is_unwanted
        self._kept = kept
        self._queue: KeyQueue[WorkloadRef] = KeyQueue(
            coalesce_ms=settings.coalesce_ms, group_of=lambda client: client.namespace
        )
        self._pace = Pace(per_s=settings.writes_per_s, burst=settings.write_burst)
        self._wake = asyncio.Event()
        self._refusals = Refusals()
        self._held: dict[WorkloadRef, str] = {}
        """Clients for which something would be to do and may not be, and why."""
        self._warned_ms: dict[str, int] = {}
        self.writes: Counter[str] = Counter()
        """Writes by change (`Create`, `ApplySpec`, `ApplyStatus`, `Delete`); those that were `retried`, `refused`."""

    def enqueue(self, client: WorkloadRef) -> None:
        """Ask for the client's object to be looked at."""
        self._queue.add(client, self._clock())
        self._wake.set()

    def is_pending(self, client: WorkloadRef) -> bool:
        """Whether something of the client may not be written yet."""
        return self._queue.holds(client)

    def is_held(self, client: WorkloadRef) -> bool:
        """Whether the client's object does not say what it would, for a reason."""
        return client in self._held

    def hurry(self) -> None:
        """Try at once what waits, because the API server is back."""
        self._queue.hurry(self._clock())
        self._wake.set()

    def look_at_held(self) -> None:
        """Look again at what is held, because what it waits for may have come."""
        for client in self._held:
            self._queue.add(client, self._clock())
        self._wake.set()

    @property
    def depth(self) -> int:
        """Clients waiting or being written."""
        return len(self._queue)

    def refused(self) -> tuple[int, str]:
        """Return how many clients' newest write was refused, and why the last one was; none, and the text is old."""
        return self._refusals.told()

    def metrics(self) -> list[Metric]:
        """Return the loop's own measurements."""
        return [
            Metric(
                "grapevine_intents_writes", "counter", "Writes of ClientIntents by result.", dict(self.writes), "result"
            ),
            Metric("grapevine_intents_pending", "gauge", "Workloads waiting to be written.", {"": self.depth}),
            Metric(
                "grapevine_intents_held",
                "gauge",
                "Workloads whose object is not made or changed although the map says otherwise, by reason.",
                dict.fromkeys(HELD_REASONS, 0) | dict(Counter(self._held.values())),
                "reason",
            ),
            Metric(
                "grapevine_intents_objects", "gauge", "ClientIntents objects in the cluster.", {"": len(self._actual)}
            ),
        ]

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._settings.workers):
                # What failed may hang until its timeout again, in a namespace's webhook: half of the workers keep off.
                tasks.create_task(self._work(failed_too=2 * number < self._settings.workers))

    async def flush(self, timeout_s: float) -> bool:
        """Hurry what waits; return whether everything was written within `timeout_s`. `run` must be running.

        What is refused once more is not waited for: trying again changes nothing before somebody mends it.
        """
        self._refusals.forgive()
        try:
            async with asyncio.timeout(timeout_s):
                while len(self._queue) > len(self._refusals):
                    self.hurry()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            return False
        return not len(self._queue)

    async def _work(self, *, failed_too: bool) -> None:
        while True:
            client = self._queue.take(self._clock(), failed_too=failed_too)
            if client is None:
                await self._wait(self._queue.next_due_ms(failed_too=failed_too))
                continue
            is_done, after_ms = await self._settle(client)
            self._queue.finish(client, self._clock(), is_done=is_done, after_ms=after_ms)
            # What is refused for good must not keep other workloads' batches from being called durable.
            if self._refusals.is_final(client) or not self._queue.holds(client):
                self._on_written(client)

    async def _wait(self, due_ms: int | None) -> None:
        self._wake.clear()
        idle_s = _IDLE_S if due_ms is None else min(max(due_ms - self._clock(), 1) / 1000, _IDLE_S)
        try:
            async with asyncio.timeout(idle_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _settle(self, client: WorkloadRef) -> tuple[bool, int]:
        """Write until the plan is empty; return whether it is, and how long to wait before the next try."""
        change: Change | None = None
        try:
            for _ in range(_MAX_CHANGES):
                plan = self._plan(client)
                if plan is None or isinstance(plan, Held):
                    self._note_held(client, plan)
                    self._refusals.settled(client, has_written=change is not None)
                    return True, 0
                _expect_progress(change, plan)
                change = plan
                if wait_s := self._pace.take_turn(self._clock()):
                    await asyncio.sleep(wait_s)
                await self._write(change)
        except RetryableError as e:
            self.writes["retried"] += 1
            self._refusals.failed(client, str(e))
            self._warn("ClientIntents not written, will retry", client, e)
            if change is not None:
                await self._read_again(change)
            return False, int((e.after_s or 0) * 1000)
        except PermanentInputError as e:
            self.writes["refused"] += 1
            self._warn("ClientIntents refused", client, e)
            return False, self._refusals.refused(client, str(e))
        self._warn("ClientIntents keeps changing under us, will retry", client, None)
        return False, 0

    async def _read_again(self, change: Change) -> None:
        """Look at an object a write failed on: a watch may have missed that it came, went or was made anew."""
        if isinstance(change, Delete):
            namespace, name = change.actual.namespace, change.actual.name
        else:
            namespace, name = change.resource["metadata"]["namespace"], change.resource["metadata"]["name"]
        with suppress(RetryableError, PermanentInputError):  # nobody answers, or not us: the next try says so
            actual = await self._writer.read(namespace, name)
            if actual is not None:
                self._actual.put(actual)
            elif gone := self._actual.drop(namespace, name):
                self._on_gone(gone)

    def _plan(self, client: WorkloadRef) -> Change | Held | None:
        desired = self._desired_of(client)
        around = Circumstances(
            policy=self._settings.policy,
            is_fresh=self._is_fresh(),
            is_unwanted=self._is_unwanted(desired),
            now_ms=self._clock(),
            refresh_ms=max(self._settings.refresh_ms, self._settings.refresh_share_ms * len(self._actual)),
            kept=self._kept(),
        )
        objects = self._actual.objects_of(client)
        return next_change(
            desired, objects, around, is_taken=lambda name: self._actual.is_taken(client.namespace, name)
        )

    def _note_held(self, client: WorkloadRef, held: Held | None) -> None:
        if held is None:
            self._held.pop(client, None)
        else:
            self._held[client] = held.reason

    async def _write(self, change: Change) -> None:
        match change:
            case Create(resource):
                self._actual.put(await self._writer.create(resource))
            case ApplySpec(resource):
                self._actual.put(await self._writer.apply(resource))
            case ApplyStatus(resource):
                before = self._actual.named(resource["metadata"]["namespace"], resource["metadata"]["name"])
                after = await self._writer.apply_status(resource)
                self._actual.put(after)
                self._on_status(before, after, resource)
            case Delete(actual):
                await self._writer.delete(actual)
                self._actual.drop(actual.namespace, actual.name, actual.uid)
        self.writes[type(change).__name__] += 1

    def _warn(self, message: str, client: WorkloadRef, error: Exception | None) -> None:
        now_ms = self._clock()
        if now_ms - self._warned_ms.get(message, -_WARN_EVERY_MS) >= _WARN_EVERY_MS:
            self._warned_ms[message] = now_ms
            logger.warning(message, extra={"workload": str(client), "error": str(error or "")})


def _expect_progress(before: Change | None, change: Change) -> None:
    """Check that what is to be written is not what was written just now.

    Raises:
        PermanentInputError: it is: something between us and the store changes it, and would do so for ever.
    """
    if before is not None and (said := _said(change)) and said == _said(before):
        meta = change.resource["metadata"] if not isinstance(change, Delete) else {}
        raise PermanentInputError(
            f"ClientIntents {meta.get('namespace')}/{meta.get('name')} was written, and its {said[0]} reads otherwise: "
            "a mutating admission webhook or policy changes it"
        )


def _said(change: Change) -> tuple[str, str] | None:
    """Return which part of an object a change is to make, and its digest; None for a deletion."""
    match change:
        case Create(resource) | ApplySpec(resource):
            return "spec", digest(resource["spec"])
        case ApplyStatus(resource):
            return "status", digest([resource["metadata"]["name"], status_digest(resource["status"])])
        case Delete():
            return None
