"""The map as people look at it, of a running operator: implements `web.graph.Maps`."""

import asyncio
import math
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

LOOK_NEWS_S = 1.0
"""While somebody looks: age from which on the map is read again where it says something else now."""
LOOK_AGE_S = 20.0
"""While somebody looks: age from which on it is read again for times and counts alone."""
MAX_NEWS_S = 5.0
"""Age up to which a question is answered though the map says something else now; then it is read first. While
somebody looks it is hardly ever that old."""
MAX_AGE_S = 30.0
"""Age up to which a question is answered where times and counts alone are old."""


class LiveMap:
    """Reads a pipeline's graph, and keeps what it read for who asks soon; `clock` gives monotonic seconds.

    Reading 20,000 edges takes a second. While somebody looks it is done for them beside what they ask (`look`).
    """

    def __init__(self, pipeline: Pipeline, clock: Callable[[], float] = time.monotonic) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._reading = asyncio.Lock()
        self._kept = service_map((), ())
        self._kept_changes = -1
        self._kept_s = -math.inf

    @property
    def changes(self) -> int:
        """A number of what is answered now, which grows with each change of what the map says."""
        return self._kept_changes if self._is_fit(MAX_NEWS_S, MAX_AGE_S) else self._pipeline.changes

    async def look(self) -> int:
        """Read again what is new, or old; return the number of what is kept. For as long as somebody looks."""
        await self._refreshed(LOOK_NEWS_S, LOOK_AGE_S)
        return self._kept_changes

    async def current(self) -> ServiceMap:
        """Return the whole map."""
        await self._refreshed(MAX_NEWS_S, MAX_AGE_S)
        return self._kept

    async def _refreshed(self, news_s: float, age_s: float) -> None:
        """Read what is not fit: in slices, joined in a thread, by one for all that wait."""
        if self._is_fit(news_s, age_s):
            return
        async with self._reading:
            if self._is_fit(news_s, age_s):
                return
            changes = self._pipeline.changes
            edges, dead = await self._read()
            self._kept = await asyncio.to_thread(map_of_edges, edges, dead, self._pipeline.patience_ms)
            self._kept_changes, self._kept_s = changes, self._clock()

    def _is_fit(self, news_s: float, age_s: float) -> bool:
        """Tell whether what is kept is no older than `news_s`, or where nothing is new `age_s`."""
        age = self._clock() - self._kept_s
        return age <= (age_s if self._kept_changes == self._pipeline.changes else news_s)

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
