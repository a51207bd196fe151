"""Calls as OTLP spans: a CLIENT and a SERVER span for a call, each on its own workload's resource.

The messages are filled in place. OpenTelemetry's SDK makes its own objects first and copies them into messages, level
by level, for five times the CPU (docs/decisions/020-otlp-without-the-sdk.md). Nothing here measures time: DNS does not
know how long a request took, so a span lasts nothing and is stamped with the moment it is sent.

Source: OTLP 1.x, opentelemetry.proto.trace.v1; OpenTelemetry semantic conventions; Grafana Tempo, "Service graphs".
"""

import random
from collections.abc import Iterable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, SpanFlags

from grapevine import __version__
from grapevine.export.attributes import Attribute, Repeated, put
from grapevine.export.batches import SpanBatch
from grapevine.export.calls import Call
from grapevine.export.nodes import VirtualNode, WorkloadNode
from grapevine.model.timestamp import format_ms

ROOT_NAME = "grapevine.edges"
NAME = "grapevine.edge"
"""Of every CLIENT and SERVER span: a back end's span metrics make series by name, so the target is an attribute."""

_PREFIX = "grapevine.edge."
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
    """Makes requests of batches."""

    def __init__(self, cluster: str, environment: str, ids: random.Random) -> None:
        """Take `k8s.cluster.name` and `deployment.environment.name`, empty where nobody said, and who makes ids up."""
        named = {"k8s.cluster.name": cluster, "deployment.environment.name": environment}
        self._everywhere = {name: value for name, value in named.items() if value}
        self._ids = ids

    def encode(self, batch: SpanBatch, now_ns: int) -> bytes:
        """Return the request: every workload's resource once, all spans ending now."""
        request = ExportTraceServiceRequest()
        spans_of: dict[WorkloadNode, Repeated[Span]] = {}

        def spans(node: WorkloadNode) -> "Repeated[Span]":
            found = spans_of.get(node)
            if found is None:
                resource_spans = request.resource_spans.add()
                put(resource_spans.resource.attributes, (resource_attributes(node) | self._everywhere).items())
                scope_spans = resource_spans.scope_spans.add()
                scope_spans.scope.name, scope_spans.scope.version = "grapevine", __version__
                found = spans_of[node] = scope_spans.spans
            return found

        for trace in batch.traces:
            of_client, trace_id = spans(trace[0].client), self._ids.randbytes(16)
            root = of_client.add(name=ROOT_NAME, kind=Span.SPAN_KIND_INTERNAL, flags=_LOCAL)
            root_id = self._stamp(root, trace_id, b"", now_ns)
            put(root.attributes, [(f"{_PREFIX}synthetic", True)])
            for call in trace:
                shared = list(_shared_attributes(call))
                asking = of_client.add(name=NAME, kind=Span.SPAN_KIND_CLIENT, flags=_LOCAL)
                asking_id = self._stamp(asking, trace_id, root_id, now_ns)
                put(asking.attributes, shared)
                put(asking.attributes, _client_attributes(call))
                if isinstance(call.server, WorkloadNode):
                    answering = spans(call.server).add(name=NAME, kind=Span.SPAN_KIND_SERVER, flags=_REMOTE)
                    self._stamp(answering, trace_id, asking_id, now_ns)
                    put(answering.attributes, shared)
        message: bytes = request.SerializeToString()
        return message

    def _stamp(self, span: Span, trace_id: bytes, parent_id: bytes, now_ns: int) -> bytes:
        """Give a span its place and moment; return its id."""
        span.trace_id, span.parent_span_id, span.span_id = trace_id, parent_id, self._ids.randbytes(8)
        span.start_time_unix_nano = span.end_time_unix_nano = now_ns
        return span.span_id


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


def _shared_attributes(call: Call) -> Iterable[Attribute]:
    """Yield the attributes of both spans: a back end that multiplies, or filters, wants them on either."""
    yield f"{_PREFIX}synthetic", True
    yield f"{_PREFIX}observations", call.observations
    if call.observations:
        yield f"{_PREFIX}sample_ratio", 1.0 / call.observations


def _client_attributes(call: Call) -> Iterable[Attribute]:
    """Yield the attributes of the CLIENT span alone: who is called, how it was asked for, and since when.

    The window ends with the span.
    """
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
    yield f"{_PREFIX}last_seen", format_ms(call.last_ms)
    yield f"{_PREFIX}window.start", format_ms(call.since_ms)
