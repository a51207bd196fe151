"""First half of the pipeline: a batch's observations → resolver → graph, with what has to wait parked in between."""

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from grapevine.graph.store import GraphStore
from grapevine.insight.blind_spots import BlindSpots, Sender, Whose
from grapevine.model.account import Account
from grapevine.model.connection import Connection
from grapevine.model.metric import Metric
from grapevine.model.observation import ConnObservation, DnsObservation, Observation
from grapevine.model.target import CLUSTERSET_DOMAIN, ServiceDestination
from grapevine.model.trace import Trace
from grapevine.model.workload import WorkloadRef
from grapevine.resolver.holders import clock_of
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.left_out import LeftOut
from grapevine.resolver.noise import Reason, Unresolved
from grapevine.resolver.parking import BatchId, Parked, Parking
from grapevine.resolver.records import PodRecord
from grapevine.resolver.resolve import Resolver
from grapevine.resolver.unresolved import UnresolvedTally
from grapevine.settings import ResolverSettings
from grapevine.wire.schema import Batch

_SLICE = 200
"""Observations worked between two turns of the event loop: about 5 ms."""
MAX_SKEW_MS = 5_000
"""How far the clock of a sender is taken to be off at most, where it is not known: what it tells of may be as new."""
_WHOSE = {Reason.HOST_NETWORK: Whose.NODE, Reason.NO_POD: Whose.NOBODY}
_MAX_ZONES = 8
_WIRE = "packet"
"""The source whose nodes hear each other's traffic."""
_FILE = "pcap"
"""The source whose clock is that of its packets."""


