"""An edge of the map, as every consumer of the graph reads it."""

from dataclasses import dataclass

from grapevine.model.age import NEW, Age
from grapevine.model.target import Target
from grapevine.model.workload import WorkloadRef


@dataclass(frozen=True, slots=True)
class OwnerSeen:
    """One of several workloads behind a Service, and what tells that the client was led to it."""

    workload: WorkloadRef
    answers: int = 0
    """Addresses of its pods in answers to the client's look-ups of the Service, a look-up seen twice counted twice."""
    connections: int = 0
    """Connections of the client to its pods' addresses."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One client workload reaches one target: a snapshot, sorted where it holds several of a thing."""

    client: WorkloadRef
    target: Target
    names: tuple[str, ...]
    """Names asked for that lead to this target, sorted, bounded; what a restart resolves anew."""
    evidence: tuple[str, ...]
    """What it was seen by, sorted: `connection` (one was opened to it), `dns` (a look-up that was answered),
    `dns-unready` (the Service exists, no answer)."""
    first_ms: int
    last_ms: int
    count: int
    """Look-ups, at least: the dedupe table and what was not yet written die with the operator. Connections where there
    was no look-up."""
    ports: tuple[int, ...] = ()
    """Ports connected to, sorted, bounded; empty where no connection was seen."""
    protocols: tuple[str, ...] = ()
    """Protocols of these connections, sorted."""
    service_ports: tuple[int, ...] = ()
    """Ports that a client of these names dials, from the Service's own object; empty where it leaves a choice."""
    owners: tuple[OwnerSeen, ...] = ()
    """Of a Service with several workloads behind it: these, sorted, bounded; empty for every other target."""
    state: str = "active"
    """`active`, `idle` or `stale` (`graph.ageing`)."""
    age: Age = NEW
    addresses: tuple[str, ...] = ()
    """Addresses a domain resolved to lately, sorted, bounded; empty for what is in the cluster."""


@dataclass(frozen=True, slots=True)
class UnnamedAddress:
    """An address outside the cluster, or a node's, that a client connects to and no look-up of the client's led to."""

    client: WorkloadRef
    address: str
    ports: tuple[int, ...]
    """Sorted, bounded."""
    first_ms: int
    last_ms: int
    count: int
    """Connections, at least."""


@dataclass(frozen=True, slots=True)
class DeadDependency:
    """A name a client asks for, none of whose search-list variants ever resolved."""

    client: WorkloadRef
    name: str
    """The name as the application has it, search suffixes stripped (DESIGN §4, base)."""
    rcode: str
    """Response code of the newest failure; `NODATA` for NOERROR without a record."""
    first_ms: int
    last_ms: int
    count: int
    age: Age = NEW
