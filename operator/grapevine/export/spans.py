"""Calls as OTLP spans: a CLIENT and a SERVER span for a call, each on its own workload's resource.

The messages are filled in place. OpenTelemetry's SDK makes its own objects first and copies them into messages, level
by level, for five times the CPU (docs/decisions/020-otlp-without-the-sdk.md). Nothing here measures time: DNS does not
know how long a request took, so a span lasts nothing and is stamped with the moment it is sent.

Source: OTLP 1.x, opentelemetry.proto.trace.v1; OpenTelemetry semantic conventions; Grafana Tempo, "Service graphs".
"""

import random
from collections.abc import Iterable, Sequence
from struct import iter_unpack

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, SpanFlags

from grapevine import __version__
from grapevine.export.attributes import Attribute, Repeated, put
from grapevine.export.batches import SpanBatch
from grapevine.export.calls import Call
from grapevine.export.nodes import Node, VirtualNode, WorkloadNode
from grapevine.model.timestamp import format_ms

ROOT_NAME = "grapevine.edges"
NAME = "grapevine.edge"
"""Of every CLIENT and SERVER span: a back end's span metrics make series by name, so the target is an attribute."""

_PREFIX = "grapevine.edge."
_OBSERVATIONS, _SAMPLE_RATIO = f"{_PREFIX}observations", f"{_PREFIX}sample_ratio"
_LAST_SEEN = f"{_PREFIX}last_seen"
_WINDOW_START = f"{_PREFIX}window.start"
"""The window ends with the span."""
_MAX_KEPT = 20_000
"""Targets, and workloads, whose encoded part is kept: 450 and 250 bytes each. Over it they are encoded anew."""
_Target = tuple[Node, str, int, tuple[str, ...]]
"""Node, name asked for, port, evidence: what decides the steady part of a CLIENT span."""
_LOCAL = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_REMOTE = _LOCAL | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
_KINDS = {
    "Deployment": "k8s.deployment.name",
    "StatefulSet": "k8s.statefulset.name",
    "DaemonSet": "k8s.daemonset.name",
    "CronJob": "k8s.cronjob.name",
    "Job": "k8s.job.name",
    "ReplicaSet": "k8s.replicaset.name",
    "Pod": "k8s.pod.name",
}


