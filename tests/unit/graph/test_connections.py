"""Connections in the map: they confirm look-ups, add ports, and stand alone where nobody looked anything up."""

import itertools

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

from grapevine.graph.store import GraphStore
from grapevine.model.age import Age
from grapevine.model.connection import Connection
from grapevine.model.edge import Edge, UnnamedAddress
from grapevine.model.lookup import Lookup
from grapevine.model.target import (
    Destination,
    DomainDestination,
    InternetTarget,
    ServiceDestination,
    ServiceTarget,
    Target,
    WorkloadDestination,
)
from grapevine.model.workload import ServiceRef
from grapevine.settings import GraphSettings

WEB = a_workload()
CART = "cart.shop.svc.cluster.local"
TO_CART = ServiceDestination("shop", "cart")
CART_POD = WorkloadDestination(a_workload("cart"))
HOUR_MS = 3_600_000


def take(*facts: Lookup | Connection, settings: GraphSettings | None = None) -> GraphStore:
    graph = a_graph(settings)
    for fact in facts:
        if isinstance(fact, Lookup):
            graph.add(fact, plain_target)
        else:
            graph.connect(fact, plain_target)
    return graph


def edges(graph: GraphStore) -> list[Edge]:
    return sorted(graph.edges(WEB), key=lambda e: str(e.target))


def api(name: str = "api.example.com", *addresses: str, at_ms: int = T0) -> Lookup:
    return a_lookup(name, addresses=addresses or ("192.0.2.1",), first_ms=at_ms)


def test_a_connection_confirms_a_look_up_and_adds_its_port() -> None:
    graph = take(
        a_lookup(CART, first_ms=T0 + 10, count=2),
        a_connection("10.96.0.1", 80, destination=TO_CART, first_ms=T0 + 20, last_ms=T0 + 30, count=5),
    )

    expected = an_edge(
        to_workload("cart"),
        names=(CART,),
        evidence=("connection", "dns"),
        first_ms=T0 + 10,
        last_ms=T0 + 30,
        count=2,
        ports=(80,),
        age=Age(("packet",), rhythm_ms=10),
    )
    assert edges(graph) == [expected]


@pytest.mark.parametrize(("destination", "names"), [(TO_CART, (CART,)), (CART_POD, ())], ids=["ClusterIP", "pod"])
def test_a_connection_without_a_look_up_is_an_edge(destination: Destination, names: tuple[str, ...]) -> None:
    graph = take(*[a_connection("10.0.0.8", port, destination=destination, count=3) for port in (8080, 80, 8080)])

    expected = an_edge(to_workload("cart"), names=names, evidence=("connection",), count=9, ports=(80, 8080))
    assert edges(graph) == [expected]


def test_a_connection_to_a_pod_and_a_look_up_of_its_service_are_one_edge() -> None:
    graph = take(a_lookup(CART), a_connection("10.0.0.8", 8080, destination=CART_POD))

    assert [(e.evidence, e.ports) for e in edges(graph)] == [(("connection", "dns"), (8080,))]


def test_a_connection_to_a_service_that_was_not_ready_says_both() -> None:
    unready = a_lookup(CART, rcode="NXDOMAIN", is_answered=False, destination=TO_CART)

    graph = take(unready, a_connection("10.96.0.1", 80, destination=TO_CART))

    assert [e.evidence for e in edges(graph)] == [("connection", "dns-unready")]


def test_a_connection_to_itself_is_no_edge() -> None:
    graph = take(a_connection("10.96.0.3", 80, destination=ServiceDestination("shop", "web")))

    assert edges(graph) == []


def test_a_connection_follows_its_service_to_another_target() -> None:
    graph = take(a_connection("10.96.0.1", 80, destination=TO_CART))

    graph.retarget([ServiceRef("shop", "cart")], lambda _: ServiceTarget("shop", "cart"))

    assert [(e.target, e.ports) for e in edges(graph)] == [(ServiceTarget("shop", "cart"), (80,))]


def test_only_news_makes_a_client_dirty() -> None:
    graph = take(a_lookup(CART))
    graph.take_dirty()
    dirty = []
    for port, at_ms in ((80, T0), (80, T0 + 5_000), (443, T0), (443, T0)):
        graph.connect(a_connection("10.96.0.1", port, destination=TO_CART, first_ms=at_ms), plain_target)
        dirty.append(graph.take_dirty())

    assert dirty == [{WEB}, set(), {WEB}, set()]


def test_ports_are_bounded() -> None:
    graph = take(*[a_connection("10.96.0.1", port, destination=TO_CART) for port in range(1_000, 1_100)])

    assert [len(e.ports) for e in edges(graph)] == [64]
    assert graph.tally.overflow["ports-full"] == 36


# --- outside the cluster: a look-up has to name the address


def test_a_connection_out_of_the_cluster_confirms_the_name_that_led_there() -> None:
    graph = take(api(), a_connection("192.0.2.1", 443))

    assert [(e.target, e.evidence, e.ports) for e in edges(graph)] == [
        (InternetTarget("api.example.com"), ("connection", "dns"), (443,))
    ]
    assert graph.unnamed(WEB) == []


FACTS: tuple[Lookup | Connection, ...] = (
    api("api.example.com", "192.0.2.1", "192.0.2.2", at_ms=T0 + 5),
    api("cdn.example.com", "192.0.2.2", at_ms=T0 + 1_000),
    api("silent.example.com", "192.0.2.3"),
    a_connection("192.0.2.1", 443, first_ms=T0 + 900),
    a_connection("192.0.2.2", 80, first_ms=T0 + 2_000),
    a_connection("192.0.2.9", 22, count=4),
)


