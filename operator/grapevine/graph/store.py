"""Edges by client, their evidence and age; bounded.

The store keeps what was asked for (destinations) with who stands behind it now (targets), so that a Service that
gets a second owner moves its edges instead of leaving a wrong one behind. Readers see edges, grouped by target.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from grapevine.graph.attempts import Attempts
from grapevine.graph.search import SearchList
from grapevine.graph.tally import GraphTally, Seen
from grapevine.model.edge import DeadDependency, Edge
from grapevine.model.lookup import Lookup
from grapevine.model.metric import Metric
from grapevine.model.target import (
    Destination,
    DomainDestination,
    ServiceDestination,
    Target,
    WorkloadDestination,
    WorkloadTarget,
)
from grapevine.model.workload import ServiceRef, WorkloadRef
from grapevine.settings import GraphSettings

EVIDENCE_DNS = "dns"
EVIDENCE_UNREADY = "dns-unready"


@dataclass(slots=True)
class _Sighting:
    target: Target
    is_answered: bool
    seen: Seen


@dataclass(slots=True)
class _Client:
    attempts: Attempts
    sightings: dict[Destination, _Sighting] = field(default_factory=dict)


class GraphStore:
    """The live map.

    Every method is O(what it touches). `take_dirty` hands out the clients whose intents may differ from what was last
    read: new edges, other targets, other evidence, dead dependencies that came or went. Times and counts are no reason.
    """

    def __init__(self, cluster_domain: str, settings: GraphSettings) -> None:
        self._domain = cluster_domain
        self._bounds = settings
        self._clients: dict[WorkloadRef, _Client] = {}
        self._namesakes: dict[tuple[str, str], set[WorkloadRef]] = {}
        self._askers: dict[ServiceRef, set[tuple[WorkloadRef, ServiceDestination]]] = {}
        self._dirty: set[WorkloadRef] = set()
        self.tally = GraphTally()
        """What is not in the map, and why."""

    # --- writing

    def add(self, lookup: Lookup, target_of: Callable[[Destination], Target]) -> None:
        """Take in one look-up."""
        client = self._client(lookup.client)
        if client is None:
            return
        if lookup.destination is None:
            has_changed = client.attempts.fail(lookup)
        else:
            has_changed = self._add_sighting(client, lookup, lookup.destination, target_of)
            has_changed |= client.attempts.answer(lookup.name)
        if has_changed:
            self._dirty.add(lookup.client)

    def retarget(self, services: Iterable[ServiceRef], target_of: Callable[[Destination], Target]) -> None:
        """Look again at who stands behind these Services, and move the edges that lead to another target now."""
        for service in services:
            for ref, destination in self._askers.get(service, ()):
                sighting = self._clients[ref].sightings[destination]
                target = target_of(destination)
                if target != sighting.target:
                    sighting.target = target
                    self._dirty.add(ref)

    def restore_edge(
        self,
        ref: WorkloadRef,
        destinations: Iterable[Destination],
        edge: Edge,
        target_of: Callable[[Destination], Target],
    ) -> None:
        """Take an edge back from the cluster's status, as the destinations that led to it; what is newer stays."""
        client = self._client(ref)
        if client is None:
            return
        count = edge.count
        for destination in destinations:
            if destination in client.sightings or len(client.sightings) >= self._bounds.max_destinations:
                continue
            client.sightings[destination] = _Sighting(
                target=target_of(destination),
                is_answered=EVIDENCE_DNS in edge.evidence,
                seen=Seen(edge.first_ms, edge.last_ms, count, counted_through_ms=edge.last_ms),
            )
            count = 0
            self._index(ref, destination)
            self._dirty.add(ref)
            if EVIDENCE_DNS in edge.evidence:
                client.attempts.restore_answer(destination_name(destination, self._domain))

    def restore_dead(self, dead: DeadDependency) -> None:
        """Take a dead dependency back from the cluster's status."""
        client = self._client(dead.client)
        if client is not None and client.attempts.restore_dead(dead):
            self._dirty.add(dead.client)

    def take_dirty(self) -> set[WorkloadRef]:
        """Return the clients changed since the last call, and forget that they were."""
        dirty, self._dirty = self._dirty, set()
        return dirty

    # --- reading

    @property
    def clients(self) -> list[WorkloadRef]:
        """Every client known, sorted."""
        return sorted(self._clients)

    def namesakes(self, namespace: str, name: str) -> list[WorkloadRef]:
        """Return the clients of that name, whatever their kind, sorted."""
        return sorted(self._namesakes.get((namespace, name), ()))

    def edges(self, ref: WorkloadRef) -> list[Edge]:
        """Return the client's edges, calls to itself left out; unsorted, empty where the client is unknown."""
        client = self._clients.get(ref)
        groups: dict[Target, list[tuple[Destination, _Sighting]]] = {}
        for destination, sighting in client.sightings.items() if client else ():
            groups.setdefault(sighting.target, []).append((destination, sighting))
        groups.pop(WorkloadTarget(ref), None)
        return [self._edge(ref, target, group) for target, group in groups.items()]

    def dead(self, ref: WorkloadRef) -> list[DeadDependency]:
        """Return the names of the client none of whose variants ever resolved; oldest failure first."""
        client = self._clients.get(ref)
        return client.attempts.dead(ref) if client else []

    def metrics(self) -> list[Metric]:
        """Return the map's size and what its bounds kept out."""
        destinations = sum(len(c.sightings) for c in self._clients.values())
        dead = sum(len(c.attempts) for c in self._clients.values())
        return [
            Metric("grapevine_clients", "gauge", "Client workloads in the map.", {"": len(self._clients)}),
            Metric("grapevine_destinations", "gauge", "Destinations in the map, over all clients.", {"": destinations}),
            Metric("grapevine_dead_dependencies", "gauge", "Names that never resolved, over all clients.", {"": dead}),
            Metric(
                "grapevine_lookups_folded",
                "counter",
                "Failed look-ups that an answer explains.",
                self.tally.folded,
                "reason",
            ),
            Metric(
                "grapevine_graph_overflow", "counter", "What the map's bounds kept out.", self.tally.overflow, "bound"
            ),
        ]

    # --- parts

    def _client(self, ref: WorkloadRef) -> _Client | None:
        client = self._clients.get(ref)
        if client is None:
            if len(self._clients) >= self._bounds.max_clients:
                self.tally.overflow["clients-full"] += 1
                return None
            client = self._clients[ref] = _Client(self._attempts(ref))
            self._namesakes.setdefault((ref.namespace, ref.name), set()).add(ref)
        return client

    def _attempts(self, ref: WorkloadRef) -> Attempts:
        return Attempts(SearchList(ref.namespace, self._domain), self._bounds.max_failures, self.tally)

    def _add_sighting(
        self, client: _Client, lookup: Lookup, destination: Destination, target_of: Callable[[Destination], Target]
    ) -> bool:
        """Count a look-up of a destination; return whether that is news."""
        sighting = client.sightings.get(destination)
        if sighting is None:
            if len(client.sightings) >= self._bounds.max_destinations:
                self.tally.overflow["destinations-full"] += 1
                return False
            seen = Seen(lookup.first_ms, lookup.last_ms, lookup.count)
            client.sightings[destination] = _Sighting(target_of(destination), lookup.is_answered, seen)
            self._index(lookup.client, destination)
            return True
        if sighting.is_answered and not lookup.is_answered:
            self.tally.fold(lookup.rcode, lookup.count)  # the AAAA of a name that has an A, or the other way round
            return False
        is_news = lookup.is_answered and not sighting.is_answered
        if is_news:
            self.tally.fold("NODATA", sighting.seen.count)
            sighting.is_answered, sighting.seen.count = True, 0
        sighting.seen.add(lookup)
        return is_news

    def _index(self, ref: WorkloadRef, destination: Destination) -> None:
        if isinstance(destination, ServiceDestination):
            service = ServiceRef(destination.namespace, destination.service)
            self._askers.setdefault(service, set()).add((ref, destination))

    def _edge(self, ref: WorkloadRef, target: Target, group: list[tuple[Destination, _Sighting]]) -> Edge:
        is_answered = any(s.is_answered for _, s in group)
        return Edge(
            client=ref,
            target=target,
            names=tuple(sorted(name for d, _ in group if (name := destination_name(d, self._domain)))),
            evidence=(EVIDENCE_DNS if is_answered else EVIDENCE_UNREADY,),
            first_ms=min(s.seen.first_ms for _, s in group),
            last_ms=max(s.seen.last_ms for _, s in group),
            count=sum(s.seen.count for _, s in group),
        )


def destination_name(destination: Destination, cluster_domain: str) -> str:
    """Return the complete name of a destination; empty for a pod's address, whose workload is all that lasts."""
    match destination:
        case ServiceDestination(namespace, service, host):
            return f"{host + '.' if host else ''}{service}.{namespace}.svc.{cluster_domain}"
        case DomainDestination(domain):
            return domain
        case WorkloadDestination():
            return ""
