"""Edges on their way to a collector: the operator on a real API server, and a decoder that is not ours."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.builders import a_workload, an_edge, to_workload
from tests.support.collector import Collector, http_collector
from tests.support.eventually import eventually
from tests.support.processes import Operator
from tests.support.rotel import Rotel, running_rotel
from tests.support.service_graph import CONNECTOR, TEMPO, DrawnEdge, Flavour, ServiceGraph
from tests.support.shop_telemetry import TICK_S, ShopTelemetry
from tests.support.telemetry import a_snapshot
from tests.support.tls import a_pair, server_context
from tests.support.tls_end import tls_end

from grapevine.export.once import send_once
from grapevine.export.settings import SignalSettings, TelemetrySettings
from grapevine.model.target import InternetTarget

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def drawn(collector: Collector, flavour: Flavour = TEMPO) -> set[DrawnEdge]:
    graph = ServiceGraph(flavour)
    for each in list(collector.traces):
        graph.push_bytes(each.message, each.at_ns / 1e9)
    graph.expire(time.time() + 60)
    assert (0, 0, 0) == (graph.dropped, graph.discarded, graph.expired)
    return set(graph.edges)


def test_a15_a_collector_gets_a_pair_an_edge_with_namespaces_and_the_metrics(shop_telemetry: ShopTelemetry) -> None:
    collector, truth = shop_telemetry.collector, shop_telemetry.truth

    eventually(lambda: truth == drawn(collector), timeout_s=4 * TICK_S)
    eventually(lambda: truth == drawn(collector, CONNECTOR), timeout_s=TICK_S)
    eventually(lambda: _has_counts(collector, truth), timeout_s=4 * TICK_S)
    page = eventually(lambda: _on_page(shop_telemetry.operator, truth), timeout_s=4 * TICK_S)
    assert all(count > 0 for count in page.values())
    assert {each.client for each in truth} > {"storefront/web", "orders/checkout"}
    last = collector.points()[-1]
    assert {f"{edge.client} → {edge.server}" for edge in truth} == set(last)


def _has_counts(collector: Collector, truth: set[DrawnEdge]) -> bool:
    """Whether every edge began with zero and has a count."""
    series = {f"{edge.client} → {edge.server}" for edge in truth}
    told = collector.points()
    first = {name: next((points[name].as_int for points in told if name in points), -1) for name in series}
    return bool(told) and {0} == set(first.values()) and all(told[-1][name].as_int for name in series)


def _on_page(operator: Operator, truth: set[DrawnEdge]) -> dict[str, float]:
    """Return the edges' values on `/metrics`, once they are all there with a count."""
    name = "traces_service_graph_request_total{"
    shown = {series: value for series, value in operator.metrics().items() if series.startswith(name)}
    return shown if len(truth) == len(shown) and all(shown.values()) else {}


@pytest.fixture(scope="module")
def passed_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rotel, Collector]]:
    """A rotel, and the collector it passes on to."""
    with http_collector() as collector, running_rotel(collector.url, tmp_path_factory.mktemp("rotel")) as rotel:
        yield rotel, collector


@pytest.mark.parametrize("name", ["http none", "http gzip", "http gzip tls", "grpc none", "grpc gzip", "grpc gzip tls"])
def test_a_decoder_that_is_not_ours_reads_the_same(
    name: str, passed_on: tuple[Rotel, Collector], tmp_path: Path
) -> None:
    (rotel, collector), (protocol, compression, *tls) = passed_on, name.split()
    client = a_workload(name.replace(" ", "-"))
    edges = [
        an_edge(to_workload("cart", namespace="orders"), client=client, count=3),
        an_edge(InternetTarget("api.example.com"), client=client),
    ]
    url = rotel.grpc_url if protocol == "grpc" else rotel.http_url
    with reached_over(url, tmp_path, is_tls=bool(tls)) as (url, certificate):
        signal = SignalSettings(
            url,
            is_insecure=not tls,
            compression=compression,  # type: ignore[arg-type]
            certificate=certificate,
        )
        if protocol == "grpc":
            traces = metrics = replace(signal, protocol="grpc")
        else:
            traces, metrics = (replace(signal, url=f"{url}/v1/{each}") for each in ("traces", "metrics"))
        send_once(TelemetrySettings(traces=traces, metrics=metrics), a_snapshot(edges))

    wanted = {
        DrawnEdge(client.name, "cart", "", "shop", "orders"),
        DrawnEdge(client.name, "api.example.com", "virtual_node", "shop"),
    }
    eventually(lambda: wanted <= drawn(collector), timeout_s=30)
    eventually(lambda: 3 in _values(collector, f"{client.name} → cart"), timeout_s=30)


@contextmanager
def reached_over(url: str, tmp_path: Path, *, is_tls: bool) -> Iterator[tuple[str, str]]:
    """Give a URL that reaches the one of rotel, which ends no TLS itself, and the file of the authority to trust."""
    if not is_tls:
        yield url, ""
        return
    pair, authority = a_pair("localhost"), tmp_path / "ca.pem"
    authority.write_text(pair.authority.pem)
    context = server_context(pair)
    context.set_alpn_protocols(["h2", "http/1.1"])
    host, _, port = url.removeprefix("http://").partition(":")
    with tls_end(host, int(port), context) as tls_port:
        yield f"https://localhost:{tls_port}", str(authority)


def _values(collector: Collector, series: str) -> set[int]:
    return {points[series].as_int for points in list(collector.points()) if series in points}
