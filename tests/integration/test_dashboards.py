"""Grafana's questions, asked of a Prometheus that scrapes us: its Service Graph's, and our dashboards'."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.support.manifests import DEPLOY
from tests.support.metrics import all_families, shown_name
from tests.support.service_graph import DrawnEdge
from tests.support.shop_telemetry import JOB, ShopTelemetry

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DASHBOARDS = sorted((DEPLOY / "dashboards").glob("*.json"))
TOTAL = "traces_service_graph_request_total"
OTHERS = (
    "traces_service_graph_request_server_seconds_sum",
    "traces_service_graph_request_failed_total",
    "traces_service_graph_request_server_seconds_bucket",
)
NAMESPACES = ", client_service_namespace, server_service_namespace"
RANGE_S = 300
VARIABLES = {"$__range": f"{RANGE_S}s", "$__rate_interval": "60s", "$namespace": ".*"}
"""What Grafana puts in place of its variables, as for the last five minutes and all namespaces."""
NOTHING_OF_IT_HAPPENS = {"Gone edges", "Lost", "Became no edge"}
"""Panels of which a query gives nothing: the shop is well, and each connection of it became an edge."""

Query = tuple[str, dict[str, Any]]


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every panel with queries, with its dashboard."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            if panel["type"] != "row":
                yield path.stem, panel


def in_the_metric(edges: Iterable[DrawnEdge]) -> set[DrawnEdge]:
    """Return the edges as our own metric has them: unlike a span's peer, a Service keeps its namespace."""
    return {replace(edge, server_namespace=edge.server.rpartition("/")[0]) for edge in edges}


def filled_in(expr: str) -> str:
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    return expr


def test_grafanas_service_graph_is_the_shops(shop_telemetry: ShopTelemetry) -> None:
    """Its two queries, word for word, with "include namespace" on."""
    ask = shop_telemetry.ask
    rates = ask(f"sum by (client, server{NAMESPACES}) (rate({TOTAL}{{}}[{RANGE_S}s]))")
    kinds = ask(f"group by (client, connection_type, server{NAMESPACES}) ({TOTAL}{{}})")

    assert in_the_metric(shop_telemetry.truth) == {
        DrawnEdge(
            labels["client"],
            labels["server"],
            labels.get("connection_type", ""),
            labels["client_service_namespace"],
            labels.get("server_service_namespace", ""),
        )
        for labels, _ in kinds
    }
    assert {(e.client, e.server) for e in shop_telemetry.truth} == {
        (labels["client"], labels["server"]) for labels, rate in rates if rate > 0
    }


def test_grafanas_service_graph_needs_no_namespaces_and_gets_no_latency(shop_telemetry: ShopTelemetry) -> None:
    ask = shop_telemetry.ask
    edges = {(edge.client, edge.server) for edge in shop_telemetry.truth}

    rates = ask(f"sum by (client, server) (rate({TOTAL}{{}}[{RANGE_S}s]))")
    kinds = ask(f"group by (client, connection_type, server) ({TOTAL}{{}})")

    assert edges == {(labels["client"], labels["server"]) for labels, _ in rates}
    assert edges == {(labels["client"], labels["server"]) for labels, _ in kinds}
    for other in OTHERS:
        assert [] == ask(f"sum by (client, server) (rate({other}{{}}[{RANGE_S}s]))")
        assert [] == ask(f"group by (client, connection_type, server) ({other}{{}})")


@pytest.mark.parametrize("dashboard", [path.stem for path in DASHBOARDS])
def test_every_query_of_a_dashboard_is_answered(dashboard: str, shop_telemetry: ShopTelemetry) -> None:
    answered = {
        (panel["title"], target["refId"]): _series(shop_telemetry, target)
        for name, panel in panels()
        if name == dashboard
        for target in panel["targets"]
    }

    assert answered
    assert {title for title, _ in answered} & NOTHING_OF_IT_HAPPENS == {
        title for (title, _), series in answered.items() if not series
    }


def _series(shop: ShopTelemetry, target: dict[str, Any]) -> list[dict[str, str]]:
    expr = filled_in(target["expr"])
    assert "$" not in expr.replace("$1", ""), "a variable that this test does not know"
    if target["instant"]:
        return [labels for labels, _ in shop.ask(expr)]
    return shop.prometheus.range(expr, start_s=shop.now_s - RANGE_S, end_s=shop.now_s, step_s=5)


def test_the_service_map_has_the_shops_nodes_and_edges(shop_telemetry: ShopTelemetry) -> None:
    (panel,) = [panel for _, panel in panels() if panel["type"] == "nodeGraph"]
    queries = {target["refId"]: filled_in(target["expr"]) for target in panel["targets"]}
    nodes = [labels for labels, _ in shop_telemetry.ask(queries["nodes"])]
    edges = [labels for labels, _ in shop_telemetry.ask(queries["edges"])]

    ids = [each["id"] for each in nodes]
    assert len(ids) == len(set(ids))
    assert set(ids) == {each[end] for each in edges for end in ("source", "target")}
    assert len({each["id"] for each in edges}) == len(edges) == len(shop_telemetry.truth)
    drawn = in_the_metric(shop_telemetry.truth)
    truth = {f"{e.client_namespace}/{e.client} {e.server_namespace}/{e.server}" for e in drawn}
    assert truth == {each["id"] for each in edges}
    assert {e.client for e in shop_telemetry.truth} <= {each["title"] for each in nodes}


def test_the_namespaces_one_may_choose_are_the_clients(shop_telemetry: ShopTelemetry) -> None:
    wanted = {edge.client_namespace for edge in shop_telemetry.truth}

    assert wanted == set(shop_telemetry.prometheus.label_values("client_service_namespace"))


def test_what_capture_counted_is_told(shop_telemetry: ShopTelemetry) -> None:
    found = shop_telemetry.ask('sum by (node, source) (grapevine_capture_events_total{reason="frames"})')

    assert [({"source": "pcap"}, True)] == [(labels, frames > 0) for labels, frames in found]


def test_what_is_scraped_is_what_the_reference_lists(shop_telemetry: ShopTelemetry) -> None:
    found = shop_telemetry.ask(f'group by (__name__) ({{job="{JOB}"}})')
    names = {labels["__name__"] for labels, _ in found}

    own = {name for name in names if name.startswith(("grapevine_", "traces_"))}
    assert set() == own - {shown_name(family) for family in all_families()}
    assert own > {TOTAL, "grapevine_build_info", "grapevine_dead_dependencies"}


def test_dashboards_are_told_apart_and_name_no_data_source() -> None:
    whole = [json.loads(path.read_text()) for path in DASHBOARDS]

    assert len({each["uid"] for each in whole}) == len(whole) > 1
    for each in whole:
        assert {"${datasource}"} == set(re.findall(r'"uid": "(\$[^"]*)"', json.dumps(each)))
        ids = [panel["id"] for panel in each["panels"]]
        assert len(ids) == len(set(ids))
