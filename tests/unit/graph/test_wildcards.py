"""A wildcard record in the client's search list: its answers are no edges, in whatever order they come."""

from itertools import permutations

import pytest
from tests.support.builders import a_connection, a_graph, a_lookup, a_workload, plain_target

from grapevine.graph.store import GraphStore
from grapevine.model.lookup import Lookup
from grapevine.model.target import InternetTarget

WILD, REAL = ("198.51.100.80",), ("192.0.2.7",)


def proof(address: tuple[str, ...] = WILD) -> Lookup:
    """What `cart.shop.svc.cluster.local` ended in: the resolver has found the suffix."""
    found = a_lookup("cart.shop.svc.cluster.local.corp.example", addresses=address)
    return Lookup(
        found.client, found.name, None, True, "NOERROR", found.first_ms, found.last_ms, 1, address, "corp.example"
    )


def answered(name: str, addresses: tuple[str, ...] = REAL) -> Lookup:
    return a_lookup(name, addresses=addresses)


def domains(graph: GraphStore) -> list[str]:
    targets = [edge.target for edge in graph.edges(a_workload())]
    return sorted(target.domain for target in targets if isinstance(target, InternetTarget))


def in_every_order(*lookups: Lookup) -> list[GraphStore]:
    graphs = []
    for order in permutations(lookups):
        graph = a_graph()
        for lookup in order:
            graph.add(lookup, plain_target)
        graphs.append(graph)
    return graphs


@pytest.mark.parametrize(
    ("lookups", "expected"),
    [
        ([proof()], []),
        ([proof(), answered("api.example.com.corp.example", WILD)], []),
        ([proof(), answered("api.example.com.corp.example"), answered("api.example.com")], ["api.example.com"]),
        ([proof(), answered("db.corp.example", WILD)], ["db.corp.example"]),
        ([proof(), answered("a.db.corp.example")], ["a.db.corp.example"]),
        ([proof(), answered("api.example.com.else.example", WILD)], ["api.example.com.else.example"]),
        ([answered("api.example.com.corp.example", WILD)], ["api.example.com.corp.example"]),
    ],
    ids=[
        "a Service's name",
        "a name that led to the wildcard's address",
        "a name that resolves itself",
        "one label may be a host",
        "a host with another address",
        "another suffix",
        "without a proof",
    ],
)
def test_what_only_a_wildcard_answered_is_no_edge(lookups: list[Lookup], expected: list[str]) -> None:
    for graph in in_every_order(*lookups):
        assert domains(graph) == expected
        assert graph.dead(a_workload()) == []
        assert sum(graph.booked_lookups().values()) == len(lookups)


def test_a_name_of_the_wildcards_own_domain_is_the_name_that_was_asked_for() -> None:
    graph = a_graph()
    graph.add(proof(), plain_target)

    graph.add(answered("shop.apps.corp.example.corp.example", WILD), plain_target)

    assert domains(graph) == ["shop.apps.corp.example"]


def test_the_proof_is_one_clients_alone() -> None:
    graph = a_graph()
    graph.add(proof(), plain_target)
    other = a_workload("other")

    graph.add(a_lookup("api.example.com.corp.example", client=other, addresses=WILD), plain_target)

    assert [edge.target for edge in graph.edges(other)] == [InternetTarget("api.example.com.corp.example")]


def test_the_failures_before_and_the_twin_after_are_explained() -> None:
    twin = a_lookup("api.example.com.corp.example", rcode="NODATA")
    failure = a_lookup("api.example.com.shop.svc.cluster.local", rcode="NXDOMAIN")
    graph = a_graph()
    for lookup in (failure, proof(), answered("api.example.com.corp.example", WILD), twin):
        graph.add(lookup, plain_target)

    assert graph.dead(a_workload()) == []
    assert graph.noise(a_workload()) == [
        ("nodata-twin", 1, ()),
        ("search-list", 1, ()),
        ("wildcard-search", 2, ("cart.shop.svc.cluster.local.corp.example", "api.example.com.corp.example")),
    ]


def test_an_edge_that_is_withdrawn_takes_its_connections_along() -> None:
    graph = a_graph()
    graph.add(answered("api.example.com.corp.example", WILD), plain_target)
    graph.connect(a_connection(*WILD), plain_target)

    graph.add(proof(), plain_target)

    assert graph.edges(a_workload()) == []
    assert a_workload() in graph.take_dirty()


def test_what_is_kept_of_a_client_is_bounded() -> None:
    graph = a_graph()
    for n in range(100):
        some = proof(("198.51.100.1", f"198.51.{n}.2"))
        graph.add(
            Lookup(some.client, f"{n}.{some.name}", None, True, "NOERROR", 1, 1, 1, some.addresses, f"c{n}.example"),
            plain_target,
        )

    graph.add(answered("api.example.com.c99.example", ("198.51.100.1",)), plain_target)

    assert domains(graph) == ["api.example.com.c99.example"]
    ((_, _, names),) = graph.noise(a_workload())
    assert len(names) == 4
