"""The map as telemetry reads it: implements `export.telemetry.Source`."""

from collections.abc import Callable

from grapevine.export.snapshot import SeenEdge, Snapshot
from grapevine.model.edge import DeadDependency, Edge
from grapevine.model.target import InternetTarget, ServiceDestination, Target
from grapevine.model.workload import ServiceName, WorkloadRef
from grapevine.pipeline.pipeline import Pipeline
from grapevine.pipeline.turns import in_turns
from grapevine.resolver.names import destinations_of


class LiveEdges:
    """Reads a pipeline's graph in slices; `clock` gives milliseconds since the epoch."""

    def __init__(
        self, pipeline: Pipeline, domain: str, clock: Callable[[], int], *, is_dead_wanted: bool = False
    ) -> None:
        """Take whether the names that never resolved are to be read too."""
        self._pipeline = pipeline
        self._domain = domain
        self._clock = clock
        self._is_dead_wanted = is_dead_wanted

    async def snapshot(self) -> Snapshot:
        """Return every edge; other work goes on between two clients, so it is a moment of seconds, not of one."""
        at_ms = self._clock()
        edges: list[SeenEdge] = []
        dead: list[DeadDependency] = []
        ports: dict[tuple[Target, tuple[str, ...]], int] = {}
        async for client in in_turns(self._pipeline.graph.clients):
            for edge in self._pipeline.graph.edges(client):
                is_live = edge.state == "active"
                edges.append(SeenEdge(edge, is_live, self._port(edge, ports) if is_live else 0))
            if self._is_dead_wanted:
                dead += self._pipeline.graph.dead(client)
        return Snapshot(at_ms, edges, self._service_names(), dead)

    def _port(self, edge: Edge, known: dict[tuple[Target, tuple[str, ...]], int]) -> int:
        """Return the port connected to, or else the Service's, where there is one; that is found once a snapshot."""
        if edge.ports or isinstance(edge.target, InternetTarget):
            return edge.ports[0] if len(edge.ports) == 1 else 0
        key = edge.target, edge.names
        if (port := known.get(key)) is None:
            asked = destinations_of(edge.names, edge.target, self._domain)
            services = (each for each in asked if isinstance(each, ServiceDestination))
            found = {port for each in services for port in self._pipeline.index.ports_of(each)}
            port = known[key] = found.pop() if len(found) == 1 else 0
        return port

    def _service_names(self) -> dict[WorkloadRef, ServiceName]:
        """Return what workloads say they are called, each by its newest pod that does."""
        index, newest = self._pipeline.index, dict[WorkloadRef, tuple[int, ServiceName]]()
        for pod in index.naming_pods():
            if pod.service is None:
                continue
            ref, start_ms = index.workload_of(pod)[0], pod.start_ms or 0
            if ref not in newest or newest[ref][0] < start_ms:
                newest[ref] = (start_ms, pod.service)
        return {ref: name for ref, (_, name) in newest.items()}
