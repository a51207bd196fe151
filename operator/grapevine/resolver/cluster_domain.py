"""Which domain the cluster's names are under, from what was answered. Pure.

A name of a Service's form that was answered with that Service's own address tells its domain, and is that Service under
whatever domain it was asked for: the address is proof, and cannot be forged to anybody's harm but the asker's.
"""

from collections.abc import Callable, Iterable, Sequence

from grapevine.model.observation import DnsObservation, Observation
from grapevine.model.target import ServiceDestination
from grapevine.model.workload import ServiceRef
from grapevine.resolver.records import Record, RecordGone, ServiceRecord

ServiceAt = Callable[[str], ServiceRef | None]
"""Tells the Service that has a ClusterIP."""
_ENOUGH = 2
"""Services that agree on a domain; more would only confirm it."""


def try_service_by_address(name: str, answers: Sequence[str], service_at: ServiceAt) -> ServiceDestination | None:
    """Return the Service that a name spells before some `svc.<domain>`, where every answer is its address."""
    if not answers or ".svc." not in name:
        return None
    labels = name.split(".")
    for at in range(2, len(labels) - 1):
        service = ServiceRef(labels[at - 1], labels[at - 2])
        if labels[at] == "svc" and all(service_at(answer) == service for answer in answers):
            return ServiceDestination(service.namespace, service.name, zone=".".join(labels[at + 1 :]))
    return None


def find_domain(records: Iterable[Record | RecordGone], observations: Iterable[Observation]) -> str | None:
    """Return the domain of the cluster with these objects that these look-ups tell; None where they tell none.

    Reads no further than the second Service that agrees. Of several domains that with the most Services, then the
    first by name.
    """
    services = {
        ip: ServiceRef(record.namespace, record.name)
        for record in records
        if isinstance(record, ServiceRecord)
        for ip in record.cluster_ips
    }
    told: dict[str, set[tuple[str, str]]] = {}
    for each in observations:
        if not isinstance(each, DnsObservation) or each.qtype not in ("A", "AAAA"):
            continue
        if found := try_service_by_address(each.qname, each.answers, services.get):
            told.setdefault(found.zone, set()).add((found.namespace, found.service))
            if len(told[found.zone]) >= _ENOUGH:
                return found.zone
    return min(told, key=lambda domain: (-len(told[domain]), domain), default=None)
