"""What is new of a client: after its learning period, told once, and nothing that was there before."""

from dataclasses import replace

import pytest
from tests.support.builders import (
    T0,
    a_connection,
    a_graph,
    a_lookup,
    a_workload,
    an_edge,
    plain_target,
    to_workload,
)

from grapevine.graph.client import SILENT_MS
from grapevine.graph.store import GraphStore
from grapevine.model.target import (
    Destination,
    InternetTarget,
    ServiceDestination,
    ServiceTarget,
    Target,
    WorkloadDestination,
)
from grapevine.model.workload import ServiceRef
from grapevine.settings import GraphSettings

WEB = a_workload()
LEARNING_MS = 3_600_000
PACKET, NOTHING = frozenset({"packet"}), frozenset[str]()
CART, CATALOG = "cart.shop.svc.cluster.local", "catalog.shop.svc.cluster.local"


@pytest.fixture
def graph() -> GraphStore:
    """A graph whose clients are learned in an hour."""
    return a_graph(GraphSettings(learning_ms=LEARNING_MS))


def new(graph: GraphStore) -> list[Target]:
    return [each.edge.target for each in graph.take_new_edges(WEB)]


def ask(graph: GraphStore, name: str, *, source: str = "packet") -> None:
    graph.add(a_lookup(name, source=source), plain_target)


def learn(graph: GraphStore) -> None:
    """Let the client be known by `cart`, and its learning period pass."""
    ask(graph, CART)
    graph.listen(WEB, PACKET, LEARNING_MS)
    graph.take_new_edges(WEB)


def test_nothing_is_new_in_the_learning_period_nor_afterwards_for_having_been_seen_in_it(graph: GraphStore) -> None:
    ask(graph, CART)
    graph.listen(WEB, PACKET, LEARNING_MS - 1)
    assert new(graph) == []

    graph.listen(WEB, PACKET, 1)
    assert new(graph) == []


def test_what_is_first_seen_after_it_is_new_once(graph: GraphStore) -> None:
    learn(graph)
    ask(graph, CATALOG)
    ask(graph, "api.example.com")
    ask(graph, CART)

    assert new(graph) == [InternetTarget("api.example.com"), to_workload("catalog")]
    ask(graph, CATALOG)
    assert new(graph) == []


def test_it_says_how_long_the_client_was_listened_to_and_how_long_without_a_pause(graph: GraphStore) -> None:
    learn(graph)
    graph.listen(WEB, NOTHING, SILENT_MS)
    graph.listen(WEB, PACKET, 60_000)
    ask(graph, CATALOG)

    (told,) = graph.take_new_edges(WEB)
    assert (told.learned_ms, told.listened_ms) == (LEARNING_MS + 60_000, 60_000)


def test_time_in_which_nobody_listened_teaches_nothing(graph: GraphStore) -> None:
    ask(graph, CART)
    graph.listen(WEB, NOTHING, 100 * LEARNING_MS)
    new(graph)
    ask(graph, CATALOG)

    assert new(graph) == []


def test_a_file_teaches_nothing(graph: GraphStore) -> None:
    ask(graph, CART, source="pcap")
    graph.listen(WEB, PACKET, LEARNING_MS)
    new(graph)
    ask(graph, CATALOG, source="pcap")

    assert new(graph) == []


def test_a_learning_period_of_nothing_makes_everything_news() -> None:
    graph = a_graph(GraphSettings(learning_ms=0))
    ask(graph, CART, source="pcap")

    assert new(graph) == [to_workload("cart")]


def test_nothing_that_came_back_from_the_status_is_new_and_the_time_it_tells_of_counts(graph: GraphStore) -> None:
    edge = replace(an_edge(to_workload("cart")), names=(CART,))
    graph.restore_edge(WEB, [ServiceDestination("shop", "cart")], edge, plain_target)
    graph.restore_client(WEB, overflow=0, learned_ms=LEARNING_MS)
    ask(graph, CART)
    assert new(graph) == []

    ask(graph, CATALOG)
    assert new(graph) == [to_workload("catalog")]


def test_another_way_to_what_it_reaches_already_is_not_new(graph: GraphStore) -> None:
    learn(graph)
    pod = WorkloadDestination(to_workload("cart").workload)
    graph.connect(a_connection("10.0.0.8", 80, destination=pod), plain_target)

    assert new(graph) == []


def test_a_service_that_gets_other_owners_is_not_new(graph: GraphStore) -> None:
    def shared(destination: Destination) -> Target:
        return ServiceTarget("shop", "cart") if destination == ServiceDestination("shop", "cart") else NotImplemented

    learn(graph)
    graph.retarget([ServiceRef("shop", "cart")], shared)

    assert [edge.target for edge in graph.edges(WEB)] == [ServiceTarget("shop", "cart")]
    assert new(graph) == []


def test_a_call_to_itself_and_a_name_that_never_resolved_are_not_new(graph: GraphStore) -> None:
    learn(graph)
    ask(graph, "web.shop.svc.cluster.local")
    graph.add(a_lookup("nothing.example.com", rcode="NXDOMAIN"), plain_target)

    assert new(graph) == []


def test_an_unknown_client_has_no_news(graph: GraphStore) -> None:
    assert new(graph) == []


def test_the_oldest_is_told_first(graph: GraphStore) -> None:
    learn(graph)
    graph.add(a_lookup("b.example.com", first_ms=T0 + 2), plain_target)
    graph.add(a_lookup("a.example.com", first_ms=T0 + 3), plain_target)
    graph.add(a_lookup("c.example.com", first_ms=T0 + 1), plain_target)

    assert new(graph) == [InternetTarget(f"{name}.example.com") for name in "cba"]
