"""What a client was seen to reach → its edges: sightings of one target, joined."""

from collections import Counter
from collections.abc import Iterable

from grapevine.graph.ageing import HeardTime
from grapevine.graph.client import Client
from grapevine.graph.sighting import MAX_ADDRESSES, MAX_OWNERS, Sighting, age_of, evidence_of
from grapevine.model.edge import Edge, OwnerSeen
from grapevine.model.target import Destination, Target, WorkloadTarget, destination_name
from grapevine.model.workload import WorkloadRef


def edges_of(ref: WorkloadRef, client: Client, cluster_domain: str) -> list[Edge]:
    """Return the client's edges, calls to itself left out; unsorted."""
    groups: dict[Target, dict[Destination, Sighting]] = {}
    for destination, sighting in client.sightings.items():
        groups.setdefault(sighting.target, {})[destination] = sighting
    groups.pop(WorkloadTarget(ref), None)
    return [_edge(ref, target, group, client.heard, cluster_domain) for target, group in groups.items()]


def _edge(
    ref: WorkloadRef, target: Target, group: dict[Destination, Sighting], heard: HeardTime, cluster_domain: str
) -> Edge:
    sightings = list(group.values())
    evidence = evidence_of(sightings)
    return Edge(
        client=ref,
        target=target,
        names=tuple(sorted(name for each in group if (name := destination_name(each, cluster_domain)))),
        evidence=evidence.kinds,
        first_ms=evidence.first_ms,
        last_ms=evidence.last_ms,
        count=evidence.count,
        ports=evidence.ports,
        protocols=evidence.protocols,
        owners=_owners(sightings),
        state=min(sighting.state for sighting in sightings).name.lower(),
        age=age_of(sightings, heard),
        addresses=tuple(sorted({ip for sighting in sightings for ip in sighting.addresses or ()})[:MAX_ADDRESSES]),
    )


def _owners(sightings: Iterable[Sighting]) -> tuple[OwnerSeen, ...]:
    known = [sighting.owners for sighting in sightings if sighting.owners]
    if not known:  # nearly always, and a Counter is dear
        return ()
    answers: Counter[WorkloadRef] = Counter()
    for owners in known:
        answers.update(owners)
    return tuple(OwnerSeen(owner, count) for owner, count in sorted(answers.items())[:MAX_OWNERS])
