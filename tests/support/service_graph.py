"""How Tempo's metrics-generator and the collector's servicegraph connector make edges of spans: a model of both.

Fed with OTLP requests as they go over the wire, and a clock. It knows what decides whether an edge is drawn, between
whom and of which type: the key, the wait, the bounded store, the rules for databases and virtual nodes, the age of
spans. Its truth table, taken from a real Tempo 3.0.3, is tests/unit/export/test_service_graph_model.py.

Source: Grafana Tempo 3.0.3, modules/generator/processor/servicegraphs; OpenTelemetry Collector contrib,
connector/servicegraphconnector.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.support.collector import attributes_of

CLIENTS = {Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_PRODUCER}
SERVERS = {Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CONSUMER}
_NS = 1_000_000_000


@dataclass(frozen=True)
class Flavour:
    """What the two do differently."""

    wait_s: float
    max_items: int
    slack_s: float | None
    """How far a span's end may be from now; None for any."""
    peer_attributes: tuple[str, ...] = ("peer.service", "db.name", "db.system")
    database_attributes: tuple[str, ...] = ()
    database_names: tuple[str, ...] = ()
    """Attributes that name a database's node, the first there wins; empty for the value of the marker itself."""
    is_peer_client_named: bool = False
    """Whether a lone SERVER's client is taken from its peer attribute."""
    unknown_server: str = ""
    """Name of a lone CLIENT's server without a peer attribute; empty for no edge."""
    knows_multiplier: bool = False


TEMPO = Flavour(
    wait_s=10,
    max_items=10_000,
    slack_s=30,
    database_attributes=("db.namespace", "db.name", "db.system"),
    database_names=("peer.service", "server.address", "network.peer.address"),
    is_peer_client_named=True,
    knows_multiplier=True,
)
CONNECTOR = Flavour(wait_s=2, max_items=1_000, slack_s=None, database_attributes=("db.name",), unknown_server="unknown")


@dataclass(frozen=True, order=True)
class DrawnEdge:
    """One series of `traces_service_graph_request_total`, with the dimension `service.namespace`."""

    client: str
    server: str
    connection_type: str = ""
    client_namespace: str = ""
    server_namespace: str = ""


@dataclass
class _Pending:
    at_s: float
    client: str = ""
    server: str = ""
    client_namespace: str = ""
    server_namespace: str = ""
    client_peer: str = ""
    server_peer: str = ""
    is_root: bool = False
    is_failed: bool = False
    connection_type: str = ""
    count: float = 1.0


@dataclass
class ServiceGraph:
    """The processor. `now_s` is the caller's, seconds since the epoch, and never goes back."""

    flavour: Flavour
    multiplier_key: str = ""
    edges: dict[DrawnEdge, float] = field(default_factory=dict)
    failed: Counter[DrawnEdge] = field(default_factory=Counter)
    dropped: int = 0
    """Spans for which the store had no room."""
    discarded: int = 0
    """Spans too old, or too far in the future."""
    expired: int = 0
    """Halves that nothing completed and nothing names."""
    most_pending: int = 0
    _pending: dict[tuple[bytes, bytes], _Pending] = field(default_factory=dict)

    def push_bytes(self, message: bytes, now_s: float) -> None:
        """Take in one request as it came over the wire."""
        self.push(ExportTraceServiceRequest.FromString(message), now_s)

    def push(self, request: ExportTraceServiceRequest, now_s: float) -> None:
        """Take in one request."""
        self.expire(now_s)
        for resource, span in _spans(request):
            if "service.name" in resource:
                self._take(resource, span, now_s)

    def expire(self, now_s: float) -> None:
        """Let what has waited long enough become a virtual node, or nothing."""
        for key, each in [(k, e) for k, e in self._pending.items() if now_s - e.at_s >= self.flavour.wait_s]:
            del self._pending[key]
            self._complete_alone(each)

    def _take(self, resource: Mapping[str, Any], span: Span, now_s: float) -> None:
        slack_s = self.flavour.slack_s
        if slack_s is not None and abs(span.end_time_unix_nano / _NS - now_s) > slack_s:
            self.discarded += 1
            return
        if span.kind in CLIENTS:
            key = (span.trace_id, span.span_id)
        elif span.kind in SERVERS:
            key = (span.trace_id, span.parent_span_id)
        else:
            return
        each = self._pending.get(key)
        if each is None:
            if len(self._pending) >= self.flavour.max_items:
                self.dropped += 1
                return
            each = self._pending[key] = _Pending(now_s)
            self.most_pending = max(self.most_pending, len(self._pending))
        self._fill(each, resource, span)
        if each.client and each.server:
            del self._pending[key]
            self._count(each)

    def _fill(self, each: _Pending, resource: Mapping[str, Any], span: Span) -> None:
        attributes = attributes_of(span.attributes)
        every = {**resource, **attributes}
        peer = str(next((attributes[a] for a in self.flavour.peer_attributes if attributes.get(a)), ""))
        each.is_failed |= span.status.code == span.status.STATUS_CODE_ERROR
        if span.kind in (Span.SPAN_KIND_PRODUCER, Span.SPAN_KIND_CONSUMER):
            each.connection_type = "messaging_system"
        ratio = every.get(self.multiplier_key)
        if self.flavour.knows_multiplier and isinstance(ratio, float) and ratio > 0:
            each.count = 1 / ratio
        if span.kind in SERVERS:
            each.server, each.server_peer, each.is_root = resource["service.name"], peer, not span.parent_span_id
            each.server_namespace = resource.get("service.namespace", "")
            return
        each.client, each.client_peer = resource["service.name"], peer
        each.client_namespace = resource.get("service.namespace", "")
        marker = next((every[a] for a in self.flavour.database_attributes if every.get(a)), "")
        if marker:
            named = (every[a] for a in self.flavour.database_names if every.get(a))
            each.server, each.connection_type = str(next(named, marker)), "database"

    def _complete_alone(self, each: _Pending) -> None:
        each.connection_type = "virtual_node"
        if each.client:
            each.server = each.client_peer or self.flavour.unknown_server
        elif each.is_root:
            each.client = (each.server_peer if self.flavour.is_peer_client_named else "") or "user"
        if each.client and each.server:
            self._count(each)
        else:
            self.expired += 1

    def _count(self, each: _Pending) -> None:
        edge = DrawnEdge(each.client, each.server, each.connection_type, each.client_namespace, each.server_namespace)
        self.edges[edge] = self.edges.get(edge, 0) + each.count
        self.failed[edge] += each.is_failed


def _spans(request: ExportTraceServiceRequest) -> Iterator[tuple[dict[str, Any], Span]]:
    for resource_spans in request.resource_spans:
        resource = attributes_of(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield resource, span
