"""ClientIntents as Grapevine wants them, and as the cluster has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from grapevine.model.age import NEW, Age
from grapevine.model.edge import OwnerSeen
from grapevine.model.target import Target
from grapevine.model.workload import WorkloadRef


@dataclass(frozen=True, slots=True)
class ObservedItem:
    """One entry of `status.observed`: an edge, or a dead dependency (no target, state `dead`)."""

    target: Target | None
    """None for a dead dependency: the name never resolved, so nothing stands behind it."""
    names: tuple[str, ...]
    """Names asked for, sorted, bounded; the only way back from status to the graph after a restart."""
    evidence: tuple[str, ...]
    confidence: int
    """How sure the edge is, percent."""
    first_ms: int
    last_ms: int
    count: int
    """Look-ups, at least; connections where there was no look-up."""
    state: str
    """`active`, `idle`, `stale` or `dead`."""
    declared: bool | None = None
    """Whether a person's object names it; None in a discovered object, where the question makes no sense."""
    rcode: str = ""
    """Response code of the newest failure of a dead dependency; empty for an edge."""
    ports: tuple[int, ...] = ()
    """Ports connected to, sorted, bounded; empty where no connection was seen."""
    protocols: tuple[str, ...] = ()
    """Protocols of these connections, sorted."""
    service_ports: tuple[int, ...] = ()
    """Ports that the Service's own object tells, sorted; empty where it leaves a choice."""
    owners: tuple[OwnerSeen, ...] = ()
    """Workloads behind a Service that has several, sorted, bounded."""
    age: Age = NEW
    addresses: tuple[str, ...] = ()
    """Addresses a domain resolved to lately, sorted; they stand in `status.resolvedIPs`."""


@dataclass(frozen=True, slots=True)
class DesiredIntents:
    """What the graph says of one client workload now."""

    client: WorkloadRef
    targets: tuple[Target, ...]
    """Sorted, each once: `spec.targets` of a discovered object."""
    observed: tuple[ObservedItem, ...]
    """Edges, then dead dependencies; sorted, all of them."""
    omitted: int
    """Targets left out of the spec by its bounds."""
    in_cluster: int
    internet: int
    dead: int
    last_ms: int
    """Newest observation of any edge or dead dependency; 0 where there is none."""
    is_silent: bool = False
    """Nothing that has seen the client listens any more."""
    retired: int = 0
    """Edges that were retired since the process began: what is missing of them is known to be gone."""
    overflow: int = 0
    """Look-ups of domains beyond the bound of one client, at least: in no list."""
    unread_owner: str = ""
    """Kind and group of the owner that names the client and could not be read; empty where all was."""


@dataclass(frozen=True, slots=True)
class DeclaredTarget:
    """One item of `spec.targets` of any object, slimmed to what tells whether an edge is declared."""

    member: str
    """Which member is set: `kubernetes`, `service`, `kafka`, `sql`, `aws`, `gcp`, `azure`, `internet`."""
    namespace: str = ""
    name: str = ""
    kind: str = ""
    domains: tuple[str, ...] = ()
    has_ips: bool = False
    """An internet target with addresses: DNS cannot tell whether those are used."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A standard condition of the resource's status (API conventions, metav1.Condition)."""

    type: str
    status: str
    """`True`, `False` or `Unknown`."""
    reason: str
    message: str
    since_ms: int
    """`lastTransitionTime`."""


@dataclass(frozen=True, slots=True)
class ActualIntents:
    """A ClientIntents object of the cluster, slimmed to what a plan needs."""

    namespace: str
    name: str
    uid: str
    version: int
    """`metadata.resourceVersion`, comparable since Kubernetes 1.35 (KEP-5504); 0 where it is no number."""
    generation: int
    discovered: bool
    """It carries `grapevine.dev/origin: discovered` and nobody else has written to its spec; otherwise it is a person's
    and its spec is never touched."""
    client: WorkloadRef
    targets: tuple[DeclaredTarget, ...]
    spec_digest: str
    """SHA-256 of the canonical JSON of `spec`: equal digests, nothing to write."""
    status_digest: str
    """The same of the part of `status` that Grapevine owns, without times and counts; empty where there is none."""
    status_last_ms: int
    """`status.lastSeen`; 0 where there is none."""
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    status_heard_ms: int = 0
    """Longest `heardSeconds` in `status.observed`."""
    created_ms: int = 0
    """`metadata.creationTimestamp`, whole seconds."""
