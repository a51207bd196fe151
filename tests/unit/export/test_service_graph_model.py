"""The model of Tempo's and the connector's service graph against what a real Tempo 3.0.3 did: its truth table."""

import secrets

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status
from tests.support.service_graph import CONNECTOR, TEMPO, DrawnEdge, Flavour, ServiceGraph

NOW_S = 1_700_000_000.0
TRACE = b"t" * 16
CLIENT, SERVER = Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_SERVER
PRODUCER, CONSUMER = Span.SPAN_KIND_PRODUCER, Span.SPAN_KIND_CONSUMER

Sent = tuple[dict[str, str], Span]


def span(
    service: str,
    kind: "Span.SpanKind.ValueType",
    *,
    parent: bytes = b"",
    at_s: float = NOW_S,
    is_failed: bool = False,
    namespace: str = "",
    **attributes: str | float,
) -> Sent:
    """Return a span and its resource; `a__b` stands for the attribute `a.b`."""
    code = Status.STATUS_CODE_ERROR if is_failed else Status.STATUS_CODE_UNSET
    made = Span(
        trace_id=TRACE,
        span_id=secrets.token_bytes(8),
        parent_span_id=parent,
        kind=kind,
        end_time_unix_nano=int(at_s * 1e9),
        status=Status(code=code),
        attributes=[pair(name.replace("__", "."), value) for name, value in attributes.items()],
    )
    return {"service.name": service} | ({"service.namespace": namespace} if namespace else {}), made


def pair(name: str, value: str | float) -> KeyValue:
    kind = "string_value" if isinstance(value, str) else "double_value"
    return KeyValue(key=name, value=AnyValue(**{kind: value}))


def request(*sent: Sent) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=[pair(*item) for item in resource.items()]),
                scope_spans=[ScopeSpans(spans=[each])],
            )
            for resource, each in sent
        ]
    )


def a_pair(client: str = "a", server: str = "b", **both: str | float) -> tuple[Sent, Sent]:
    asking = span(client, CLIENT, **both)  # type: ignore[arg-type]
    return asking, span(server, SERVER, parent=asking[1].span_id, **both)  # type: ignore[arg-type]


def drawn(
    flavour: Flavour, *requests: ExportTraceServiceRequest, gap_s: float = 0.0, key: str = ""
) -> dict[DrawnEdge, float]:
    """Return the edges of requests that come one after the other, once all waits are over."""
    graph = ServiceGraph(flavour, multiplier_key=key)
    for n, each in enumerate(requests):
        graph.push(each, NOW_S + n * gap_s)
    graph.expire(NOW_S + 60)
    return dict(graph.edges)


@pytest.mark.parametrize("flavour", [TEMPO, CONNECTOR])
def test_a_pair_on_two_resources_is_one_edge(flavour: Flavour) -> None:
    assert {DrawnEdge("a", "b"): 1} == drawn(flavour, request(*a_pair()))


def test_a_pair_in_two_requests_five_seconds_apart_is_one_edge_for_tempo_and_none_for_the_connector() -> None:
    asking, answering = a_pair()

    assert {DrawnEdge("a", "b"): 1} == drawn(TEMPO, request(asking), request(answering), gap_s=5)
    assert {DrawnEdge("a", "unknown", "virtual_node"): 1} == drawn(
        CONNECTOR, request(asking), request(answering), gap_s=5
    )


@pytest.mark.parametrize("flavour", [TEMPO, CONNECTOR])
def test_a_client_alone_with_peer_service_is_an_edge_to_a_virtual_node(flavour: Flavour) -> None:
    sent = request(span("a", CLIENT, peer__service="api.example.com"))

    assert {DrawnEdge("a", "api.example.com", "virtual_node"): 1} == drawn(flavour, sent)


@pytest.mark.parametrize(
    "attributes",
    [
        {"server__address": "api.example.com"},
        {"service__peer__name": "api"},
        {"db__system__name": "postgresql", "server__address": "db.example.com"},
    ],
)
def test_a_client_alone_without_a_peer_attribute_is_no_edge_for_tempo_and_unknown_for_the_connector(
    attributes: dict[str, str],
) -> None:
    sent = request(span("a", CLIENT, **attributes))  # type: ignore[arg-type]

    assert {} == drawn(TEMPO, sent)
    assert {DrawnEdge("a", "unknown", "virtual_node"): 1} == drawn(CONNECTOR, sent)


