"""The map as people look at it, of a running operator: implements `web.graph.Maps`."""

import asyncio
import time
from collections.abc import Callable

from grapevine.intents.render import render_object
from grapevine.kube.manifests import to_yaml
from grapevine.model.edge import Edge
from grapevine.model.workload import WorkloadRef
from grapevine.pipeline.pipeline import Pipeline
from grapevine.pipeline.turns import in_turns
from grapevine.view.reading import map_of_edges
from grapevine.view.servicemap import ServiceMap, service_map

MAX_AGE_S = 5.0
"""How old times and counts may be; what is new is shown at once."""


class LiveMap:
    """Reads a pipeline's graph when asked, and keeps what it read for a moment; `clock` gives monotonic seconds."""

    def __init__(self, pipeline: Pipeline, clock: Callable[[], float] = time.monotonic) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._reading = asyncio.Lock()
        self._kept = service_map((), ())
        self._kept_changes = -1
        self._kept_s = 0.0

    @property
    def changes(self) -> int:
        """A number that grows with each change of what the map says."""
        return self._pipeline.changes

    async def current(self) -> ServiceMap:
        """Return the whole map. Read in slices and joined in a thread, by one request for all that wait."""
        async with self._reading:
            changes = self.changes
            if changes != self._kept_changes or self._clock() - self._kept_s > MAX_AGE_S:
                edges, dead = await self._read()
                self._kept = await asyncio.to_thread(map_of_edges, edges, dead, self._pipeline.patience_ms)
                self._kept_changes, self._kept_s = changes, self._clock()
            return self._kept

    def intents_yaml(self, namespace: str, kind: str, name: str) -> str | None:
        """Return what was observed of a client as ClientIntents in YAML; None for one that is unknown."""
        client = WorkloadRef(namespace, kind, name)
        if not self._pipeline.graph.is_known(client):
            return None
        actual = self._pipeline.object_of(client)
        return to_yaml(render_object(self._pipeline.desired(client), actual.name if actual else name))

    async def _read(self) -> tuple[list[Edge], dict[WorkloadRef, int]]:
        edges: list[Edge] = []
        dead: dict[WorkloadRef, int] = {}
        async for client in in_turns(self._pipeline.graph.clients):
            edges += self._pipeline.edges(client)
            dead[client] = len(self._pipeline.graph.dead(client))
        return edges, dead
