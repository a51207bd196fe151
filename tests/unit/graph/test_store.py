"""The map: edges, dead dependencies, bounds."""

from dataclasses import replace

import pytest
from tests.support.builders import (
    DOMAIN,
    T0,
    a_graph,
    a_lookup,
    a_workload,
    an_edge,
    plain_target,
    to_workload,
)

from grapevine.graph.store import GraphStore
from grapevine.model.edge import DeadDependency
from grapevine.model.lookup import Lookup
from grapevine.model.target import (
    DomainDestination,
    InternetTarget,
    ServiceDestination,
    ServiceTarget,
    Target,
    WorkloadDestination,
    destination_name,
)
from grapevine.model.workload import ServiceRef
from grapevine.settings import GraphSettings

WEB = a_workload()
CART = "cart.shop.svc.cluster.local"


def a_graph_of(*lookups: Lookup, settings: GraphSettings | None = None) -> GraphStore:
    graph = a_graph(settings)
    for lookup in lookups:
        graph.add(lookup, plain_target)
    return graph


def failed(*names: str, rcode: str = "NXDOMAIN") -> list[Lookup]:
    return [a_lookup(name, rcode=rcode) for name in names]


def targets(graph: GraphStore) -> set[Target]:
    return {edge.target for edge in graph.edges(WEB)}


def dead(graph: GraphStore) -> list[str]:
    return [d.name for d in graph.dead(WEB)]


def unready(name: str = CART) -> Lookup:
    return a_lookup(name, rcode="NXDOMAIN", is_answered=False, destination=ServiceDestination("shop", "cart"))


# --- edges


def test_look_ups_of_one_name_add_up() -> None:
    graph = a_graph_of(
        a_lookup(CART, first_ms=T0 + 5, last_ms=T0 + 9, count=2), a_lookup(CART, first_ms=T0, last_ms=T0 + 7, count=3)
    )

    assert graph.edges(WEB) == [
        an_edge(to_workload("cart"), names=(CART,), first_ms=T0, last_ms=T0 + 9, count=5),
    ]


def test_names_of_one_target_make_one_edge() -> None:
    (edge,) = a_graph_of(a_lookup(CART), a_lookup(f"x.{CART}")).edges(WEB)

    assert (edge.names, edge.count) == ((CART, f"x.{CART}"), 2)


def test_calls_to_itself_are_no_edge() -> None:
    assert a_graph_of(a_lookup("web.shop.svc.cluster.local")).edges(WEB) == []


def test_a_namesake_of_another_kind_is_an_edge() -> None:
    client = replace(WEB, kind="StatefulSet")

    assert len(a_graph_of(a_lookup("web.shop.svc.cluster.local", client=client)).edges(client)) == 1


def test_a_service_with_nothing_ready_is_an_edge_of_weaker_evidence() -> None:
    (edge,) = a_graph_of(unready()).edges(WEB)

    assert edge.evidence == ("dns-unready",)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_answer_is_the_evidence_whichever_twin_came_first(order: tuple[int, int]) -> None:
    twins = [a_lookup(CART), unready()]

    (edge,) = a_graph_of(*(twins[i] for i in order)).edges(WEB)

    assert (edge.evidence, edge.count) == (("dns",), 1)


def test_an_unknown_client_has_nothing() -> None:
    assert (a_graph().edges(WEB), a_graph().dead(WEB)) == ([], [])


# --- what must be written


def test_a_new_edge_is_a_reason_to_write_once() -> None:
    graph = a_graph_of(a_lookup(CART))

    assert [graph.take_dirty(), graph.take_dirty()] == [{WEB}, set()]


def test_times_and_counts_are_no_reason_to_write() -> None:
    graph = a_graph_of(a_lookup(CART), *failed("ghost"))
    graph.take_dirty()
    graph.add(a_lookup(CART, first_ms=T0 + 9), plain_target)
    graph.add(a_lookup("ghost", rcode="NXDOMAIN", first_ms=T0 + 9), plain_target)

    assert graph.take_dirty() == set()


def test_better_evidence_is_a_reason_to_write() -> None:
    graph = a_graph_of(unready())
    graph.take_dirty()
    graph.add(a_lookup(CART), plain_target)

    assert graph.take_dirty() == {WEB}


