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
NAMESPACES = 20
WORKLOADS = 1_000
PODS = 10
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


def pod_name(workload: int, pod: int) -> str:
    """Return the name of a pod."""
    return f"{name_of(workload)}-5d9c7b8f6d-{pod:05d}"


def pod_ip(workload: int, pod: int) -> str:
    """Return the address of a pod, unique over the cluster."""
    number = workload * PODS + pod
    return f"10.{64 + number // 65_536}.{number // 256 % 256}.{number % 256}"


def records() -> Iterator[Record]:
    """Yield the cluster as records."""
    for w in range(WORKLOADS):
        namespace, name = namespace_of(w), name_of(w)
        owner = f"{name}-5d9c7b8f6d"
        yield OwnerRecord(namespace, "Deployment", name, f"d{w}", None, "apps")
        deployment = OwnerKey("Deployment", name, f"d{w}", "apps")
        yield OwnerRecord(namespace, "ReplicaSet", owner, f"r{w}", deployment, "apps")
        yield ServiceRecord(namespace, name, headless=False, external_name="", ports=(80,))
        for p in range(PODS):
            key = OwnerKey("ReplicaSet", owner, f"r{w}", "apps")
            yield PodRecord(
                namespace, pod_name(w, p), f"p{w}-{p}", (pod_ip(w, p),), False, START_MS, None, None, key, ""
            )
        endpoints = tuple(Endpoint(pod_name(w, p), "") for p in range(PODS))
        yield SliceRecord(namespace, f"{name}-abcde", name, endpoints)


def observations() -> list[DnsObservation]:
    """Return one look-up of every edge: 20 a workload."""
    return [_observation(w, t) for w in range(WORKLOADS) for t in range(TARGETS)]


def _observation(workload: int, target: int) -> DnsObservation:
    if target < EXTERNAL:
        name = f"api-{target}.{name_of(workload % 50)}.example.com"
    else:
        other = (workload + 37 * target) % WORKLOADS
        name = f"{name_of(other)}.{namespace_of(other)}.svc.{DOMAIN}"
    at_ms = START_MS + 60_000 + workload
    return DnsObservation(
        first_ms=at_ms,
        last_ms=at_ms,
        count=1,
        client_ip=pod_ip(workload, target % PODS),
        resolver_ip="10.96.0.10",
        qname=name,
        qtype="A",
        rcode="NOERROR",
        answers=("10.96.1.1",),
        cnames=(),
        transport="udp",
        source="packet",
    )
