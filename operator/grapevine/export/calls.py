"""The map's live edges as calls between nodes of the service graph: what one tick sends. Pure.

A call counts as sent only once a collector took it: until then its observations wait for the next tick. Spans do not
wait: a back end discards those that are older than seconds.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grapevine.export.externals import Externals
from grapevine.export.graph_page import MAX_DEAD, DeadName
from grapevine.export.increments import Increments
from grapevine.export.nodes import Naming, Node, VirtualNode, WorkloadNode, connection_type
from grapevine.export.series import SeriesKey, SeriesTable
from grapevine.export.settings import TelemetrySettings
from grapevine.export.snapshot import SeenEdge, Snapshot
from grapevine.model.target import InternetTarget, Target
from grapevine.model.workload import WorkloadRef

CallKey = tuple[WorkloadRef, Node]


@dataclass(slots=True)
class Call:
    """One client workload calls one node: everything a tick says of it."""

    client: WorkloadNode
    server: Node
    address: str
    """The name that was asked for; empty where the node stands for several or none is known."""
    port: int
    """0 where it is not known."""
    evidence: tuple[str, ...]
    last_ms: int
    """When it was seen last."""
    observations: int
    """Look-ups, or connections where there was no look-up, since `since_ms` and not told of before."""
    since_ms: int


@dataclass(slots=True)
class _Unsent:
    observations: int
    since_ms: int


class CallBook:
    """Makes a tick's calls, and keeps what the next one must know. As large as the live part of the map."""

    def __init__(self, settings: TelemetrySettings) -> None:
        self._settings = settings
        self._increments = Increments()
        self._unsent: dict[CallKey, _Unsent] = {}
        self._at_ms = 0
        self.externals = Externals(settings.max_externals, settings.series_ttl_s * 1_000)
        self.series = SeriesTable(settings.max_series, settings.series_ttl_s * 1_000)
        """The metrics' side of the same edges."""

    def prime(self, snapshot: Snapshot) -> None:
        """Take in what was there before this process: its observations were told of by another."""
        self._increments.take(seen.edge for seen in snapshot.edges)
        self._at_ms = snapshot.at_ms

    def open(self, snapshot: Snapshot) -> list[Call]:
        """Return the tick's calls, a client's next to each other, and count its observations in the series."""
        naming = self._naming(snapshot)
        gains = self._increments.take(seen.edge for seen in snapshot.edges)
        live = [seen for seen in snapshot.edges if seen.is_live]
        clients = Counter(s.edge.target.domain for s in live if isinstance(s.edge.target, InternetTarget))
        self.externals.see(clients, snapshot.at_ms)
        calls: dict[CallKey, Call] = {}
        client: WorkloadNode | None = None
        nodes: dict[Target, Node] = {}
        for seen, gain in zip(snapshot.edges, gains, strict=True):
            if not seen.is_live and not gain:
                continue
            if client is None or client.workload != seen.edge.client:
                client = naming.workload(seen.edge.client)
            server = nodes.get(seen.edge.target)
            if server is None:
                server = nodes[seen.edge.target] = naming.target(seen.edge.target, self.externals)
            self.series.add(_series_key(client, server), gain, snapshot.at_ms)
            if seen.is_live:
                self._add(calls, seen, client, server, gain)
        self._carry_over(calls, snapshot.at_ms)
        return list(calls.values())

    def dead_names(self, snapshot: Snapshot) -> list[DeadName]:
        """Return the names asked for in vain, at most `MAX_DEAD`, those asked for last first."""
        naming = self._naming(snapshot)
        newest = sorted(snapshot.dead, key=lambda each: (-each.last_ms, each.client, each.name))[:MAX_DEAD]
        nodes = [naming.workload(each.client) for each in newest]
        return [
            DeadName(node.name, node.namespace, each.name, each.rcode, each.count)
            for node, each in zip(nodes, newest, strict=True)
        ]

    def accept(self, calls: Iterable[Call]) -> None:
        """Take in that a collector has them."""
        for call in calls:
            self._unsent.pop((call.client.workload, call.server), None)

    def _naming(self, snapshot: Snapshot) -> Naming:
        return Naming(self._settings.name_format, snapshot.service_names, self._settings.databases)

    def _add(self, calls: dict[CallKey, Call], seen: SeenEdge, client: WorkloadNode, server: Node, gain: int) -> None:
        edge, key = seen.edge, (seen.edge.client, server)
        call = calls.get(key)
        if call is None:
            is_several = isinstance(server, VirtualNode) and server.is_overflow
            address = edge.names[0] if edge.names and not is_several else ""
            port = 0 if is_several else seen.port
            since_ms = self._at_ms or edge.first_ms
            calls[key] = Call(client, server, address, port, edge.evidence, edge.last_ms, gain, since_ms)
            return
        call.observations += gain
        call.last_ms = max(call.last_ms, edge.last_ms)
        call.evidence = tuple(sorted({*call.evidence, *edge.evidence}))

    def _carry_over(self, calls: dict[CallKey, Call], at_ms: int) -> None:
        """Add what earlier ticks could not send, and note that nothing of this one is sent yet."""
        before, self._unsent, self._at_ms = self._unsent, {}, at_ms
        for key, call in calls.items():
            if left := before.get(key):
                call.observations += left.observations
                call.since_ms = left.since_ms
            self._unsent[key] = _Unsent(call.observations, call.since_ms)


def _series_key(client: WorkloadNode, server: Node) -> SeriesKey:
    return SeriesKey(client.name, client.namespace, server.name, server.namespace, connection_type(server))


def in_order(calls: Sequence[Call], first: WorkloadRef | None) -> list[Call]:
    """Return the calls beginning with those of a client: where the last tick had to stop, this one goes on."""
    start = next((n for n, call in enumerate(calls) if call.client.workload == first), 0)
    return [*calls[start:], *calls[:start]]
