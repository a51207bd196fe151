"""The far end of an edge, twice: as it was asked for, and as ClientIntents say it.

A *destination* is what a look-up named and never changes. A *target* is who stands behind it now: it changes when a
Service gets a second owner, and the graph then moves the edge (docs/decisions/001-destination-and-target.md).
Destinations are tuples: each observation is found by one, and the hash of a tuple is not made by Python code.
"""

from dataclasses import dataclass
from typing import NamedTuple

from grapevine.model.workload import WorkloadRef

CLUSTERSET_DOMAIN = "clusterset.local"
"""Domain of the Services that several clusters share; KEP-1645 (Multi-Cluster Services) fixes it."""


class ServiceDestination(NamedTuple):
    """A Service of the cluster, asked for by name."""

    namespace: str
    service: str
    host: str = ""
    """Host name of one pod behind a headless Service (`redis-0`); empty for the Service itself."""
    port: str = ""
    """`_name._protocol` of the port that an SRV name asks for (RFC 2782); empty for every other name."""
    zone: str = ""
    """Domain it was asked for under, where that is not the cluster's: `CLUSTERSET_DOMAIN`, behind which pods of other
    clusters may stand too, or another name of the cluster's domain."""


class DomainDestination(NamedTuple):
    """A name outside the cluster: the one the client asked for, not the end of its CNAME chain."""

    domain: str


class WorkloadDestination(NamedTuple):
    """A pod asked for by address (`10-0-0-7.ns.pod.<domain>`), fixed to the workload that held it at that time."""

    workload: WorkloadRef


Destination = ServiceDestination | DomainDestination | WorkloadDestination


@dataclass(frozen=True, slots=True, order=True)
class WorkloadTarget:
    """`kubernetes: {name, kind}`: exactly one workload stands behind the name."""

    workload: WorkloadRef


@dataclass(frozen=True, slots=True, order=True)
class ServiceTarget:
    """`service: {name}`: no single workload behind it (several, none known, or the API server)."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True, order=True)
class InternetTarget:
    """`internet: {domains: [domain]}`: one item a domain."""

    domain: str


Target = WorkloadTarget | ServiceTarget | InternetTarget


def destination_name(destination: Destination, cluster_domain: str) -> str:
    """Return the complete name of a destination; empty for a pod's address, whose workload is all that lasts."""
    match destination:
        case ServiceDestination(namespace, service, host, port, zone):
            return ".".join(filter(None, (port, host, service, namespace, "svc", zone or cluster_domain)))
        case DomainDestination(domain):
            return domain
        case WorkloadDestination():
            return ""