class Intake:
    """Takes batches in; `on_taken_in(batch, clients, is_whole)` says what became of each, once and again per retry.

    `clients` are the workloads whose observations were taken in, `is_whole` whether nothing of the batch is parked.
    `clock` gives milliseconds since the epoch.
    """

    def __init__(
        self,
        settings: ResolverSettings,
        *,
        index: ClusterIndex,
        graph: GraphStore,
        clock: Callable[[], int],
        on_taken_in: Callable[[BatchId, set[WorkloadRef], bool], None],
        max_clients: int,
    ) -> None:
        self._index = index
        self._graph = graph
        self._clock = clock
        self._on_taken_in = on_taken_in
        self._resolver = Resolver(
            index,
            cluster_domain=settings.cluster_domain,
            own_namespace=settings.own_namespace,
            dns_servers=settings.dns_servers,
            metadata=settings.metadata,
            scope=settings.scope,
        )
        self._parking = Parking(park_ms=settings.park_ms, max_parked=settings.max_parked)
        self._settle_ms = settings.settle_ms
        self._tombstone_ms = settings.tombstone_s * 1000
        self._observed_ms = 0
        self._processing: BatchId | None = None
        """The batch whose slices are being taken in: it is not whole, whatever became of what it has parked so far."""
        self._touched: set[WorkloadRef] = set()
        self._counts: Counter[str] = Counter()
        self._taken_in: Counter[type] = Counter()
        """Look-ups and connections, by the class of their observation."""
        self.unresolved = UnresolvedTally()
        self.left_out = LeftOut(max_clients)
        self.blind_spots = BlindSpots()
        self.zones: Counter[str] = Counter()
        """Observations of Services by the domain they were asked for under, empty for the cluster's; bounded."""
        self._has_set_servers = bool(settings.dns_servers)

    def hear(self, batch: Batch) -> None:
        """Take in that a batch or heartbeat came, be it new or not: its node is heard."""
        header = batch.header
        now_ms = self._clock()
        ahead_ms = header.clock_ms - now_ms
        sender = Sender(header.node, header.hearing.sources, now_ms, ahead_ms, header.counters)
        self.blind_spots.note_sender(header.stream, sender)
        since_ms = header.hearing.since_ms if _WIRE in header.hearing.sources else None
        kinds = {type(observation) for observation in batch.observations}
        if header.hearing.sources and _FILE not in header.hearing.sources:
            self._index.clocks.note(_sender(batch), ahead_ms, now_ms)
        self._resolver.heard.note(header.node, header.stream, since_ms, kinds, now_ms)

    def due_ms(self, batch: Batch) -> int:
        """Return from when on it may be decided whose a batch's observations are: the watch has had time to tell.

        That is its arrival and the settle time; earlier only for what is old whatever its sender's clock says.
        """
        newest_ms = max((each.last_ms for each in batch.observations), default=0)
        newest_ms += MAX_SKEW_MS - self._index.clocks.ahead_ms(_sender(batch))
        return min(self._clock(), newest_ms) + self._settle_ms

    async def process(self, batch: Batch) -> None:
        """Take in one batch, giving the event loop its turn between slices."""
        header = batch.header
        sender = _sender(batch)
        self._index.put_host_ips(sender, header.host_ips)
        batch_id = (header.stream, header.seq)
        clients: set[WorkloadRef] = set()
        self._processing = batch_id
        for start in range(0, len(batch.observations), _SLICE):
            for observation in batch.observations[start : start + _SLICE]:
                self._take_in(observation, sender, batch_id, clients)
            await asyncio.sleep(0)
        self._processing = None
        self._on_taken_in(batch_id, clients, not self._parking.holds(batch_id))

    async def retry_parked(self) -> None:
        """Try everything parked again, because objects have arrived."""
        await self._retry(self._parking.all(), is_final=False)

    async def settle_parked(self, *, only_due: bool) -> None:
        """Decide with what is known about what has waited long enough, or about everything parked."""
        await self._retry(self._parking.due(self._clock()) if only_due else self._parking.all(), is_final=True)

    def forget(self) -> None:
        """Drop tombstones and addresses that no late batch can need, by observation time."""
        self._index.forget_before(self._observed_ms - self._tombstone_ms)
        self._graph.forget_before(self._observed_ms - self._tombstone_ms)

    def is_dns_known(self) -> bool:
        """Whether it is known which servers are the cluster's DNS."""
        return self._has_set_servers or bool(self._resolver.dns_servers.services())

    def dns_pods(self) -> list[PodRecord]:
        """Return the pods that are the cluster's DNS now, by namespace and name."""
        return self._resolver.dns_servers.pods()

    def take_touched(self) -> set[WorkloadRef]:
        """Return the clients heard since the last call: their `lastSeen` may be worth a write."""
        touched, self._touched = self._touched, set()
        return touched

    def accounts(self) -> dict[str, Account]:
        """Return the accounts of `lookups` and `connections`; O(destinations + parked)."""
        tally, parked = self._graph.tally, Counter[type]()
        for each in self._parking.all():
            parked[type(each.observation)] += each.observation.count
        booked = {
            "lookups": self._graph.booked_lookups() + self.unresolved.by_reason,
            "connections": tally.connections + self.unresolved.connections_by_reason,
        }
        restored = {"lookups": tally.restored}
        return {
            name: Account(
                self._taken_in[kind], restored.get(name, 0), dict(booked[name] + Counter({"parked": parked[kind]}))
            )
            for name, kind in (("lookups", DnsObservation), ("connections", ConnObservation))
        }

    def metrics(self) -> list[Metric]:
        """Return what was taken in and what waits."""
        return [
            Metric(
                "grapevine_intake_events",
                "counter",
                "Observations taken in, and oddities.",
                dict(self._counts),
                "event",
            ),
            Metric(
                "grapevine_observations_parked",
                "gauge",
                "Observations that wait for an object.",
                {"": len(self._parking)},
            ),
            Metric(
                "grapevine_cluster_dns_services",
                "gauge",
                "Services known as the cluster's DNS; while 0, every server's answers are believed.",
                {"": len(self._resolver.dns_servers.services())},
            ),
            *self.unresolved.metrics(),
        ]

    def _take_in(self, observation: Observation, node: str, batch: BatchId, clients: set[WorkloadRef]) -> None:
        self._counts["observations"] += 1
        self._taken_in[type(observation)] += observation.count
        # A sender's clock must not age tombstones faster than time passes.
        self._observed_ms = max(self._observed_ms, min(observation.last_ms, self._clock()))
        if not self._resolve(observation, node, clients, is_final=False):
            if self._parking.try_add(observation, node, batch, self._clock()):
                return
            self._counts["parking-full"] += 1
            self._resolve(observation, node, clients, is_final=True)

    def _resolve(self, observation: Observation, node: str, clients: set[WorkloadRef], *, is_final: bool) -> bool:
        """Bring an observation into the graph or the tally; return False, having done neither, where it may wait."""
        found = self._resolver.resolve(observation, node=node, is_final=is_final)
        if isinstance(found, Unresolved):
            if found.may_resolve_later and not is_final:
                return False
            self._leave_out(observation, node, found.reason)
            return True
        if isinstance(found, Connection):
            if not is_final and self._may_be_a_pods(found):
                return False
            if not self._graph.connect(found, self._index.target_of, _trace(observation, found.pod)):
                is_node = self._index.is_host_address(found.address)
                self._leave_out(observation, node, Reason.TO_NODE if is_node else Reason.WITHOUT_LOOKUP)
                return True
        else:
            self._graph.add(found, self._index.target_of, _trace(observation, found.pod))
            self._note(observation, Whose.POD)
            if isinstance(found.destination, ServiceDestination) and isinstance(observation, DnsObservation):
                self.blind_spots.note_resolver(observation.resolver_ip)
                self._note_zone(found.destination.zone)
        clients.add(found.client)
        self._touched.add(found.client)
        return True

    def _note_zone(self, zone: str) -> None:
        if zone != CLUSTERSET_DOMAIN and (zone in self.zones or len(self.zones) < _MAX_ZONES):
            self.zones[zone] += 1

    def _leave_out(self, observation: Observation, node: str, reason: Reason) -> None:
        """Count what becomes no edge, as its client's too where that is a pod, or as that of each it may be."""
        self.unresolved.add(observation, reason)
        if whose := _WHOSE.get(reason):
            self._note(observation, whose)
        if self._index.is_host_address(observation.client_ip):
            return
        name = observation.qname if isinstance(observation, DnsObservation) else observation.dst_ip
        for client in {self._index.workload_of(pod)[0] for pod in self._pods_of(observation, node)}:
            self.left_out.add(client, reason, name, observation.count)

    def _pods_of(self, observation: Observation, node: str) -> tuple[PodRecord, ...]:
        clock = clock_of(self._index, observation, node)
        return self._index.held(observation.client_ip, observation.first_ms, observation.last_ms, clock).pods

    def _note(self, observation: Observation, whose: Whose) -> None:
        if isinstance(observation, DnsObservation):
            now_ms = self._clock()
            self.blind_spots.note_lookup(observation.client_ip, observation.source, whose, observation.count, now_ms)

    def _may_be_a_pods(self, connection: Connection) -> bool:
        """Whether a pod under way may have the address, which nothing explains; scans must not crowd out the rest."""
        if connection.destination is not None or self._parking.is_half_full or self._graph.is_looked_up(connection):
            return False
        try:
            is_private = ipaddress.ip_address(connection.address).is_private
        except ValueError:
            return False
        return is_private and not self._index.is_host_address(connection.address)

    async def _retry(self, waiting: Sequence[Parked], *, is_final: bool) -> None:
        """Try what waited, giving the event loop its turn between slices."""
        for start in range(0, len(waiting), _SLICE):
            # between slices, somebody else may have decided about some of it
            self._retry_slice([p for p in waiting[start : start + _SLICE] if p in self._parking], is_final=is_final)
            await asyncio.sleep(0)

    def _retry_slice(self, waiting: Iterable[Parked], *, is_final: bool) -> None:
        clients_of: dict[BatchId, set[WorkloadRef]] = {}
        for parked in waiting:
            clients = clients_of.setdefault(parked.batch, set())
            if self._resolve(parked.observation, parked.node, clients, is_final=is_final):
                self._parking.remove(parked)
        for batch, clients in clients_of.items():
            is_whole = batch != self._processing and not self._parking.holds(batch)
            self._on_taken_in(batch, clients, is_whole)


def _trace(observation: Observation, pod: str) -> Trace:
    """Return what `explain` shows of an observation that has become a workload's, by this pod of it."""
    if isinstance(observation, DnsObservation):
        return Trace(pod, observation.source, observation.resolver_ip, observation.answers)
    return Trace(pod, observation.source, answers=(observation.dst_ip,))


def _sender(batch: Batch) -> str:
    """Return whose clock and addresses a batch's are: its node, or its stream where no node was told."""
    return batch.header.node or batch.header.stream
