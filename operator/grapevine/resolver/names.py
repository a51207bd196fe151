"""Forms of names in a cluster's DNS. Pure string work; knows no objects.

Names arrive in lower case without trailing dot, internationalised ones as the A-labels of the wire (RFC 5890 §2.3.2.1).

Source: Kubernetes DNS-Based Service Discovery 1.1.0
(https://github.com/kubernetes/dns/blob/master/docs/specification.md); Multi-Cluster Services, KEP-1645.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from grapevine.model.target import (
    CLUSTERSET_DOMAIN,
    Destination,
    DomainDestination,
    InternetTarget,
    ServiceDestination,
    ServiceTarget,
    Target,
    WorkloadDestination,
    WorkloadTarget,
)

_IPV4 = re.compile(r"\d{1,3}(\.\d{1,3}){3}")


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
    def port(self) -> str:
        """`_http._tcp` where it names a port of the Service (RFC 2782); else empty."""
        is_port = len(self.left) == 2 and all(label.startswith("_") for label in self.left)
        return ".".join(self.left) if is_port else ""

    @property
    def host_ip(self) -> str:
        """Address by which a headless Service publishes a pod without host name, `10-0-0-7.<service>…`; else empty."""
        return try_dashed_ip(self.host) or ""


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
    ip = try_dashed_ip(dashed)
    return PodName(namespace, ip) if ip else None


def try_dashed_ip(label: str) -> str | None:
    """Return the address, in canonical form, that a label spells with dashes for dots or colons; None where none."""
    if "-" not in label:
        return None
    for separator in (".", ":"):
        try:
            return str(ipaddress.ip_address(label.replace("-", separator)))
        except ValueError:
            continue
    return None


def is_address(name: str, domain: str) -> bool:
    """Whether it is an IPv4 address asked for like a name, be it through the cluster's search list."""
    match = _IPV4.match(name)
    return match is not None and (name == match[0] or name[match.end() :].endswith("." + domain))


def try_search_suffix(name: str, domain: str) -> str | None:
    """Return what stands behind a complete name of the cluster, `corp.example`; None where nothing does."""
    before, _, suffix = f".{name}".rpartition(f".{domain}.")
    return suffix if before and suffix else None


def is_reverse(name: str) -> bool:
    """Whether it is a reverse look-up (RFC 1035 §3.5, RFC 3596 §2.5)."""
    return name.endswith((".in-addr.arpa", ".ip6.arpa")) or name in ("in-addr.arpa", "ip6.arpa")


def destinations_of(names: Iterable[str], target: Target, domain: str) -> list[Destination]:
    """Return what a client asked for, from what `status.observed` keeps of an edge: its names, else its target."""
    is_inside = not isinstance(target, InternetTarget)
    if found := [_destination_of(name, domain, is_inside=is_inside) for name in names]:
        return found
    match target:
        case WorkloadTarget(workload):
            return [WorkloadDestination(workload)]
        case ServiceTarget(namespace, name):
            return [ServiceDestination(namespace, name)]
        case InternetTarget(name):
            return [DomainDestination(name)]


def try_service_destination(name: str, domain: str) -> ServiceDestination | None:
    """Return the Service of the cluster, or of the cluster set, that a name asks for; None where it is neither's."""
    if service := try_service_name(name, domain):
        return ServiceDestination(service.namespace, service.service, service.host, service.port)
    if service := try_service_name(name, CLUSTERSET_DOMAIN):
        return ServiceDestination(service.namespace, service.service, zone=CLUSTERSET_DOMAIN)
    return None


def _destination_of(name: str, domain: str, *, is_inside: bool) -> Destination:
    if service := try_service_destination(name, domain):
        return service
    before, svc, zone = name.partition(".svc.")
    if is_inside and svc and "." in before:  # under another domain of the cluster's
        _, service_name, namespace = ["", *before.rsplit(".", 2)][-3:]
        return ServiceDestination(namespace, service_name, zone=zone)
    return DomainDestination(name)
