"""What telemetry is made from: the map's edges at one moment. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grapevine.model.edge import DeadDependency, Edge
from grapevine.model.workload import ServiceName, WorkloadRef


@dataclass(frozen=True, slots=True)
class SeenEdge:
    """An edge, and whether it is live."""

    edge: Edge
    is_live: bool
    port: int = 0
    """The one port of the far end; 0 where there are several or none is known."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All edges of the map, a client's next to each other."""

    at_ms: int
    edges: Sequence[SeenEdge]
    service_names: Mapping[WorkloadRef, ServiceName]
    """Of the workloads whose pods say."""
    dead: Sequence[DeadDependency] = ()
    """Names that never resolved; empty unless `/metrics` is to show them."""