def test_another_target_moves_the_edge_and_is_a_reason_to_write() -> None:
    graph = a_graph_of(a_lookup(CART), a_lookup("api.example.com"))
    graph.take_dirty()
    graph.retarget([ServiceRef("shop", "cart")], lambda _: ServiceTarget("shop", "cart"))

    assert (targets(graph), graph.take_dirty()) == (
        {ServiceTarget("shop", "cart"), InternetTarget("api.example.com")},
        {WEB},
    )


def test_the_same_target_again_is_no_reason_to_write() -> None:
    graph = a_graph_of(a_lookup(CART))
    graph.take_dirty()
    graph.retarget([ServiceRef("shop", "cart")], plain_target)

    assert graph.take_dirty() == set()


# --- the search list


def test_a_success_explains_failures_before_it() -> None:
    graph = a_graph_of(
        *failed("api.cart.shop.svc.cluster.local", "api.cart.svc.cluster.local"), a_lookup("api.cart.svc.cluster.local")
    )

    assert (dead(graph), len(graph.edges(WEB))) == ([], 1)


def test_a_success_explains_failures_after_it() -> None:
    graph = a_graph_of(
        a_lookup("example.com"), *failed("example.com.shop.svc.cluster.local", "example.com.cluster.local")
    )

    assert dead(graph) == []


def test_a_dead_dependency_is_withdrawn_when_it_resolves() -> None:
    graph = a_graph_of(*failed("cart.shop.svc.cluster.local", "cart.svc.cluster.local", "cart"))
    before = dead(graph)
    graph.take_dirty()
    graph.add(a_lookup(CART), plain_target)

    assert (before, dead(graph), graph.take_dirty()) == (["cart"], [], {WEB})


def test_a_complete_name_that_ran_through_the_search_list_meets_itself() -> None:
    full = "a.b.svc.cluster.local"
    graph = a_graph_of(*failed(f"{full}.shop.svc.cluster.local", f"{full}.svc.cluster.local"), a_lookup(full))

    assert (dead(graph), targets(graph)) == ([], {to_workload("a", namespace="b")})


@pytest.mark.parametrize("asked", ["ghost", "ghost.shop", "ghost.shop.svc", "ghost.other", "ghost.other.svc"])
def test_a_name_that_never_resolves_is_one_dead_dependency_under_the_name_asked_for(asked: str) -> None:
    suffixes = (".shop.svc.cluster.local", ".svc.cluster.local", ".cluster.local", "")

    assert dead(a_graph_of(*failed(*(asked + s for s in suffixes)))) == [asked]


def test_two_names_that_never_resolve_are_two() -> None:
    graph = a_graph_of(
        *failed("one.shop.svc.cluster.local", "two.shop.svc.cluster.local", "one.cluster.local", "two.cluster.local")
    )

    assert dead(graph) == ["one", "two"]


def test_the_newest_failure_gives_the_code() -> None:
    graph = a_graph_of(*failed("ghost"), *failed("ghost", rcode="SERVFAIL"))

    assert [(d.rcode, d.count) for d in graph.dead(WEB)] == [("SERVFAIL", 2)]


def test_a_nodes_own_search_domain_is_learned_and_explains_what_failed_before() -> None:
    def walk(name: str) -> list[Lookup]:
        return failed(f"{name}.shop.svc.cluster.local", f"{name}.corp.example.net")

    graph = a_graph_of(*walk("one.example.com"), *walk("two.example.com"), a_lookup("one.example.com"))

    assert dead(graph) == ["two.example.com"]


def test_a_nodes_search_domain_is_learned_from_an_answer_too() -> None:
    graph = a_graph_of(
        *failed("example.com.corp.example.net", "example.com.shop.svc.cluster.local"), a_lookup("example.com")
    )

    assert dead(graph) == []


def test_an_accidental_left_label_makes_no_false_edge() -> None:
    graph = a_graph_of(*failed("api.cart.shop.svc.cluster.local"), a_lookup("api.cart.svc.cluster.local"))

    assert targets(graph) == {to_workload("api", namespace="cart")}


def test_an_answer_forgotten_over_the_bound_still_explains_when_it_comes_again() -> None:
    graph = a_graph_of(a_lookup("api.cart.svc.cluster.local"))
    for n in range(5_000):
        graph.add(a_lookup(f"n{n}.example.com", destination=DomainDestination("example.com")), plain_target)
    graph.add(a_lookup("api.cart.shop.svc.cluster.local", rcode="NXDOMAIN"), plain_target)
    graph.add(a_lookup("api.cart.svc.cluster.local"), plain_target)

    assert dead(graph) == []


