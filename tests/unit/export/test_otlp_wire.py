"""Spans and points as they go over the wire, decoded by protobuf, and what Tempo and the connector make of them."""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.support.builders import T0, a_workload, an_edge, to_workload
from tests.support.collector import Collector, attributes_of, grpc_collector, http_collector
from tests.support.service_graph import CONNECTOR, TEMPO, DrawnEdge, Flavour, ServiceGraph
from tests.support.telemetry import a_snapshot
from tests.support.tls import a_pair, server_context

from grapevine.export.once import send_once
from grapevine.export.settings import SignalSettings, TelemetrySettings
from grapevine.export.snapshot import SeenEdge, Snapshot
from grapevine.model.edge import Edge
from grapevine.model.errors import GrapevineError, PermanentInputError
from grapevine.model.target import InternetTarget, ServiceTarget
from grapevine.model.workload import WorkloadRef

NS = 1_000_000_000


def to(collector: Collector, **signal: object) -> TelemetrySettings:
    """Return settings that send both signals there over HTTP, or as told."""
    traces = replace(SignalSettings(f"{collector.url}/v1/traces"), **signal)  # type: ignore[arg-type]
    return TelemetrySettings(traces=traces, metrics=replace(traces, url=f"{collector.url}/v1/metrics"))


def some_edges() -> Snapshot:
    """Return one edge of each class, of two clients."""
    web, job = a_workload("web"), WorkloadRef("batch", "CronJob", "report")
    cart = an_edge(to_workload("cart", namespace="orders"), client=web, names=("cart.orders.svc",), count=4)
    return a_snapshot(
        [
            SeenEdge(cart, is_live=True, port=8080),
            an_edge(ServiceTarget("pay", "api"), client=web, names=("api.pay.svc",)),
            an_edge(InternetTarget("x.postgres.database.azure.com"), client=job),
            an_edge(InternetTarget("api.example.com"), client=job, names=("api.example.com",), ports=(443,)),
        ]
    )


@contextmanager
def transport(name: str, tmp_path: Path) -> Iterator[tuple[Collector, TelemetrySettings]]:
    """Run a collector of a protocol, compression and, with `tls`, a certificate; return how to send to it."""
    protocol, compression, *tls = name.split()
    pair = a_pair("localhost")
    authority = tmp_path / "ca.pem"
    authority.write_text(pair.authority.pem)
    signal = {"compression": compression, "protocol": protocol, "headers": {"x-token": "s3cret"}}
    if protocol == "grpc":
        key = ((pair.key_pem.encode(), pair.certificate_pem.encode()),)
        with grpc_collector(grpc.ssl_server_credentials(key) if tls else None) as collector:
            url = f"https://localhost:{collector.port}" if tls else collector.url
            settings = to(collector, url=url, certificate=str(authority), is_insecure=not tls, **signal)
            metrics = replace(settings.metrics, url=url) if settings.metrics else None
            yield collector, replace(settings, traces=replace(metrics, url=url) if metrics else None, metrics=metrics)
    else:
        with http_collector(server_context(pair) if tls else None) as collector:
            settings = to(collector, certificate=str(authority), **signal)
            assert settings.traces is not None
            base = f"https://localhost:{collector.port}" if tls else collector.url
            traces = replace(settings.traces, url=f"{base}/v1/traces")
            yield collector, replace(settings, traces=traces, metrics=replace(traces, url=f"{base}/v1/metrics"))


@pytest.mark.parametrize(
    "name",
    [
        "http/protobuf none",
        "http/protobuf gzip",
        "http/protobuf gzip tls",
        "grpc none",
        "grpc gzip",
        "grpc gzip tls",
    ],
)
def test_the_same_edges_arrive_over_every_transport(name: str, tmp_path: Path) -> None:
    with transport(name, tmp_path) as (collector, settings):
        send_once(settings, some_edges())

    graph = ServiceGraph(TEMPO)
    for each in collector.traces:
        graph.push_bytes(each.message, time.time())
        assert "s3cret" == each.headers["x-token"]
    graph.expire(time.time() + 60)
    assert {
        DrawnEdge("web", "cart", "", "shop", "orders"),
        DrawnEdge("web", "api", "virtual_node", "shop"),
        DrawnEdge("report", "x.postgres.database.azure.com", "database", "batch"),
        DrawnEdge("report", "api.example.com", "virtual_node", "batch"),
    } == set(graph.edges)
    assert (0, 0, 0) == (graph.dropped, graph.discarded, graph.expired)
    first, last = collector.points()
    assert {0} == {point.as_int for point in first.values()}
    assert {
        "web → cart": 4,
        "web → api": 1,
        "report → x.postgres.database.azure.com": 1,
        "report → api.example.com": 1,
    } == {series: point.as_int for series, point in last.items()}


@pytest.fixture(scope="module")
def sent() -> Iterator[Collector]:
    """A collector that was sent one edge of each class, and the time it was."""
    with http_collector() as collector:
        send_once(replace(to(collector), cluster="east", environment="prod"), some_edges())
        yield collector


