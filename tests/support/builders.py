"""Small, valid values of the pure core, each field with a default: a test names only what it is about.

Times are milliseconds; `T0` is the start of a whole second, so that tests may say `T0 + 500`.
"""

from collections.abc import Iterable

from grapevine.graph.store import GraphStore
from grapevine.intents.build import build_intents
from grapevine.intents.read import read_intents
from grapevine.model.age import Age
from grapevine.model.connection import Connection
from grapevine.model.edge import DeadDependency, Edge
from grapevine.model.intents import ActualIntents, DesiredIntents
from grapevine.model.lookup import Lookup
from grapevine.model.news import NewEdge
from grapevine.model.observation import ConnObservation, DnsObservation, Observation
from grapevine.model.target import (
    Destination,
    DomainDestination,
    InternetTarget,
    ServiceDestination,
    ServiceTarget,
    Target,
    WorkloadDestination,
    WorkloadTarget,
)
from grapevine.model.workload import WorkloadRef
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.names import try_service_name
from grapevine.resolver.owners import STANDARD_OWNERS
from grapevine.resolver.records import (
    Endpoint,
    OwnerKey,
    OwnerRecord,
    PodRecord,
    Record,
    RecordGone,
    ServiceRecord,
    SliceRecord,
)
from grapevine.settings import GraphSettings
from grapevine.wire.schema import Batch, BatchHeader, Hearing

T0 = 1_700_000_000_000
LATER = T0 + 10**8
"""When a cluster was seen whose history is told at once."""
DOMAIN = "cluster.local"
CLIENT_IP = "10.0.0.9"
HEARD = Age(("packet",))
"""Of what was seen once, on the wire."""


def a_pod(
    name: str = "web-0",
    *,
    namespace: str = "shop",
    uid: str = "",
    ips: tuple[str, ...] = (CLIENT_IP,),
    host_network: bool = False,
    start_ms: int | None = T0,
    end_ms: int | None = None,
    deletion_ms: int | None = None,
    owner: OwnerKey | None = None,
    override: str = "",
    node: str = "",
    is_excluded: bool = False,
) -> PodRecord:
    """Return a running bare pod of `CLIENT_IP` since `T0`."""
    uid = uid or f"uid-{namespace}-{name}"
    return PodRecord(
        namespace, name, uid, ips, host_network, start_ms, end_ms, deletion_ms, owner, override, node, is_excluded
    )


def an_owner(
    kind: str, name: str, owner: OwnerKey | None = None, *, namespace: str = "shop", uid: str = ""
) -> OwnerRecord:
    """Return an owner whose uid is made of its kind and name."""
    return OwnerRecord(namespace, kind, name, uid or f"uid-{kind}-{name}", owner, STANDARD_OWNERS.get(kind, ""))


def owned_by(kind: str, name: str, *, uid: str = "") -> OwnerKey:
    """Return the reference to the owner that `an_owner` makes."""
    return OwnerKey(kind, name, uid or f"uid-{kind}-{name}", STANDARD_OWNERS.get(kind, ""))


def a_deployment(name: str, *, namespace: str = "shop") -> list[Record]:
    """Return a Deployment and its ReplicaSet `<name>-1`."""
    owner = owned_by("Deployment", name)
    return [
        an_owner("Deployment", name, namespace=namespace),
        an_owner("ReplicaSet", f"{name}-1", owner, namespace=namespace),
    ]


def a_pod_of(deployment: str, number: int, ip: str, *, namespace: str = "shop") -> PodRecord:
    """Return a pod of `a_deployment`."""
    owner = owned_by("ReplicaSet", f"{deployment}-1")
    return a_pod(f"{deployment}-1-{number}", namespace=namespace, ips=(ip,), owner=owner)


def a_service(
    name: str = "cart",
    *,
    namespace: str = "shop",
    headless: bool = False,
    external_name: str = "",
    ports: tuple[int, ...] = (80,),
    cluster_ips: tuple[str, ...] = (),
) -> ServiceRecord:
    """Return a Service on port 80."""
    return ServiceRecord(namespace, name, headless, external_name, ports, cluster_ips)


