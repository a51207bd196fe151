"""What is encoded once and kept is the same in every request, and what is not is told anew."""

import random
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.support.builders import T0, a_workload
from tests.support.collector import attributes_of

from grapevine.export import spans as spans_module
from grapevine.export.batches import span_batches
from grapevine.export.calls import Call
from grapevine.export.nodes import VirtualNode, WorkloadNode
from grapevine.export.spans import SpanEncoder


def a_node(name: str) -> WorkloadNode:
    return WorkloadNode(name, "shop", a_workload(name))


CALL = Call(a_node("web"), a_node("cart"), "cart.shop.svc", 80, ("dns",), T0, 2, T0 - 30_000)


def told(encoder: SpanEncoder, *calls: Call) -> list[tuple[str, int, dict[str, Any]]]:
    """Return (service, kind, attributes) of every span of a request."""
    (batch,) = span_batches(calls)
    request = ExportTraceServiceRequest.FromString(encoder.encode(batch, 1))
    return [
        (attributes_of(resource.resource.attributes)["service.name"], span.kind, attributes_of(span.attributes))
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def test_a_second_tick_tells_what_is_new_as_a_fresh_encoder_would() -> None:
    later = replace(CALL, observations=0, last_ms=T0 + 5, since_ms=T0)
    kept = SpanEncoder("east", "", random.Random(1))
    told(kept, CALL)

    (client,) = [attributes for _, kind, attributes in told(kept, later) if kind == Span.SPAN_KIND_CLIENT]

    assert told(SpanEncoder("east", "", random.Random(2)), later) == told(kept, later)
    assert 0 == client["grapevine.edge.observations"]
    assert "grapevine.edge.sample_ratio" not in client


@pytest.mark.parametrize(
    "other",
    [
        replace(CALL, server=VirtualNode("cart")),
        replace(CALL, server=a_node("redis")),
        replace(CALL, address="cart"),
        replace(CALL, port=8080),
        replace(CALL, evidence=("connection", "dns")),
        replace(CALL, client=a_node("batch")),
    ],
    ids=["virtual", "server", "address", "port", "evidence", "client"],
)
def test_calls_that_differ_are_not_taken_for_each_other(other: Call) -> None:
    kept = SpanEncoder("", "", random.Random(1))

    before = told(kept, CALL)

    assert before != told(kept, other) == told(SpanEncoder("", "", random.Random(2)), other)
    assert before == told(kept, CALL)


def test_over_the_bound_all_is_told_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [replace(CALL, server=a_node(f"s{n}")) for n in range(9)]
    whole = told(SpanEncoder("", "", random.Random(1)), *calls)
    monkeypatch.setattr(spans_module, "_MAX_KEPT", 2)

    assert whole == told(SpanEncoder("", "", random.Random(1)), *calls)


def test_ids_are_nobody_elses() -> None:
    calls = [replace(CALL, server=a_node(f"s{n}")) for n in range(250)]
    encoder = SpanEncoder("", "", random.Random(1))

    found = [
        (span.span_id, span.trace_id)
        for batch in [*span_batches(calls), *span_batches(calls)]
        for resource in ExportTraceServiceRequest.FromString(encoder.encode(batch, 1)).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]

    assert len(found) == len({span for span, _ in found}) == 2 * (250 * 2 + 3)
    assert 2 * 3 == len({trace for _, trace in found})
    assert {(8, 16)} == {(len(span), len(trace)) for span, trace in found}