def spans_of(collector: Collector) -> list[tuple[dict[str, object], Span]]:
    """Return the spans in the order of the wire, each with its resource."""
    return [
        (attributes_of(resource.resource.attributes), span)
        for request in collector.trace_requests()
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def test_a_workload_has_a_resource_of_its_own_and_no_pods(sent: Collector) -> None:
    resources = {str(r["service.name"]): r for r, _ in spans_of(sent)}

    assert {
        "service.name": "cart",
        "service.namespace": "orders",
        "k8s.namespace.name": "orders",
        "k8s.deployment.name": "cart",
        "k8s.cluster.name": "east",
        "deployment.environment.name": "prod",
    } == resources["cart"]
    assert "report" == resources["report"]["k8s.cronjob.name"]
    assert {"web", "cart", "report"} == set(resources)


def test_a_client_is_a_trace_with_one_root_and_pairs_below_it(sent: Collector) -> None:
    spans = spans_of(sent)
    by_trace = {
        trace: [(r, s) for r, s in spans if s.trace_id == trace]
        for trace in dict.fromkeys(s.trace_id for _, s in spans)
    }

    assert 2 == len(by_trace)
    for each in by_trace.values():
        roots = [span for _, span in each if not span.parent_span_id]
        assert [Span.SPAN_KIND_INTERNAL] == [span.kind for span in roots]
        assert ["grapevine.edges"] == [span.name for span in roots]
        clients = {span.span_id: r for r, span in each if span.kind == Span.SPAN_KIND_CLIENT}
        assert {roots[0].span_id} == {s.parent_span_id for _, s in each if s.kind == Span.SPAN_KIND_CLIENT}
        for resource, span in each:
            if span.kind == Span.SPAN_KIND_SERVER:
                assert resource != clients[span.parent_span_id]
                assert span.flags & 0x200, "its parent is another process's"


def test_spans_last_nothing_end_now_and_have_one_name(sent: Collector) -> None:
    spans = [span for _, span in spans_of(sent)]

    assert all(span.start_time_unix_nano == span.end_time_unix_nano for span in spans)
    received_ns = sent.traces[0].at_ns
    assert all(0 <= received_ns - span.end_time_unix_nano < 30 * NS for span in spans)
    assert {"grapevine.edge"} == {span.name for span in spans if span.kind != Span.SPAN_KIND_INTERNAL}
    assert {0} == {span.status.code for span in spans}
    assert len(spans) == len({span.span_id for span in spans})


def test_a_client_span_says_who_is_called_and_what_was_seen(sent: Collector) -> None:
    told = {
        str(attributes["peer.service"]): attributes
        for _, span in spans_of(sent)
        if span.kind == Span.SPAN_KIND_CLIENT and (attributes := attributes_of(span.attributes))
    }

    assert {
        "peer.service": "cart",
        "service.peer.name": "cart",
        "service.peer.namespace": "orders",
        "server.address": "cart.orders.svc",
        "dns.question.name": "cart.orders.svc",
        "server.port": 8080,
        "grapevine.edge.synthetic": True,
        "grapevine.edge.observations": 4,
        "grapevine.edge.sample_ratio": 0.25,
        "grapevine.edge.window.start": "2023-11-14T22:13:20.000Z",
        "grapevine.edge.last_seen": "2023-11-14T22:13:20.000Z",
        "grapevine.edge.evidence": "dns",
    } == told["cart"]
    database = told["x.postgres.database.azure.com"]
    assert ("postgresql", "postgresql") == (database["db.system"], database["db.system.name"])
    assert "service.peer.namespace" not in told["api.example.com"]


def test_both_halves_carry_the_ratio_and_the_mark(sent: Collector) -> None:
    (server,) = [span for _, span in spans_of(sent) if span.kind == Span.SPAN_KIND_SERVER]
    attributes = attributes_of(server.attributes)

    assert (0.25, True, 4) == tuple(
        attributes[f"grapevine.edge.{name}"] for name in ("sample_ratio", "synthetic", "observations")
    )
    assert "peer.service" not in attributes


def test_points_are_a_cumulative_sum_named_as_prometheus_shows_it(sent: Collector) -> None:
    request = ExportMetricsServiceRequest.FromString(sent.metrics[0].message)
    (resource,) = request.resource_metrics
    (metric,) = resource.scope_metrics[0].metrics

    assert ("traces_service_graph_request_total", "") == (metric.name, metric.unit)
    assert metric.sum.is_monotonic
    assert AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE == metric.sum.aggregation_temporality
    labels = [attributes_of(point.attributes) for point in metric.sum.data_points]
    assert {
        "client": "web",
        "server": "cart",
        "client_service_namespace": "shop",
        "server_service_namespace": "orders",
    } in labels
    assert {"client": "report", "server": "api.example.com", "connection_type": "virtual_node"} in [
        {k: v for k, v in each.items() if k != "client_service_namespace"} for each in labels
    ]


def a_crowd(clients: int, calls: int, lone: int) -> list[Edge]:
    refs = [a_workload(f"c{n:04d}") for n in range(clients)]
    inside = [[an_edge(to_workload(f"s{(n + k) % 500}"), client=c) for k in range(calls)] for n, c in enumerate(refs)]
    outside = [[an_edge(InternetTarget(f"x{k}.example"), client=c) for k in range(lone)] for c in refs]
    return [edge for pair in zip(inside, outside, strict=True) for edge in itertools.chain(*pair)]


@pytest.mark.parametrize("flavour", [TEMPO, CONNECTOR])
def test_thousands_of_edges_are_drawn_whole_and_no_request_fills_a_store(flavour: Flavour) -> None:
    edges = a_crowd(clients=120, calls=10, lone=1)
    with http_collector() as collector:
        send_once(replace(to(collector), metrics=None), a_snapshot(edges))

    graph = ServiceGraph(flavour, multiplier_key="grapevine.edge.sample_ratio")
    for each in collector.traces:
        graph.push_bytes(each.message, each.at_ns / NS)
        assert len(each.message) < 4 * 1024 * 1024 / 10
    graph.expire(time.time() + 60)

    assert len(edges) == len(graph.edges) == sum(graph.edges.values())
    assert (0, 0, 0) == (graph.dropped, graph.discarded, graph.expired)
    assert graph.most_pending <= 456


def test_look_ups_are_counted_where_the_multiplier_is_set() -> None:
    with http_collector() as collector:
        send_once(to(collector), a_snapshot([an_edge(to_workload("cart"), count=257)]))
    graph = ServiceGraph(TEMPO, multiplier_key="grapevine.edge.sample_ratio")

    graph.push_bytes(collector.traces[0].message, time.time())

    assert {DrawnEdge("web", "cart", "", "shop", "shop"): 257} == {e: round(n) for e, n in graph.edges.items()}


# --- what goes wrong, and what is said of it


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (401, {}, "Unauthorized"),
        (413, {}, "413"),
        (308, {"Location": "https://elsewhere/v1/traces"}, "it redirects to https://elsewhere/v1/traces"),
        (429, {"Retry-After": "60"}, "Too Many Requests"),
    ],
)
def test_a_refusal_is_said_in_words(status: int, headers: dict[str, str], said: str) -> None:
    with http_collector() as collector:
        collector.answer = lambda: (status, headers)
        settings = replace(to(collector, timeout_s=2.0), metrics=None)
        with pytest.raises(GrapevineError, match=f"{collector.url}.*{said}"):
            send_once(settings, some_edges())