def a_slice(
    service: str, *pods: str | Endpoint, namespace: str = "shop", name: str = "", ports: tuple[int, ...] = ()
) -> SliceRecord:
    """Return the slice of a Service with these pods behind it."""
    endpoints = tuple(p if isinstance(p, Endpoint) else Endpoint(p, "") for p in pods)
    return SliceRecord(namespace, name or f"{service}-1", service, endpoints, ports)


def an_index(*records: Record | RecordGone) -> ClusterIndex:
    """Return an index fed with the records, in order, long after what they tell of."""
    index = ClusterIndex(DOMAIN)
    index.apply(records, LATER)
    return index


def an_observation(
    qname: str = "cart.shop.svc.cluster.local",
    *,
    answers: tuple[str, ...] = ("10.96.0.1",),
    rcode: str = "NOERROR",
    qtype: str = "A",
    client_ip: str = CLIENT_IP,
    first_ms: int = T0 + 1_000,
    last_ms: int | None = None,
    count: int = 1,
) -> DnsObservation:
    """Return one answered look-up by `CLIENT_IP`; any other rcode than NOERROR comes without answers."""
    return DnsObservation(
        first_ms=first_ms,
        last_ms=first_ms if last_ms is None else last_ms,
        count=count,
        client_ip=client_ip,
        resolver_ip="10.96.0.10",
        qname=qname,
        qtype=qtype,
        rcode=rcode,
        answers=answers if rcode == "NOERROR" else (),
        cnames=(),
        transport="udp",
        source="packet",
    )


def a_dial(
    dst_ip: str = "10.96.0.1",
    dst_port: int = 80,
    *,
    client_ip: str = CLIENT_IP,
    first_ms: int = T0 + 1_000,
    last_ms: int | None = None,
    count: int = 1,
    source: str = "packet",
) -> ConnObservation:
    """Return one connection opened by `CLIENT_IP`."""
    last_ms = first_ms if last_ms is None else last_ms
    return ConnObservation(first_ms, last_ms, count, client_ip, dst_ip, dst_port, "tcp", source)


def a_batch(
    *observations: Observation,
    stream: str = "s",
    seq: int = 1,
    oldest: int = 1,
    node: str = "n1",
    clock_ms: int = T0 + 10_000,
) -> Batch:
    """Return a batch of these observations."""
    header = BatchHeader(stream, seq, oldest, node, clock_ms, Hearing(("packet",), T0))
    return Batch(header, observations)


def a_workload(name: str = "web", *, namespace: str = "shop", kind: str = "Deployment") -> WorkloadRef:
    """Return a Deployment's identity."""
    return WorkloadRef(namespace, kind, name)


def a_lookup(
    name: str,
    *,
    client: WorkloadRef | None = None,
    rcode: str = "NOERROR",
    is_answered: bool | None = None,
    destination: Destination | None = None,
    first_ms: int = T0,
    last_ms: int | None = None,
    count: int = 1,
    addresses: tuple[str, ...] = (),
    source: str = "packet",
) -> Lookup:
    """Return a look-up that answered, where `rcode` says so, with the destination its name tells."""
    answered = rcode == "NOERROR" if is_answered is None else is_answered
    if destination is None and answered:
        service = try_service_name(name, DOMAIN)
        destination = (
            ServiceDestination(service.namespace, service.service, service.host) if service else DomainDestination(name)
        )
    last_ms = first_ms if last_ms is None else last_ms
    seen = (first_ms, last_ms, count)
    return Lookup(client or a_workload(), name, destination, answered, rcode, *seen, addresses, source=source)


def a_connection(
    address: str = "192.0.2.1",
    port: int = 443,
    *,
    client: WorkloadRef | None = None,
    destination: Destination | None = None,
    first_ms: int = T0,
    last_ms: int | None = None,
    count: int = 1,
    source: str = "packet",
) -> Connection:
    """Return a connection of `a_workload`, out of the cluster where no destination is given."""
    last_ms = first_ms if last_ms is None else last_ms
    seen = (first_ms, last_ms, count)
    return Connection(client or a_workload(), address, port, "tcp", destination, *seen, source)


