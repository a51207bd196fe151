"""Edges of a real node on their way to a collector: capture, operator, rotel."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.installation import wait_for_shop, wait_ready
from tests.cluster.newcomer import NAMESPACE, apply_newcomer, wait_running
from tests.cluster.node import Node
from tests.support.collector import Collector, http_collector
from tests.support.eventually import eventually
from tests.support.rotel import running_rotel
from tests.support.service_graph import TEMPO, DrawnEdge, ServiceGraph

pytestmark = [pytest.mark.cluster, pytest.mark.root, pytest.mark.timeout(900)]

TICK_S = 15


@pytest.fixture
def told(mapped: Node, tmp_path: Path) -> Iterator[Collector]:
    """What rotel, at the node's address, decodes of what the operator sends it."""
    (node,) = mapped.objects("nodes")
    host = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
    operator = ("set", "env", "-n", "grapevine-system", "deployment/grapevine-operator")
    with http_collector() as collector, running_rotel(collector.url, tmp_path, host) as rotel:
        endpoint = f"OTEL_EXPORTER_OTLP_ENDPOINT={rotel.http_url}"
        mapped.kubectl.run(*operator, endpoint, f"GRAPEVINE_OTLP_INTERVAL_S={TICK_S}")
        wait_ready(mapped)
        wait_for_shop(mapped)
        yield collector
        mapped.kubectl.run(*operator, "OTEL_EXPORTER_OTLP_ENDPOINT-", "GRAPEVINE_OTLP_INTERVAL_S-")
        wait_ready(mapped)


def test_a_collector_is_told_of_a_new_pods_edges_and_says_how_soon(
    mapped: Node, told: Collector, newcomer: str
) -> None:
    """Within a tick and ten seconds of its first packet, on a machine that is not busy."""
    apply_newcomer(mapped, newcomer)
    wait_running(mapped, newcomer)
    running_s = time.monotonic()

    wanted = {
        DrawnEdge(newcomer, "web", "", NAMESPACE, "storefront"),
        DrawnEdge(newcomer, "redis", "", NAMESPACE, "orders"),
        DrawnEdge(newcomer, "www.example.org", "virtual_node", NAMESPACE),
    }
    eventually(lambda: wanted == _drawn(told, newcomer), timeout_s=180, every_s=0.5)

    took_s = time.monotonic() - running_s
    print(f"\na collector knew a new pod's edges {took_s:.1f} s after it ran, at a tick of {TICK_S} s")


def _drawn(collector: Collector, client: str) -> set[DrawnEdge]:
    graph = ServiceGraph(TEMPO)
    for each in list(collector.traces):
        graph.push_bytes(each.message, each.at_ns / 1e9)
    graph.expire(time.time() + 60)
    return {edge for edge in graph.edges if edge.client == client}