def test_a_part_that_is_rejected_is_said() -> None:
    said = ExportTracePartialSuccess(rejected_spans=3, error_message="too old")
    with http_collector() as collector:
        collector.body = ExportTraceServiceResponse(partial_success=said).SerializeToString()
        with pytest.raises(GrapevineError, match="3 rejected: too old"):
            send_once(replace(to(collector), metrics=None), some_edges())


def test_a_busy_collector_is_asked_again_while_there_is_time() -> None:
    with http_collector() as collector:
        answers = iter([(503, {}), (429, {"Retry-After": "1"})])
        collector.answer = lambda: next(answers, (200, {}))
        send_once(replace(to(collector), metrics=None), some_edges())

    assert (3, 1) == (collector.asked, len(collector.traces))


@pytest.mark.parametrize(
    ("protocol", "url"),
    [
        ("http/protobuf", "http://127.0.0.1:{port}"),
        ("http/protobuf", "http://collector.invalid:4318"),
        ("grpc", "http://127.0.0.1:{port}"),
    ],
)
def test_nobody_there_is_said_in_words(protocol: str, url: str, unused_tcp_port: int) -> None:
    signal = SignalSettings(
        url.format(port=unused_tcp_port),
        protocol,
        is_insecure=True,
        timeout_s=1.0,  # type: ignore[arg-type]
    )

    with pytest.raises(GrapevineError, match=r"was not taken: .{20,}"):
        send_once(TelemetrySettings(traces=signal), some_edges())


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_an_authority_that_cannot_be_read_is_named(protocol: str) -> None:
    signal = SignalSettings("https://localhost:4318", protocol, certificate="/nowhere/ca.pem")  # type: ignore[arg-type]

    with pytest.raises(PermanentInputError, match=r"/nowhere/ca\.pem"):
        send_once(TelemetrySettings(traces=signal), some_edges())


def test_a_certificate_of_an_unknown_authority_is_refused() -> None:
    with http_collector(server_context(a_pair("localhost"))) as collector:
        signal = SignalSettings(f"https://localhost:{collector.port}/v1/traces", timeout_s=1.0)
        with pytest.raises(GrapevineError, match=r"(?i)certificate"):
            send_once(TelemetrySettings(traces=signal), some_edges())

    assert [] == collector.traces


def test_times_of_edges_do_not_age_the_spans(sent: Collector) -> None:
    graph = ServiceGraph(TEMPO)

    graph.push_bytes(sent.traces[0].message, sent.traces[0].at_ns / NS)

    assert 0 == graph.discarded
    assert sent.traces[0].at_ns / NS - T0 / 1_000 > 1_000_000
