"""Edges by client, their evidence and age; bounded.

The store keeps what was asked for (destinations) with who stands behind it now (targets), so that a Service that
gets a second owner moves its edges instead of leaving a wrong one behind. Readers see edges, grouped by target.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from grapevine.graph.search import SearchList
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
_MAX_ANSWERED = 4_096
"""Names of one client known to resolve; forgetting one shows a failed variant of it as dead until it is asked again."""


@dataclass(slots=True)
class _Sighting:
    target: Target
    is_answered: bool
    first_ms: int
    last_ms: int
    count: int
    counted_through_ms: int = 0
    """Observations up to here were counted before a restart: sent again, they add nothing."""


@dataclass(slots=True)
class _Failure:
    names: set[str]
    """What the application may have asked for: names that every failed variant so far leads back to."""
    rcode: str
    first_ms: int
    last_ms: int
    count: int
    counted_through_ms: int = 0


@dataclass(slots=True)
class _Client:
    search: SearchList
    sightings: dict[Destination, _Sighting] = field(default_factory=dict)
    failures: OrderedDict[str, _Failure] = field(default_factory=OrderedDict)
    """By the shortest of their names; oldest first."""
    answered: OrderedDict[str, None] = field(default_factory=OrderedDict)


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
        self.overflow = {"clients-full": 0, "destinations-full": 0, "failures-full": 0}
        """What the bounds kept out, by bound."""
        self.folded = {"search-list": 0, "nodata-twin": 0}
        """Failed look-ups that an answer to another variant of the name, or question, explains."""

    # --- writing

    def add(self, lookup: Lookup, target_of: Callable[[Destination], Target]) -> None:
        """Take in one look-up."""
        client = self._client(lookup.client)
        if client is None:
            return
        if lookup.destination is None:
            self._add_failure(client, lookup)
        else:
            self._add_sighting(client, lookup, lookup.destination, target_of)
            self._explain(client, lookup)

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
                first_ms=edge.first_ms,
                last_ms=edge.last_ms,
                count=count,
                counted_through_ms=edge.last_ms,
            )
            count = 0
            self._index(ref, destination)
            self._dirty.add(ref)
            if EVIDENCE_DNS in edge.evidence:
                # Failed variants may come again without the answer that explained them: its batch was durable.
                for name in client.search.variants(destination_name(destination, self._domain)):
                    client.answered[name] = None

    def restore_dead(self, dead: DeadDependency) -> None:
        """Take a dead dependency back from the cluster's status."""
        client = self._client(dead.client)
        if client is not None and dead.name not in client.failures and len(client.failures) < self._bounds.max_failures:
            client.failures[dead.name] = _Failure(
                {dead.name}, dead.rcode, dead.first_ms, dead.last_ms, dead.count, dead.last_ms
            )
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
        return [
            DeadDependency(ref, name, f.rcode, f.first_ms, f.last_ms, f.count)
            for name, f in (client.failures.items() if client else ())
        ]

    def metrics(self) -> list[Metric]:
        """Return the map's size and what its bounds kept out."""
        destinations = sum(len(c.sightings) for c in self._clients.values())
        dead = sum(len(c.failures) for c in self._clients.values())
        return [
            Metric("grapevine_clients", "gauge", "Client workloads in the map.", {"": len(self._clients)}),
            Metric("grapevine_destinations", "gauge", "Destinations in the map, over all clients.", {"": destinations}),
            Metric("grapevine_dead_dependencies", "gauge", "Names that never resolved, over all clients.", {"": dead}),
            Metric(
                "grapevine_lookups_folded", "counter", "Failed look-ups that an answer explains.", self.folded, "reason"
            ),
            Metric("grapevine_graph_overflow", "counter", "What the map's bounds kept out.", self.overflow, "bound"),
        ]

    # --- parts

    def _client(self, ref: WorkloadRef) -> _Client | None:
        client = self._clients.get(ref)
        if client is None:
            if len(self._clients) >= self._bounds.max_clients:
                self.overflow["clients-full"] += 1
                return None
            client = self._clients[ref] = _Client(SearchList(ref.namespace, self._domain))
            self._namesakes.setdefault((ref.namespace, ref.name), set()).add(ref)
        return client

    def _add_sighting(
        self, client: _Client, lookup: Lookup, destination: Destination, target_of: Callable[[Destination], Target]
    ) -> None:
        sighting = client.sightings.get(destination)
        if sighting is None:
            if len(client.sightings) >= self._bounds.max_destinations:
                self.overflow["destinations-full"] += 1
                return
            client.sightings[destination] = _Sighting(
                target_of(destination), lookup.is_answered, lookup.first_ms, lookup.last_ms, lookup.count
            )
            self._index(lookup.client, destination)
            self._dirty.add(lookup.client)
            return
        if sighting.is_answered and not lookup.is_answered:
            self._fold(lookup.rcode, lookup.count)  # the AAAA of a name that has an A, or the other way round
            return
        if lookup.is_answered and not sighting.is_answered:
            self._fold("NODATA", sighting.count)
            sighting.is_answered, sighting.count = True, 0
            self._dirty.add(lookup.client)
        _add_times(sighting, lookup)

    def _explain(self, client: _Client, lookup: Lookup) -> None:
        """Withdraw the failures that an answer explains: the other variants of its name."""
        if lookup.name in client.answered and not client.failures:
            client.answered.move_to_end(lookup.name)
            return
        if client.search.learn_from_answer(lookup.name, list(client.failures)):
            self._rebase(client)
        names = client.search.variants(lookup.name)
        for name in names:
            client.answered[name] = None
            client.answered.move_to_end(name)
        for key in [k for k, f in client.failures.items() if not f.names.isdisjoint(names)]:
            failure = client.failures.pop(key)
            self._fold(failure.rcode, failure.count)
            self._dirty.add(lookup.client)
        while len(client.answered) > _MAX_ANSWERED:
            client.answered.popitem(last=False)

    def _add_failure(self, client: _Client, lookup: Lookup) -> None:
        search = client.search
        is_new = search.note_attempt(lookup.name)
        names = search.variants(lookup.name)
        if not client.answered.keys().isdisjoint(names):
            self._fold(lookup.rcode, lookup.count)
            return
        # A suffix shows in this name, or, now that its base is known, in one that failed before.
        for name in (search.base(lookup.name), *(client.failures if is_new else ())):
            if search.learn_from_failure(name, client.answered):
                self._rebase(client)
                self._dirty.add(lookup.client)
                self._add_failure(client, lookup)
                return
        known = _meet(client.failures, names)
        if known is not None:
            _add_times(known, lookup)
            known.rcode = lookup.rcode
            if not known.names <= names:
                client.failures = _merged(client.failures, known, names)
                self._dirty.add(lookup.client)
            return
        client.failures[min(names, key=len)] = _Failure(
            names, lookup.rcode, lookup.first_ms, lookup.last_ms, lookup.count
        )
        self._dirty.add(lookup.client)
        if len(client.failures) > self._bounds.max_failures:
            client.failures.popitem(last=False)
            self.overflow["failures-full"] += 1

    def _rebase(self, client: _Client) -> None:
        """Name failures anew after a suffix was learned; those that meet an answered name go."""
        failures, client.failures = client.failures, OrderedDict()
        for failure in failures.values():
            failure.names = set().union(*map(client.search.variants, failure.names))
            if not client.answered.keys().isdisjoint(failure.names):
                self._fold(failure.rcode, failure.count)
            elif (known := _meet(client.failures, failure.names)) is None:
                client.failures[min(failure.names, key=len)] = failure
            else:
                known.first_ms = min(known.first_ms, failure.first_ms)
                known.last_ms = max(known.last_ms, failure.last_ms)
                known.count += failure.count
                client.failures = _merged(client.failures, known, failure.names)

    def _fold(self, rcode: str, count: int) -> None:
        self.folded["nodata-twin" if rcode == "NODATA" else "search-list"] += count

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
            first_ms=min(s.first_ms for _, s in group),
            last_ms=max(s.last_ms for _, s in group),
            count=sum(s.count for _, s in group),
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


def _meet(failures: OrderedDict[str, _Failure], names: set[str]) -> _Failure | None:
    """Return the failure that may be of the same asked name as one of these variants."""
    return next((f for f in failures.values() if not f.names.isdisjoint(names)), None)


def _merged(failures: OrderedDict[str, _Failure], known: _Failure, names: set[str]) -> OrderedDict[str, _Failure]:
    """Return the failures, in their order, with `known` narrowed to what `names` lead back to as well."""
    known.names = known.names & names
    return OrderedDict((min(f.names, key=len) if f is known else key, f) for key, f in failures.items())


def _add_times(seen: _Sighting | _Failure, lookup: Lookup) -> None:
    if lookup.last_ms > seen.counted_through_ms:
        seen.count += lookup.count
    seen.first_ms = min(seen.first_ms, lookup.first_ms)
    seen.last_ms = max(seen.last_ms, lookup.last_ms)