def test_a_client_with_a_database_marker_is_an_edge_at_once_for_tempo_and_a_virtual_node_for_the_connector() -> None:
    sent = request(span("a", CLIENT, db__system="postgresql", peer__service="db.example.com"))
    graph = ServiceGraph(TEMPO)

    graph.push(sent, NOW_S)

    assert {DrawnEdge("a", "db.example.com", "database"): 1} == dict(graph.edges)
    assert {DrawnEdge("a", "db.example.com", "virtual_node"): 1} == drawn(CONNECTOR, sent)


def test_a_producer_and_a_consumer_are_a_messaging_system() -> None:
    asking = span("a", PRODUCER)
    sent = request(asking, span("b", CONSUMER, parent=asking[1].span_id))

    assert {DrawnEdge("a", "b", "messaging_system"): 1} == drawn(TEMPO, sent)


def test_a_root_server_alone_has_its_peer_or_user_for_a_client() -> None:
    named, unnamed = request(span("b", SERVER, peer__service="x")), request(span("b", SERVER))

    assert {DrawnEdge("x", "b", "virtual_node"): 1} == drawn(TEMPO, named)
    assert {DrawnEdge("user", "b", "virtual_node"): 1} == drawn(TEMPO, unnamed)
    assert {DrawnEdge("user", "b", "virtual_node"): 1} == drawn(CONNECTOR, named)


def test_a_server_whose_parent_never_comes_is_no_edge() -> None:
    assert {} == drawn(TEMPO, request(span("b", SERVER, parent=b"p" * 8)))


def test_a_ratio_on_both_halves_multiplies_for_tempo_alone() -> None:
    sent = request(*a_pair(edge__sample_ratio=1 / 250))

    assert {DrawnEdge("a", "b"): 250} == drawn(TEMPO, sent, key="edge.sample_ratio")
    assert {DrawnEdge("a", "b"): 1} == drawn(TEMPO, sent)
    assert {DrawnEdge("a", "b"): 1} == drawn(CONNECTOR, sent, key="edge.sample_ratio")


def test_an_error_on_the_client_is_a_failed_call() -> None:
    asking = span("a", CLIENT, is_failed=True)
    graph = ServiceGraph(TEMPO)

    graph.push(request(asking, span("b", SERVER, parent=asking[1].span_id)), NOW_S)

    assert 1 == graph.failed[DrawnEdge("a", "b")]


@pytest.mark.parametrize(("age_s", "count"), [(45, 0), (20, 1), (-20, 1), (-45, 0)])
def test_tempo_discards_spans_more_than_thirty_seconds_away(age_s: float, count: int) -> None:
    asking = span("a", CLIENT, at_s=NOW_S - age_s)
    sent = request(asking, span("b", SERVER, parent=asking[1].span_id, at_s=NOW_S - age_s))

    assert count == sum(drawn(TEMPO, sent).values())
    assert 1 == sum(drawn(CONNECTOR, sent).values())


def test_a_call_to_itself_is_drawn() -> None:
    assert {DrawnEdge("a", "a"): 1} == drawn(TEMPO, request(*a_pair("a", "a")))


def test_namespaces_become_dimensions_and_a_virtual_node_has_none() -> None:
    asking = span("a", CLIENT, namespace="shop")
    answering = span("b", SERVER, parent=asking[1].span_id, namespace="pay")
    alone = span("a", CLIENT, namespace="shop", peer__service="x")

    assert {DrawnEdge("a", "b", "", "shop", "pay"): 1, DrawnEdge("a", "x", "virtual_node", "shop"): 1} == drawn(
        TEMPO, request(asking, answering, alone)
    )


@pytest.mark.parametrize(("flavour", "dropped"), [(TEMPO, 2_000), (CONNECTOR, 11_000)])
def test_a_burst_of_lone_clients_overflows_the_store(flavour: Flavour, dropped: int) -> None:
    graph = ServiceGraph(flavour)

    graph.push(request(*(span("a", CLIENT, peer__service="x") for _ in range(12_000))), NOW_S)

    assert dropped == graph.dropped


def test_internal_spans_and_resources_without_a_name_are_ignored() -> None:
    nameless = ({"k8s.namespace.name": "shop"}, span("a", CLIENT, peer__service="x")[1])

    assert {} == drawn(TEMPO, request(span("a", Span.SPAN_KIND_INTERNAL, peer__service="x"), nameless))