def test_what_an_answer_explains_is_counted() -> None:
    graph = a_graph_of(
        a_lookup("example.com"), *failed("example.com.shop.svc.cluster.local"), unready(), a_lookup(CART)
    )
    graph.add(a_lookup("example.com", rcode="NODATA"), plain_target)

    assert graph.tally.folded == {"search-list": 1, "nodata-twin": 2, "wildcard-search": 0}


# --- bounds


def test_clients_over_the_bound_are_counted() -> None:
    graph = a_graph_of(
        a_lookup(CART),
        a_lookup(CART, client=a_workload("other")),
        settings=GraphSettings(max_clients=1),
    )

    assert (graph.clients, graph.tally.overflow["clients-full"]) == ([WEB], 1)


def test_destinations_over_the_bound_are_counted_and_those_known_go_on() -> None:
    graph = a_graph_of(
        a_lookup(CART), a_lookup("example.com"), a_lookup(CART), settings=GraphSettings(max_destinations=1)
    )

    assert ([e.count for e in graph.edges(WEB)], graph.tally.overflow["destinations-full"]) == ([2], 1)


def test_the_oldest_failure_gives_way() -> None:
    graph = a_graph_of(*failed("a", "b", "c"), settings=GraphSettings(max_failures=2))

    assert (dead(graph), graph.tally.overflow["failures-full"]) == (["b", "c"], 1)


# --- after a restart


def test_restored_counts_do_not_double_when_batches_come_again() -> None:
    graph = a_graph()
    edge = an_edge(to_workload("cart"), names=(CART,), first_ms=T0, last_ms=T0 + 10, count=5)
    graph.restore_edge(WEB, [ServiceDestination("shop", "cart")], edge, plain_target)
    graph.restore_dead(DeadDependency(WEB, "ghost", "NXDOMAIN", T0, T0 + 10, 4))

    graph.add(a_lookup(CART, first_ms=T0, last_ms=T0 + 10, count=5), plain_target)
    graph.add(a_lookup("ghost.cluster.local", rcode="NXDOMAIN", last_ms=T0 + 10, count=4), plain_target)

    assert ([e.count for e in graph.edges(WEB)], [d.count for d in graph.dead(WEB)]) == ([5], [4])


def test_restored_counts_go_on_with_what_is_new() -> None:
    graph = a_graph()
    edge = an_edge(to_workload("cart"), names=(CART,), last_ms=T0 + 10, count=5)
    graph.restore_edge(WEB, [ServiceDestination("shop", "cart")], edge, plain_target)
    graph.add(a_lookup(CART, first_ms=T0 + 11, count=2), plain_target)

    assert [e.count for e in graph.edges(WEB)] == [7]


def test_a_restored_answer_explains_variants_that_come_again_without_it() -> None:
    graph = a_graph()
    edge = an_edge(to_workload("api", namespace="cart"), names=("api.cart.svc.cluster.local",))
    graph.restore_edge(WEB, [ServiceDestination("cart", "api")], edge, plain_target)
    graph.add(a_lookup("api.cart.shop.svc.cluster.local", rcode="NXDOMAIN"), plain_target)

    assert dead(graph) == []


def test_what_is_newer_than_a_status_stays() -> None:
    graph = a_graph_of(a_lookup(CART, first_ms=T0 + 99, count=3))
    graph.restore_edge(WEB, [ServiceDestination("shop", "cart")], an_edge(to_workload("cart"), count=9), plain_target)

    assert [e.count for e in graph.edges(WEB)] == [3]


def test_an_edge_of_several_names_is_restored_with_its_count_once() -> None:
    graph = a_graph()
    destinations = [ServiceDestination("shop", "cart"), ServiceDestination("shop", "cart", "x")]
    graph.restore_edge(WEB, destinations, an_edge(to_workload("cart"), count=9), plain_target)

    assert [(e.count, len(e.names)) for e in graph.edges(WEB)] == [(9, 2)]


def test_a_restored_edge_follows_its_service() -> None:
    graph = a_graph()
    graph.restore_edge(WEB, [ServiceDestination("shop", "cart")], an_edge(to_workload("cart")), plain_target)
    graph.retarget([ServiceRef("shop", "cart")], lambda _: to_workload("other"))

    assert targets(graph) == {to_workload("other")}


def test_the_address_of_a_pod_has_no_name_that_lasts() -> None:
    assert destination_name(WorkloadDestination(WEB), DOMAIN) == ""
