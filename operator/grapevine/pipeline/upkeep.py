"""What passes without anything coming in: time heard, age, and memory of what is over. The clock is an argument."""

import asyncio
from collections.abc import Callable

from grapevine.graph.hearing import Hearing
from grapevine.graph.store import GraphStore
from grapevine.model.workload import WorkloadRef
from grapevine.resolver.index import ClusterIndex
from grapevine.wire.schema import BatchHeader

MAX_ELAPSED_MS = 60_000
"""Most that one round counts as heard: a process that was stopped, or whose clock was set, heard nothing meanwhile."""
_ROUNDS = 10
"""Rounds over which every client's edges are looked at once: five minutes."""
_SLICE = 500
"""Pods or clients between two turns of the event loop: about 3 ms."""


class Upkeep:
    """Counts the time each client was heard, and ages its edges."""

    def __init__(self, graph: GraphStore, index: ClusterIndex, clock: Callable[[], int]) -> None:
        self._graph = graph
        self._index = index
        self._clock = clock
        self._hearing = Hearing()
        self._last_ms: int | None = None
        self._round = 0

    def hear(self, header: BatchHeader) -> None:
        """Take in that a batch or heartbeat came."""
        self._hearing.note(header.stream, header.node, header.hearing.sources, self._clock())

    async def go_round(self) -> None:
        """Count the time since the last round, and look at a part of the edges."""
        now_ms = self._clock()
        elapsed_ms = 0 if self._last_ms is None else min(max(now_ms - self._last_ms, 0), MAX_ELAPSED_MS)
        self._last_ms = now_ms
        self._round += 1
        heard = self._hearing.now(now_ms)
        nodes = await self._nodes()
        for number, client in enumerate(self._graph.clients):
            self._graph.listen(client, heard.at(nodes.get(client, ())), elapsed_ms)
            if (number + self._round) % _ROUNDS == 0:
                self._graph.age(client)
            if number % _SLICE == 0:
                await asyncio.sleep(0)

    async def _nodes(self) -> dict[WorkloadRef, set[str]]:
        """Return the nodes each workload has pods on."""
        found: dict[WorkloadRef, set[str]] = {}
        for number, pod in enumerate(self._index.running_pods()):
            if pod.node:
                found.setdefault(self._index.workload_of(pod)[0], set()).add(pod.node)
            if number % _SLICE == 0:
                await asyncio.sleep(0)
        return found