class SpanEncoder:
    """Makes requests of batches.

    What a span says is nearly the same in every tick, and the same for every client of a target that was asked for by
    one name: that part is encoded once, and kept while the targets have room.
    """

    def __init__(self, cluster: str, environment: str, ids: random.Random) -> None:
        """Take `k8s.cluster.name` and `deployment.environment.name`, empty where nobody said, and who makes ids up."""
        named = {"k8s.cluster.name": cluster, "deployment.environment.name": environment}
        self._everywhere = {name: value for name, value in named.items() if value}
        self._ids = ids
        self._root = _steady(ROOT_NAME, Span.SPAN_KIND_INTERNAL, _LOCAL, ())
        self._answering = _steady(NAME, Span.SPAN_KIND_SERVER, _REMOTE, ())
        self._asking: dict[_Target, bytes] = {}
        self._of_node: dict[WorkloadNode, bytes] = {}

    def encode(self, batch: SpanBatch, now_ns: int) -> bytes:
        """Return the request: every workload's resource once, all spans ending now."""
        request = ExportTraceServiceRequest()
        spans_of: dict[WorkloadNode, Repeated[Span]] = {}
        times: dict[int, str] = {}
        ids = iter_unpack("16s", self._ids.randbytes(16 * (batch.spans + len(batch.traces))))

        def spans(node: WorkloadNode) -> "Repeated[Span]":
            found = spans_of.get(node)
            if found is None:
                resource_spans = request.resource_spans.add()
                resource_spans.MergeFromString(self._node(node))
                found = spans_of[node] = resource_spans.scope_spans[0].spans
            return found

        def add(to: "Repeated[Span]", steady: bytes, trace_id: bytes, parent_id: bytes) -> Span:
            span = to.add()
            span.MergeFromString(steady)
            span.trace_id, span.parent_span_id, span.span_id = trace_id, parent_id, next(ids)[0][:8]
            span.start_time_unix_nano = span.end_time_unix_nano = now_ns
            return span

        def shown(at_ms: int) -> str:
            text = times.get(at_ms)
            if text is None:
                text = times[at_ms] = format_ms(at_ms)
            return text

        for trace in batch.traces:
            of_client, (trace_id,) = spans(trace[0].client), next(ids)
            root_id = add(of_client, self._root, trace_id, b"").span_id
            for call in trace:
                asking = add(of_client, self._steady_asking(call), trace_id, root_id)
                counted = _counted(call)
                put(asking.attributes, counted)
                put(
                    asking.attributes,
                    ((_LAST_SEEN, shown(call.last_ms)), (_WINDOW_START, shown(call.since_ms))),
                )
                if isinstance(call.server, WorkloadNode):
                    answering = add(spans(call.server), self._answering, trace_id, asking.span_id)
                    put(answering.attributes, counted)
        message: bytes = request.SerializeToString()
        return message

    def _steady_asking(self, call: Call) -> bytes:
        """Return what a CLIENT span of calls like this one says in every tick."""
        key = (call.server, call.address, call.port, call.evidence)
        known = self._asking.get(key)
        if known is None:
            if len(self._asking) >= _MAX_KEPT:
                self._asking.clear()
            known = _steady(NAME, Span.SPAN_KIND_CLIENT, _LOCAL, _client_attributes(call))
            self._asking[key] = known
        return known

    def _node(self, node: WorkloadNode) -> bytes:
        """Return a workload's resource and the scope of its spans."""
        known = self._of_node.get(node)
        if known is None:
            if len(self._of_node) >= _MAX_KEPT:
                self._of_node.clear()
            made = ResourceSpans()
            put(made.resource.attributes, (resource_attributes(node) | self._everywhere).items())
            scope = made.scope_spans.add().scope
            scope.name, scope.version = "grapevine", __version__
            known = self._of_node[node] = made.SerializeToString()
        return known


def _steady(name: str, kind: "Span.SpanKind.ValueType", flags: int, attributes: Iterable[Attribute]) -> bytes:
    """Return the part of a span that is the same in every tick, encoded."""
    span = Span(name=name, kind=kind, flags=flags)
    put(span.attributes, ((f"{_PREFIX}synthetic", True), *attributes))
    encoded: bytes = span.SerializeToString()
    return encoded


def resource_attributes(node: WorkloadNode) -> dict[str, str]:
    """Return what tells a workload. No pod's name: an edge is between workloads."""
    attributes = {
        "service.name": node.name,
        "service.namespace": node.namespace,
        "k8s.namespace.name": node.workload.namespace,
    }
    if key := _KINDS.get(node.workload.kind):
        attributes[key] = node.workload.name
    return attributes


def _counted(call: Call) -> Sequence[Attribute]:
    """Return the attributes of both spans that count: a back end that multiplies wants them on either."""
    if not call.observations:
        return ((_OBSERVATIONS, 0),)
    return ((_OBSERVATIONS, call.observations), (_SAMPLE_RATIO, 1.0 / call.observations))


def _client_attributes(call: Call) -> Iterable[Attribute]:
    """Yield the attributes of the CLIENT span alone: who is called, how it was asked for, and what it was seen by."""
    server = call.server
    yield "peer.service", server.name  # deprecated, and the only one that Tempo, the connector and Grafana read
    yield "service.peer.name", server.name
    if server.namespace:
        yield "service.peer.namespace", server.namespace
    if call.address:
        yield "server.address", call.address
        yield "dns.question.name", call.address
    if call.port:
        yield "server.port", call.port
    if isinstance(server, VirtualNode) and server.system:
        yield "db.system", server.system.old_name
        yield "db.system.name", server.system.name
    yield f"{_PREFIX}evidence", ",".join(call.evidence)
