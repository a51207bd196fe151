"""Edges by client, their evidence and age; bounded.

The store keeps what was asked for (destinations) with who stands behind it now (targets), so that a Service that
gets a second owner moves its edges instead of leaving a wrong one behind. Readers see edges, grouped by target.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from grapevine.graph.addresses import RECENT_MS, Addresses
from grapevine.graph.ageing import Ageing, HeardTime, State
from grapevine.graph.attempts import Attempts
from grapevine.graph.client import AddressesOf, Client
from grapevine.graph.edges import edges_of
from grapevine.graph.measures import booked_lookups, graph_metrics
from grapevine.graph.news import take_new_edges
from grapevine.graph.search import SearchList
from grapevine.graph.sighting import (
    EVIDENCE_CONNECTION,
    EVIDENCE_DNS,
    EVIDENCE_UNREADY,
    Port,
    Sighting,
)
from grapevine.graph.tally import GraphTally, Seen, reason_of_failure
from grapevine.graph.trail import Trail
from grapevine.model.connection import Connection
from grapevine.model.edge import DeadDependency, Edge, UnnamedAddress
from grapevine.model.lookup import Lookup
from grapevine.model.metric import Metric
from grapevine.model.news import NewEdge
from grapevine.model.target import (
    Destination,
    DomainDestination,
    InternetTarget,
    ServiceDestination,
    ServiceTarget,
    Target,
    WorkloadDestination,
    destination_name,
)
from grapevine.model.trace import Trace
from grapevine.model.workload import ServiceRef, WorkloadRef
from grapevine.settings import GraphSettings

_DOMAINS_FULL = "domains-full"
TargetOf = Callable[[Destination], Target]
"""Tells who stands behind a destination now."""


class GraphStore:
    """The live map.

    Every method is O(what it touches). `take_dirty` hands out the clients whose intents may differ from what was last
    read: new edges, other targets, other evidence, dead dependencies that came or went. Times and counts are no reason.
    """

    def __init__(self, cluster_domain: str, settings: GraphSettings) -> None:
        self._domain = cluster_domain
        self._bounds = settings
        self._clients: dict[WorkloadRef, Client] = {}
        self._namesakes: dict[tuple[str, str], set[WorkloadRef]] = {}
        self._askers: dict[ServiceRef, set[tuple[WorkloadRef, ServiceDestination]]] = {}
        self._dirty: set[WorkloadRef] = set()
        self.tally = GraphTally()
        """What is not in the map, and why."""
        self._addresses = Addresses(settings, self.tally)
        self._trails = 0

    # --- writing

    def add(self, lookup: Lookup, target_of: TargetOf, trace: Trace | None = None) -> None:
        """Take in one look-up, and where it came from."""
        client = self._client(lookup.client)
        if client is None:
            self.tally.lookups["clients-full"] += lookup.count
            return
        if lookup.wildcard:
            has_changed = self._withdraw(client.learn_wildcard(lookup, self._addresses_of(lookup.client)))
        elif lookup.destination is None:
            has_changed = client.attempts.fail(lookup)
        else:
            has_changed = self._add_answer(client, lookup, target_of, trace)
        if has_changed:
            self._dirty.add(lookup.client)

    def connect(self, connection: Connection, target_of: TargetOf, trace: Trace | None = None) -> bool:
        """Take in connections; return whether they are of the map: no name or workload explains any other address."""
        client = self._client(connection.client)
        if client is None:
            self.tally.connections["clients-full"] += connection.count
            return True
        destinations = [connection.destination] if connection.destination else self._addresses.dial(connection)
        is_in = False
        for destination in destinations:
            known = client.sightings.get(destination)
            sighting = known or self._enter(client, connection.client, destination, target_of)
            is_in |= sighting is not None
            if sighting is not None:
                first_ms, last_ms = connection.first_ms, connection.last_ms
                is_news = client.see(sighting, connection.source, first_ms, last_ms)
                ports = [(connection.port, connection.proto)]
                is_news |= self._connect(sighting, ports, first_ms, last_ms, connection.count)
                if is_news:
                    self._dirty.add(connection.client)
            self._trace(sighting, trace)
        if destinations:
            booked = "edge" if is_in else self._bound_met(client, destinations[0])
            self.tally.connections[booked] += connection.count
        return bool(destinations)

    def is_looked_up(self, connection: Connection) -> bool:
        """Whether a look-up of the client led to the address it connects to."""
        return self._addresses.is_looked_up(connection)

    def forget_before(self, at_ms: int) -> None:
        """Drop what no observation after `at_ms` can need."""
        self._addresses.forget_before(at_ms - RECENT_MS)

    def retarget(self, services: Iterable[ServiceRef], target_of: TargetOf) -> None:
        """Look again at who stands behind these Services, and move the edges that lead to another target now."""
        for service in services:
            for ref, destination in self._askers.get(service, ()):
                sighting = self._clients[ref].sightings[destination]
                target = target_of(destination)
                # Of a Service with several owners, which these are is news too.
                if target != sighting.target or isinstance(target, ServiceTarget):
                    sighting.target = target
                    self._dirty.add(ref)

    def touch(self, services: Iterable[ServiceRef]) -> None:
        """Write anew what is said of these Services: their own objects changed."""
        for service in services:
            self._dirty.update(ref for ref, _ in self._askers.get(service, ()))

    def restore_edge(
        self,
        ref: WorkloadRef,
        destinations: Iterable[Destination],
        edge: Edge,
        target_of: TargetOf,
    ) -> None:
        """Take an edge back from the cluster's status, as the destinations that led to it; what is newer stays."""
        client = self._client(ref)
        if client is None:
            return
        is_asked = not {EVIDENCE_DNS, EVIDENCE_UNREADY}.isdisjoint(edge.evidence)
        is_answered = EVIDENCE_DNS in edge.evidence
        ports = {(port, protocol) for port in edge.ports for protocol in edge.protocols}
        count, owners = edge.count, edge.owners
        for destination in destinations:
            if destination in client.sightings:
                continue
            sighting = self._enter(client, ref, destination, target_of)
            if sighting is None:
                return
            seen = Seen(edge.first_ms, edge.last_ms, count, counted_through_ms=edge.last_ms)
            if not sighting.owners:
                sighting.owners = {o.workload: o.answers for o in owners if o.answers} or None
            owners = ()
            if EVIDENCE_CONNECTION in edge.evidence:
                sighting.connections, sighting.ports = replace(seen), set(ports)
            if is_asked or not sighting.connections:
                sighting.lookups, sighting.is_answered = seen, is_answered
                self.tally.restored += count
            sighting.ageing = Ageing.restored(edge.age, client.heard)
            sighting.state = State[edge.state.upper()]
            sighting.addresses = dict.fromkeys(edge.addresses, edge.last_ms) or None
            sighting.is_new = False
            count = 0
            self._dirty.add(ref)
            if is_answered:
                client.attempts.restore_answer(destination_name(destination, self._domain))

    def restore_dead(self, dead: DeadDependency) -> None:
        """Take a dead dependency back from the cluster's status."""
        client = self._client(dead.client)
        if client is not None and client.attempts.restore_dead(dead):
            self.tally.restored += dead.count
            self._dirty.add(dead.client)

    def forget_client(self, ref: WorkloadRef) -> None:
        """Drop all that is known of what a client reaches; it may be seen again."""
        client = self._clients.pop(ref, None)
        if client is None:
            return
        self.tally.lookups["forgotten"] += client.attempts.count_dead()
        for destination, sighting in client.sightings.items():
            self._leave(ref, destination, sighting, "forgotten")
        namesakes = self._namesakes[ref.namespace, ref.name]
        namesakes.discard(ref)
        if not namesakes:
            del self._namesakes[ref.namespace, ref.name]

    def listen(self, ref: WorkloadRef, sources: frozenset[str], elapsed_ms: int) -> None:
        """Let time pass in which these sources listened where the client runs."""
        client = self._clients.get(ref)
        if client is not None and client.listen(sources, elapsed_ms):
            self._dirty.add(ref)

    def age(self, ref: WorkloadRef) -> None:
        """Let what is known of the client grow old; what has retired is gone. O(its edges)."""
        client = self._clients.get(ref)
        if client is None:
            return
        has_changed, retired = client.age(self._bounds.patience_ms)
        for destination, sighting in retired:
            self._leave(ref, destination, sighting, "retired")
        self.tally.retired += len(retired)
        if has_changed:
            self._dirty.add(ref)

    def take_new_edges(self, ref: WorkloadRef) -> list[NewEdge]:
        """Return the client's edges that nobody was told of and that are news (`graph.news`), and forget that."""
        client = self._clients.get(ref)
        return take_new_edges(ref, client, self._domain, self._bounds.learning_ms) if client else []

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
        return edges_of(ref, client, self._domain) if client else []

    def is_known(self, ref: WorkloadRef) -> bool:
        """Whether anything the client reaches, or asks for in vain, is known."""
        client = self._clients.get(ref)
        return client is not None and bool(client.sightings or len(client.attempts))

    def retired(self, ref: WorkloadRef) -> int:
        """Return how many edges of the client have retired since the process began."""
        client = self._clients.get(ref)
        return client.retired if client else 0

    def is_silent(self, ref: WorkloadRef) -> bool:
        """Whether nothing that has seen the client listens any more."""
        client = self._clients.get(ref)
        return client is not None and client.is_silent

    def sightings(self, ref: WorkloadRef) -> Mapping[Destination, Sighting]:
        """Return what the client was seen to reach, as it was asked for; to be read and not kept."""
        client = self._clients.get(ref)
        return client.sightings if client else {}

    def connections_to(self, ref: WorkloadRef, workload: WorkloadRef) -> int:
        """Return how often the client connected to the pods of a workload by their addresses."""
        client = self._clients.get(ref)
        sighting = client.sightings.get(WorkloadDestination(workload)) if client else None
        return sighting.connections.count if sighting and sighting.connections else 0

    def noise(self, ref: WorkloadRef) -> list[tuple[str, int, tuple[str, ...]]]:
        """Return what of the client's look-ups is explained or had no room: reason, count, and some of the names."""
        client = self._clients.get(ref)
        return client.noise() if client else []

    def overflow(self, ref: WorkloadRef) -> int:
        """Return the client's look-ups of domains that had no room."""
        client = self._clients.get(ref)
        return client.overflow if client else 0

    def restore_client(self, ref: WorkloadRef, *, overflow: int, learned_ms: int) -> None:
        """Take back from the cluster's status how many look-ups of domains had no room, and how long it was heard."""
        if (overflow or learned_ms) and (client := self._client(ref)):
            client.overflow = max(client.overflow, overflow)
            client.learned_ms = max(client.learned_ms, learned_ms)

    def sharing(self, ref: WorkloadRef, destination: Destination) -> list[Destination]:
        """Return what else the client looked up that led to an address it dialled for this destination."""
        return self._addresses.sharing(ref, destination)

    def dead(self, ref: WorkloadRef) -> list[DeadDependency]:
        """Return the names of the client none of whose variants ever resolved; oldest failure first."""
        client = self._clients.get(ref)
        return client.attempts.dead(ref) if client else []

    def unnamed(self, ref: WorkloadRef) -> list[UnnamedAddress]:
        """Return the addresses the client connects to that no look-up of its led to, and that are nobody's here."""
        return self._addresses.unnamed(ref)

    def booked_lookups(self) -> Counter[str]:
        """Return what became of the look-ups given to `add` or restored, each counted once; O(destinations)."""
        return booked_lookups(self._clients, self.tally)

    def metrics(self) -> list[Metric]:
        """Return the map's size and what its bounds kept out."""
        return graph_metrics(self._clients.values(), self._addresses, self.tally, self._bounds.learning_ms)

    # --- parts

    def _client(self, ref: WorkloadRef) -> Client | None:
        client = self._clients.get(ref)
        if client is None:
            if len(self._clients) >= self._bounds.max_clients:
                self.tally.overflow["clients-full"] += 1
                return None
            heard = HeardTime()
            search = SearchList(ref.namespace, self._domain)
            attempts = Attempts(search, self._bounds.max_failures, self.tally, heard)
            client = self._clients[ref] = Client(attempts, heard)
            self._namesakes.setdefault((ref.namespace, ref.name), set()).add(ref)
        return client

    def _withdraw(self, sightings: Collection[Sighting]) -> bool:
        self._trails -= sum(sighting.trail is not None for sighting in sightings)
        return bool(sightings)

    def _addresses_of(self, ref: WorkloadRef) -> AddressesOf:
        return lambda destination: self._addresses.led_to(ref, destination)

    def _add_answer(self, client: Client, heard: Lookup, target_of: TargetOf, trace: Trace | None) -> bool:
        """Take in a look-up that names a destination; return whether that is news."""
        lookup = client.without_wildcard(heard)
        if lookup is None or lookup.destination is None:
            return False
        destination = lookup.destination
        sighting = client.sightings.get(destination) or self._enter(client, lookup.client, destination, target_of)
        if sighting is None:
            bound = self._bound_met(client, destination)
            self.tally.lookups[bound] += lookup.count
            has_changed = bound == _DOMAINS_FULL and client.note_overflow(lookup.name, lookup.count)
        else:
            has_changed = self._see(client, sighting, lookup)
        has_changed |= client.attempts.answer(lookup.name)
        if client.wildcards:
            has_changed |= self._withdraw(client.look_again(lookup.name, self._addresses_of(lookup.client)))
        sighting = client.sightings.get(destination) if has_changed else sighting  # a wildcard takes back what it made
        if sighting is None:
            return has_changed
        has_changed |= self._join_connections(sighting, lookup, destination)
        self._note_owners(sighting, lookup)
        if lookup.is_answered or not sighting.is_answered:
            self._trace(sighting, trace)
        return has_changed

    def _see(self, client: Client, sighting: Sighting, lookup: Lookup) -> bool:
        """Count a look-up of a destination; return whether that is news."""
        is_back = client.see(sighting, lookup.source, lookup.first_ms, lookup.last_ms)
        if lookup.addresses:
            sighting.resolve(lookup.addresses, lookup.last_ms)
        if sighting.lookups is None:
            sighting.lookups = Seen(lookup.first_ms, lookup.last_ms, lookup.count)
            sighting.is_answered = lookup.is_answered
            return True
        if sighting.is_answered and not lookup.is_answered:
            # the AAAA of a name that has an A, or the other way round
            client.attempts.fold(reason_of_failure(lookup.rcode), lookup.count)
            return is_back
        is_news = lookup.is_answered and not sighting.is_answered
        if is_news:
            client.attempts.fold("nodata-twin", sighting.lookups.count)
            sighting.is_answered, sighting.lookups.count = True, 0
        if not sighting.lookups.add(lookup.first_ms, lookup.last_ms, lookup.count):
            self.tally.lookups["resent"] += lookup.count
        return is_news or is_back

    def _join_connections(self, sighting: Sighting, lookup: Lookup, destination: Destination) -> bool:
        """Give a destination the connections to addresses it led to; return whether that is news."""
        if not lookup.addresses:
            return False
        dialled = self._addresses.answer(lookup.client, destination, lookup.addresses, lookup.last_ms)
        is_news = False
        for each in dialled:
            is_news |= self._connect(sighting, each.ports, each.first_ms, each.last_ms, 0)
        return is_news

    def _note_owners(self, sighting: Sighting, lookup: Lookup) -> None:
        if not lookup.owners or sighting.lookups is None or lookup.last_ms <= sighting.lookups.counted_through_ms:
            return
        self.tally.overflow["owners-full"] += not sighting.note_owners(lookup.owners, lookup.count)

    def _connect(self, sighting: Sighting, ports: Collection[Port], first_ms: int, last_ms: int, count: int) -> bool:
        is_news = sighting.connect(ports, first_ms, last_ms, count)
        self.tally.overflow["ports-full"] += not sighting.ports.issuperset(ports)
        return is_news

    def _trace(self, sighting: Sighting | None, trace: Trace | None) -> None:
        if sighting is None or trace is None:
            return
        if sighting.trail is None:
            if self._trails >= self._bounds.max_trails:
                self.tally.overflow["trails-full"] += 1
                return
            self._trails += 1
            sighting.trail = Trail()
        sighting.trail.note(trace)

    def _enter(
        self, client: Client, ref: WorkloadRef, destination: Destination, target_of: TargetOf
    ) -> Sighting | None:
        """Make room for a destination that is new to the client; None, counted, where there is none."""
        target = target_of(destination)
        bound = self._bound_met(client, destination)
        if not bound:
            self._index(ref, destination)
            return client.enter(destination, Sighting(target))
        if isinstance(target, InternetTarget) and bound == _DOMAINS_FULL:
            group = DomainDestination(
                target.domain
            )  # where it is shown as one, the group has room for all of its names
            if known := client.sightings.get(group):
                return known
            if group != destination:
                return client.enter(group, Sighting(target))
        self.tally.overflow[bound] += 1
        return None

    def _bound_met(self, client: Client, destination: Destination) -> str:
        """Return the bound that keeps a new destination of the client out; empty where there is room."""
        if len(client.sightings) >= self._bounds.max_destinations:
            return "destinations-full"
        is_domain = isinstance(destination, DomainDestination)
        return _DOMAINS_FULL if is_domain and client.domains >= self._bounds.max_domains else ""

    def _leave(self, ref: WorkloadRef, destination: Destination, sighting: Sighting, why: str) -> None:
        """Undo what `_enter`, and `_trace` after it, made beside the client, and book its look-ups."""
        self.tally.lookups[why] += sighting.lookups.count if sighting.lookups else 0
        self._trails -= sighting.trail is not None
        if isinstance(destination, ServiceDestination):
            service = ServiceRef(destination.namespace, destination.service)
            askers = self._askers[service]
            askers.discard((ref, destination))
            if not askers:
                del self._askers[service]

    def _index(self, ref: WorkloadRef, destination: Destination) -> None:
        if isinstance(destination, ServiceDestination):
            service = ServiceRef(destination.namespace, destination.service)
            self._askers.setdefault(service, set()).add((ref, destination))
