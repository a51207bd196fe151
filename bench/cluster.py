"""A generated cluster: 1,000 Deployments of 10 pods in 20 namespaces, each with a Service and 20 names it asks for."""

from collections.abc import Iterator

from grapevine.model.observation import DnsObservation
from grapevine.resolver.records import (
    Endpoint,
    OwnerKey,
    OwnerRecord,
    PodRecord,
    Record,
    ServiceRecord,
    SliceRecord,
)

DOMAIN = "cluster.local"
DNS_IP = "10.96.0.10"
NAMESPACES = 20
WORKLOADS = 1_000
PODS = 10
NODES = 500
TARGETS = 20
EXTERNAL = 4
"""Of a workload's targets, how many are outside the cluster."""
START_MS = 1_790_000_000_000


def namespace_of(workload: int) -> str:
    """Return the namespace of the n-th workload."""
    return f"team-{workload % NAMESPACES:02d}"


def name_of(workload: int) -> str:
    """Return the name of the n-th workload and of its Service."""
    return f"service-{workload:04d}"


def pod_name(workload: int, pod: int, template: str = "5d9c7b8f6d") -> str:
    """Return the name of a pod of a ReplicaSet."""
    return f"{name_of(workload)}-{template}-{pod:05d}"


def node_of(workload: int, pod: int) -> str:
    """Return the name of the node a pod runs on."""
    return f"node-{(workload * PODS + pod) % NODES}"


def pod_ip(workload: int, pod: int) -> str:
    """Return the address of a pod, unique over the cluster."""
    number = workload * PODS + pod
    return f"10.{64 + number // 65_536}.{number // 256 % 256}.{number % 256}"


def cluster_ip(workload: int) -> str:
    """Return the ClusterIP of a workload's Service."""
    return f"10.96.{64 + workload // 250}.{workload % 250 + 1}"


def records() -> Iterator[Record]:
    """Yield the cluster as records."""
    yield ServiceRecord("kube-system", "kube-dns", False, "", ports=(53,), cluster_ips=(DNS_IP,))
    for w in range(WORKLOADS):
        namespace, name = namespace_of(w), name_of(w)
        owner = f"{name}-5d9c7b8f6d"
        yield OwnerRecord(namespace, "Deployment", name, f"d{w}", None, "apps")
        deployment = OwnerKey("Deployment", name, f"d{w}", "apps")
        yield OwnerRecord(namespace, "ReplicaSet", owner, f"r{w}", deployment, "apps")
        yield ServiceRecord(
            namespace, name, headless=False, external_name="", ports=(80,), cluster_ips=(cluster_ip(w),)
        )
        for p in range(PODS):
            key = OwnerKey("ReplicaSet", owner, f"r{w}", "apps")
            yield PodRecord(
                namespace,
                pod_name(w, p),
                f"p{w}-{p}",
                (pod_ip(w, p),),
                False,
                START_MS,
                None,
                None,
                key,
                "",
                node_of(w, p),
            )
        endpoints = tuple(Endpoint(pod_name(w, p), "") for p in range(PODS))
        yield SliceRecord(namespace, f"{name}-abcde", name, endpoints)


def observations() -> list[DnsObservation]:
    """Return one look-up of every edge: 20 a workload."""
    return [observation for w in range(WORKLOADS) for observation in lookups(w, _ips(w), START_MS + 60_000 + w)]


def lookups(workload: int, ips: tuple[str, ...], at_ms: int) -> list[DnsObservation]:
    """Return one look-up of every edge of a workload, by its pods in turn."""
    return [_lookup(workload, t, ips[t % len(ips)], at_ms) for t in range(TARGETS)]


def targets_of(workload: int) -> set[str]:
    """Return what a workload reaches: `name.namespace` of another, or a domain."""
    return {
        f"api-{t}.{name_of(workload % 50)}.example.com" if t < EXTERNAL else ".".join(_other(workload, t))
        for t in range(TARGETS)
    }


def _ips(workload: int) -> tuple[str, ...]:
    return tuple(pod_ip(workload, p) for p in range(PODS))


def _other(workload: int, target: int) -> tuple[str, str]:
    other = (workload + 37 * target) % WORKLOADS
    return name_of(other), namespace_of(other)


def _lookup(workload: int, target: int, ip: str, at_ms: int) -> DnsObservation:
    if target < EXTERNAL:
        name, answers = f"api-{target}.{name_of(workload % 50)}.example.com", (f"192.0.2.{workload % 50 + 1}",)
    else:
        name = ".".join((*_other(workload, target), "svc", DOMAIN))
        answers = (cluster_ip((workload + 37 * target) % WORKLOADS),)
    return DnsObservation(
        first_ms=at_ms,
        last_ms=at_ms,
        count=1,
        client_ip=ip,
        resolver_ip=DNS_IP,
        qname=name,
        qtype="A",
        rcode="NOERROR",
        answers=answers,
        cnames=(),
        transport="udp",
        source="packet",
    )
