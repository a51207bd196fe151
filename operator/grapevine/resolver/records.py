"""What Grapevine keeps of Kubernetes' objects, and nothing else.

A field more here is a field times 10,000 pods; do not add one without a rule that needs it (coredns `object.Pod`).
"""

from dataclasses import dataclass

from grapevine.model.workload import ServiceName


@dataclass(frozen=True, slots=True)
class OwnerKey:
    """The controller reference of an object: group, kind and name, and uid as a check."""

    kind: str
    name: str
    uid: str
    group: str = ""
    """API group; empty for core. Two groups may have a kind of one name."""


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A pod, as far as an address and a workload need it."""

    namespace: str
    name: str
    uid: str
    ips: tuple[str, ...]
    """`status.podIPs` in canonical form; empty until the kubelet reports them."""
    host_network: bool
    start_ms: int | None
    """`status.startTime`; the pod's address cannot be older. None before the kubelet has seen it."""
    end_ms: int | None
    """End of the last container at a terminal phase (its whole second: the API cuts fractions off); else None."""
    deletion_ms: int | None
    """`metadata.deletionTimestamp`: lies in the future, an upper bound of the end after a missed watch."""
    owner: OwnerKey | None
    """Controller owner; None for a bare pod."""
    override: str
    """Workload name from the override annotation; empty where there is none."""
    node: str = ""
    """`spec.nodeName`: whose capture hears it best, and for tokens that do not name it; empty until scheduled."""
    is_excluded: bool = False
    """Whether its labels or an annotation leave it out of the map, decided when the record was made."""
    is_kept_out: bool = False
    """An annotation says that no object is to be made for its workload; counts where the pod has no owner."""
    images: str = ""
    """What names its Job's workload, where Jobs without an owner are named by their containers' images."""
    service: ServiceName | None = None
    """What it says its service is called in telemetry; None where it does not say."""


@dataclass(frozen=True, slots=True)
class OwnerRecord:
    """A ReplicaSet, Deployment, Job, …: only who it is and who owns it."""

    namespace: str
    kind: str
    name: str
    uid: str
    owner: OwnerKey | None
    group: str = ""
    """API group of the kind."""
    is_dns_cache: bool = False
    """A DaemonSet of NodeLocal DNSCache: it asks the cluster's DNS for the pods of its node."""
    is_kept_out: bool = False
    """An annotation says that no object is to be made for this workload."""


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """A Service."""

    namespace: str
    name: str
    headless: bool
    external_name: str
    """`spec.externalName` in lower case without the trailing dot; empty for every other type."""
    ports: tuple[int, ...]
    """Service ports; 53 makes its backends resolvers, whose own look-ups are not theirs."""
    cluster_ips: tuple[str, ...] = ()
    """`spec.clusterIPs` in canonical form: what a client dials; empty for headless ones and ExternalName."""
    srv_names: tuple[str, ...] = ()
    """`_name._protocol` of each port, as a client asks for it (RFC 2782); empty for one without a name, and
    nothing at all where no port has one."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of an EndpointSlice."""

    pod: str
    """Name of the pod behind it, in the slice's namespace; empty where it names none, though a pod may have its
    address: slices of Services without a selector are written by hand."""
    host: str
    """`hostname` of the endpoint, under which a headless Service publishes it; may be empty."""
    addresses: tuple[str, ...] = ()
    """Its addresses in canonical form where it names no pod; else empty, for the pod has them."""


@dataclass(frozen=True, slots=True)
class SliceRecord:
    """An EndpointSlice, not ready endpoints included."""

    namespace: str
    name: str
    service: str
    endpoints: tuple[Endpoint, ...]
    ports: tuple[int, ...] = ()
    """Ports of the endpoints; kept, like addresses, only where an endpoint has no pod behind it."""


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A Node's addresses, which are never a pod's."""

    name: str
    addresses: tuple[str, ...]
    """InternalIP and ExternalIP addresses, and the first address (gateway) of every podCIDR."""


Record = PodRecord | OwnerRecord | ServiceRecord | SliceRecord | NodeRecord


@dataclass(frozen=True, slots=True)
class RecordGone:
    """An object that no longer exists."""

    record: Record
    """The last state known of it."""
    at_ms: int
    """When it was seen DELETED, or found missing after a re-list (then no later than its `deletionTimestamp`)."""
    since_ms: int | None = None
    """When it was last known to be there; None where that is `at_ms`: the watch told of its end."""