def a_graph(settings: GraphSettings | None = None) -> GraphStore:
    """Return an empty graph."""
    return GraphStore(DOMAIN, settings or GraphSettings())


def plain_target(destination: Destination) -> Target:
    """Return the target of a destination in a cluster where each Service is its Deployment's namesake."""
    match destination:
        case ServiceDestination("default", "kubernetes"):
            return ServiceTarget("default", "kubernetes")
        case ServiceDestination(namespace, service):
            return WorkloadTarget(WorkloadRef(namespace, "Deployment", service))
        case DomainDestination(domain):
            return InternetTarget(domain)
        case WorkloadDestination(workload):
            return WorkloadTarget(workload)


def an_edge(
    target: Target,
    *,
    client: WorkloadRef | None = None,
    names: tuple[str, ...] = (),
    evidence: tuple[str, ...] = ("dns",),
    first_ms: int = T0,
    last_ms: int = T0,
    count: int = 1,
    ports: tuple[int, ...] = (),
    state: str = "active",
    age: Age = HEARD,
    addresses: tuple[str, ...] = (),
) -> Edge:
    """Return an edge of `a_workload` seen by `packet`, over TCP where it has ports."""
    protocols = ("tcp",) if ports else ()
    return Edge(
        client or a_workload(),
        target,
        names,
        evidence,
        first_ms,
        last_ms,
        count,
        ports,
        protocols,
        state=state,
        age=age,
        addresses=addresses,
    )


def a_new_edge(
    name: str = "cart",
    *,
    client: WorkloadRef | None = None,
    listened_ms: int = 7_200_000,
    ports: tuple[int, ...] = (),
) -> NewEdge:
    """Return that `a_workload`, listened to for a day, reaches a workload for the first time."""
    edge = an_edge(to_workload(name), client=client, names=(f"{name}.shop.svc.{DOMAIN}",), ports=ports)
    return NewEdge(edge, 86_400_000, listened_ms)


def to_workload(name: str, *, namespace: str = "shop", kind: str = "Deployment") -> WorkloadTarget:
    """Return the target of one workload."""
    return WorkloadTarget(WorkloadRef(namespace, kind, name))


def desired_of(
    edges: Iterable[Edge] = (),
    dead: Iterable[DeadDependency] = (),
    *,
    client: WorkloadRef | None = None,
) -> DesiredIntents:
    """Return what `build_intents` makes of the edges."""
    return build_intents(client or a_workload(), edges, dead)


def an_object(
    name: str = "web",
    *,
    namespace: str = "shop",
    workload: str = "web",
    kind: str = "Deployment",
    targets: Iterable[dict[str, object]] = (),
    discovered: bool = True,
    uid: str = "",
    version: int = 1,
    created: str = "",
) -> dict[str, object]:
    """Return a ClientIntents object as the API gives it."""
    spec: dict[str, object] = {"workload": {"name": workload, **({"kind": kind} if kind else {})}}
    metadata: dict[str, object] = {
        "name": name,
        "namespace": namespace,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
        "generation": 1,
        "labels": {"grapevine.dev/origin": "discovered"} if discovered else {},
        **({"creationTimestamp": created} if created else {}),
    }
    return {
        "apiVersion": "k8s.otterize.com/v2beta1",
        "kind": "ClientIntents",
        "metadata": metadata,
        "spec": {**spec, "targets": list(targets)},
    }


def an_actual(
    name: str = "web",
    *,
    namespace: str = "shop",
    workload: str = "web",
    kind: str = "Deployment",
    targets: Iterable[dict[str, object]] = (),
    discovered: bool = True,
    uid: str = "",
    version: int = 1,
    created: str = "",
) -> ActualIntents:
    """Return `an_object`, slimmed."""
    return read_intents(
        an_object(
            name,
            namespace=namespace,
            workload=workload,
            kind=kind,
            targets=targets,
            discovered=discovered,
            uid=uid,
            version=version,
            created=created,
        )
    )