def test_whichever_comes_first_look_up_and_connection_meet() -> None:
    expected = [
        (("api.example.com",), ("connection", "dns"), (80, 443), T0 + 5, T0 + 2_000),
        (("cdn.example.com",), ("connection", "dns"), (80,), T0 + 1_000, T0 + 2_000),
        (("silent.example.com",), ("dns",), (), T0, T0),
    ]
    for order in itertools.permutations(FACTS):
        graph = take(*order)

        assert expected == [(e.names, e.evidence, e.ports, e.first_ms, e.last_ms) for e in edges(graph)], order
        assert graph.unnamed(WEB) == [UnnamedAddress(WEB, "192.0.2.9", (22,), T0, T0, 4)], order


def test_an_address_nobody_looked_up_is_kept_and_never_a_target() -> None:
    graph = take(
        a_connection("192.0.2.1", 443, first_ms=T0 + 1), a_connection("192.0.2.1", 80, first_ms=T0 + 9, count=2)
    )

    assert edges(graph) == []
    assert graph.unnamed(WEB) == [UnnamedAddress(WEB, "192.0.2.1", (80, 443), T0 + 1, T0 + 9, 3)]


def test_another_clients_look_up_names_nothing() -> None:
    other = a_workload("other")

    graph = take(a_lookup("api.example.com", client=other, addresses=("192.0.2.1",)), a_connection("192.0.2.1"))

    assert [u.address for u in graph.unnamed(WEB)] == ["192.0.2.1"]
    assert [e.evidence for e in graph.edges(other)] == [("dns",)]


@pytest.mark.parametrize(("apart_ms", "evidence"), [(HOUR_MS, ("connection", "dns")), (HOUR_MS + 1, ("dns",))])
@pytest.mark.parametrize("is_lookup_first", [True, False])
def test_a_look_up_of_long_ago_names_nothing(apart_ms: int, evidence: tuple[str, ...], is_lookup_first: bool) -> None:
    facts = [api(), a_connection("192.0.2.1", first_ms=T0 + apart_ms)]

    graph = take(*(facts if is_lookup_first else reversed(facts)))

    assert [e.evidence for e in edges(graph)] == [evidence]


def test_addresses_of_long_ago_are_forgotten() -> None:
    graph = take(api(), a_connection("192.0.2.9"))

    graph.forget_before(T0 + HOUR_MS)
    kept = len(graph.unnamed(WEB))
    graph.forget_before(T0 + HOUR_MS + 1)

    assert (kept, graph.unnamed(WEB), [e.names for e in edges(graph)]) == (1, [], [("api.example.com",)])
    assert counts(graph) == {"all": 0, "unnamed": 0}


def counts(graph: GraphStore) -> dict[str, float]:
    (found,) = (m.samples for m in graph.metrics() if m.name == "grapevine_addresses")
    return dict(found)


def test_addresses_of_one_client_are_bounded_and_the_oldest_goes() -> None:
    graph = take(*[a_connection(f"192.0.2.{n}") for n in (1, 2, 1, 3)], settings=GraphSettings(max_client_addresses=2))

    assert [u.address for u in graph.unnamed(WEB)] == ["192.0.2.1", "192.0.2.3"]
    assert (graph.tally.overflow["addresses-full"], counts(graph)["all"]) == (1, 2)


def test_addresses_of_all_clients_are_bounded_and_the_known_ones_stay() -> None:
    other = a_workload("other")

    graph = take(
        a_connection("192.0.2.1"),
        a_connection("192.0.2.2", client=other),
        a_connection("192.0.2.1", 80),
        settings=GraphSettings(max_addresses=1),
    )

    assert [u.ports for u in graph.unnamed(WEB)] == [(80, 443)]
    assert (graph.unnamed(other), graph.tally.overflow["addresses-full"]) == ([], 1)


def test_names_of_one_address_are_bounded() -> None:
    graph = take(*[api(f"d{n}.example.com", at_ms=T0 + n) for n in range(17)], a_connection("192.0.2.1", first_ms=T0))

    assert [e.names for e in edges(graph) if e.evidence == ("dns",)] == [("d0.example.com",)]
    assert graph.tally.overflow["address-names-full"] == 1


# --- restart


@pytest.mark.parametrize(
    ("evidence", "ports", "destinations", "target"),
    [
        (("connection", "dns"), (80, 443), [TO_CART], to_workload("cart")),
        (("connection", "dns-unready"), (80,), [TO_CART], to_workload("cart")),
        (("connection",), (5432,), [CART_POD], to_workload("cart")),
        (("connection",), (), [TO_CART], to_workload("cart")),
        (("connection", "dns"), (443,), [DomainDestination("a.example.com"), DomainDestination("b.example.com")], None),
    ],
)
def test_evidence_and_ports_come_back_from_the_status(
    evidence: tuple[str, ...], ports: tuple[int, ...], destinations: list[Destination], target: Target | None
) -> None:
    graph = a_graph()
    edge = an_edge(
        target or InternetTarget("a.example.com"), evidence=evidence, ports=ports, first_ms=T0, last_ms=T0 + 9, count=7
    )

    graph.restore_edge(WEB, destinations, edge, plain_target)
    again = a_connection("10.96.0.1", 80, destination=destinations[0], first_ms=T0 + 5)
    graph.connect(again, plain_target)

    found = edges(graph)[0]
    assert (found.evidence, set(found.ports), found.first_ms, found.last_ms, found.count) == (
        evidence,
        {*ports, 80},
        T0,
        T0 + 9,
        7,
    )
