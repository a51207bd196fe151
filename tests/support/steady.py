"""A cluster where nothing changes but times and counts, written by the real loop to a writer in memory."""

import asyncio
from collections import Counter

from tests.support.builders import T0, a_workload, an_edge, desired_of, to_workload
from tests.support.fake_writer import FakeWriter
from tests.support.loop import until

from grapevine.model.age import Age
from grapevine.model.intents import DesiredIntents
from grapevine.model.workload import WorkloadRef
from grapevine.reconcile.actual import ActualStore
from grapevine.reconcile.reconciler import Reconciler
from grapevine.settings import ReconcileSettings

_HOUR_MS = 3_600_000


class SteadyCluster:
    """Workloads that each use one target all the time and the others once an hour."""

    def __init__(self, workloads: int, targets: int) -> None:
        self.now_ms = T0
        self.writer = FakeWriter()
        self.clients = [a_workload(f"w{number:04}") for number in range(workloads)]
        self.more: Counter[WorkloadRef] = Counter()
        """Targets that a client has begun to use since."""
        self._phase = {client: number * _HOUR_MS // workloads for number, client in enumerate(self.clients)}
        self._targets = targets
        self._reconciler = Reconciler(
            desired_of=self._desired,
            actual=ActualStore(),
            writer=self.writer,
            clock=lambda: self.now_ms,
            settings=ReconcileSettings(coalesce_ms=0, writes_per_s=0),
            on_written=lambda _: None,
        )

    async def pass_by(self, ms: int, *, every_ms: int) -> Counter[str]:
        """Let every workload be looked at now and then over that time; return the writes by change."""
        before = Counter(self._reconciler.writes)
        working = asyncio.create_task(self._reconciler.run())
        try:
            for _ in range(max(ms // every_ms, 1)):
                self.now_ms += every_ms
                for client in self.clients:
                    self._reconciler.enqueue(client)
                await until(lambda: not self._reconciler.depth, timeout_s=300)
        finally:
            working.cancel()
            await asyncio.wait([working])
        return Counter(self._reconciler.writes) - before

    def _desired(self, client: WorkloadRef) -> DesiredIntents:
        heard_ms = (self.now_ms + self._phase[client]) % _HOUR_MS
        hourly = Age(("packet",), _HOUR_MS, heard_ms)
        busy = an_edge(to_workload("t0"), client=client, last_ms=self.now_ms, count=self.now_ms - T0)
        rest = [
            an_edge(to_workload(f"t{n}"), client=client, last_ms=self.now_ms - heard_ms, age=hourly)
            for n in range(1, self._targets + self.more[client])
        ]
        return desired_of([busy, *rest], client=client)
