"""Forms of names in a cluster's DNS. Pure string work; knows no objects.

Source: Kubernetes DNS-Based Service Discovery 1.1.0
(https://github.com/kubernetes/dns/blob/master/docs/specification.md).
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class ServiceName:
    """`[<left labels>.]<service>.<namespace>.svc.<domain>`."""

    namespace: str
    service: str
    left: tuple[str, ...]
    """Labels before the service's: a pod's host name, `_port._protocol`, or what a search list put there."""

    @property
    def host(self) -> str:
        """Host name of one pod, where the left part can be one; else empty."""
        return self.left[0] if len(self.left) == 1 and not self.left[0].startswith("_") else ""

    @property
    def is_port(self) -> bool:
        """Whether it names a port of the Service: `_http._tcp.<service>…` (RFC 2782)."""
        return len(self.left) == 2 and all(label.startswith("_") for label in self.left)


@dataclass(frozen=True, slots=True)
class PodName:
    """`<address with dashes>.<namespace>.pod.<domain>`."""

    namespace: str
    ip: str
    """The address in canonical form."""


def try_service_name(name: str, domain: str) -> ServiceName | None:
    """Return the Service `name` is of, or None where it is no Service name.

    A name that still holds `svc.<domain>` once that suffix is stripped is a complete name that ran through a
    client's search list, and names no Service.
    """
    suffix = ".svc." + domain
    if not name.endswith(suffix):
        return None
    rest = name.removesuffix(suffix)
    if f".{rest}.".find(f".svc.{domain}.") >= 0:
        return None
    *left, service, namespace = ["", "", *rest.split(".")]
    if not service or not namespace:
        return None
    return ServiceName(namespace, service, tuple(left[2:]))


def try_pod_name(name: str, domain: str) -> PodName | None:
    """Return the pod address `name` is made of, or None where it is no such name."""
    rest = name.removesuffix(".pod." + domain)
    dashed, dot, namespace = rest.partition(".")
    if rest == name or not dot or "." in namespace:
        return None
    for separator in (".", ":"):
        try:
            return PodName(namespace, str(ipaddress.ip_address(dashed.replace("-", separator))))
        except ValueError:
            continue
    return None


def is_reverse(name: str) -> bool:
    """Whether it is a reverse look-up (RFC 1035 §3.5, RFC 3596 §2.5)."""
    return name.endswith((".in-addr.arpa", ".ip6.arpa")) or name in ("in-addr.arpa", "ip6.arpa")


def destinations_of(names: Iterable[str], target: Target, domain: str) -> list[Destination]:
    """Return what a client asked for, from what `status.observed` keeps of an edge: its names, else its target."""
    if found := [_destination_of(name, domain) for name in names]:
        return found
    match target:
        case WorkloadTarget(workload):
            return [WorkloadDestination(workload)]
        case ServiceTarget(namespace, name):
            return [ServiceDestination(namespace, name)]
        case InternetTarget(name):
            return [DomainDestination(name)]


def _destination_of(name: str, domain: str) -> Destination:
    service = try_service_name(name, domain)
    if service is None:
        return DomainDestination(name)
    return ServiceDestination(service.namespace, service.service, service.host)
