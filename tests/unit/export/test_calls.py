"""Snapshots → calls: which nodes, which counts, in which requests."""

import pytest
from tests.support.builders import T0, a_workload, an_edge, to_workload
from tests.support.telemetry import BOTH, a_snapshot

from grapevine.export.batches import MAX_SPANS, MAX_WAITING, SpanBatch, pause_s, span_batches
from grapevine.export.calls import Call, CallBook, in_order
from grapevine.export.nodes import VirtualNode, WorkloadNode, connection_type
from grapevine.export.settings import TelemetrySettings
from grapevine.export.snapshot import SeenEdge
from grapevine.model.edge import Edge
from grapevine.model.target import InternetTarget, ServiceTarget
from grapevine.model.workload import ServiceName, WorkloadRef


def to_internet(domain: str, *, client: WorkloadRef | None = None, count: int = 1) -> Edge:
    return an_edge(InternetTarget(domain), client=client, names=(domain,), count=count)


def told(book: CallBook, *edges: Edge | SeenEdge, at_ms: int = T0) -> dict[tuple[str, str], int]:
    """Return what a tick says, and no collector takes: observations by client and server."""
    return {(c.client.name, c.server.name): c.observations for c in book.open(a_snapshot(edges, at_ms))}


def the_server(edge: Edge, settings: TelemetrySettings = BOTH, **names: ServiceName) -> WorkloadNode | VirtualNode:
    said = {a_workload(name): value for name, value in names.items()}
    (call,) = CallBook(settings).open(a_snapshot([edge], names=said))
    return call.server


def test_a_workload_is_a_node_with_its_own_name_and_namespace() -> None:
    cart = a_workload("cart", namespace="orders")

    server = the_server(an_edge(to_workload("cart", namespace="orders")))

    assert WorkloadNode("cart", "orders", cart) == server
    assert "" == connection_type(server)


def test_what_the_pods_say_goes_before_the_workloads_name() -> None:
    assert WorkloadNode("basket", "shop", a_workload("cart")) == the_server(
        an_edge(to_workload("cart")), cart=ServiceName("basket")
    )
    assert WorkloadNode("cart", "commerce", a_workload("cart")) == the_server(
        an_edge(to_workload("cart")), cart=ServiceName("", "commerce")
    )


def test_names_may_carry_the_namespace() -> None:
    settings = TelemetrySettings(traces=BOTH.traces, name_format="namespace/name")

    assert "shop/cart" == the_server(an_edge(to_workload("cart")), settings).name
    assert "default/kubernetes" == the_server(an_edge(ServiceTarget("default", "kubernetes")), settings).name
    assert "api.example.com" == the_server(to_internet("api.example.com"), settings).name


def test_a_service_without_one_workload_and_a_name_outside_are_virtual() -> None:
    service, outside = the_server(an_edge(ServiceTarget("pay", "api"))), the_server(to_internet("api.example.com"))

    assert VirtualNode("api", "pay") == service
    assert VirtualNode("api.example.com") == outside
    assert ["virtual_node"] * 2 == [connection_type(service), connection_type(outside)]


@pytest.mark.parametrize(
    ("name", "system", "old"),
    [
        ("orders.c1.eu-west-1.rds.amazonaws.com", "other_sql", "other_sql"),
        ("x.database.windows.net", "microsoft.sql_server", "mssql"),
        ("x.postgres.database.azure.com", "postgresql", "postgresql"),
    ],
)
def test_a_database_outside_is_told_by_its_name(name: str, system: str, old: str) -> None:
    server = the_server(to_internet(name))

    assert isinstance(server, VirtualNode)
    assert server.system is not None
    assert ("database", system, old) == (connection_type(server), server.system.name, server.system.old_name)


def test_a_database_in_the_cluster_is_a_plain_node() -> None:
    assert "" == connection_type(the_server(an_edge(to_workload("postgres", kind="StatefulSet"))))


def test_names_outside_over_the_cap_are_one_node_and_those_with_a_place_keep_it() -> None:
    book = CallBook(TelemetrySettings(traces=BOTH.traces, max_externals=2))
    web, api = a_workload("web"), a_workload("api")
    often = [to_internet("often.example", client=c) for c in (web, api)]

    first = told(book, *often, *(to_internet(f"{n}.example", client=web, count=5) for n in "abc"))

    assert {("web", "often.example"): 1, ("api", "often.example"): 1, ("web", "a.example"): 5} == {
        key: count for key, count in first.items() if key[1] != "external"
    }
    assert 10 == first["web", "external"]
    assert (2, 2) == (len(book.externals), book.externals.overflow)
    popular = [to_internet("d.example", client=a_workload(f"c{n}")) for n in range(9)]
    assert ("c0", "external") in told(book, *often, to_internet("a.example", client=web), *popular, at_ms=T0 + 30_000)


def test_a_name_that_is_live_no_more_gives_its_place_away() -> None:
    book = CallBook(TelemetrySettings(traces=BOTH.traces, max_externals=1, series_ttl_s=60))
    told(book, to_internet("old.example"))

    assert [("web", "external")] == list(told(book, to_internet("new.example"), at_ms=T0 + 30_000))
    assert [("web", "new.example")] == list(told(book, to_internet("new.example"), at_ms=T0 + 61_000))


def test_an_edge_is_told_with_what_it_gained_and_what_nobody_took_is_told_again() -> None:
    book = CallBook(BOTH)
    edge = to_workload("cart")

    assert {("web", "cart"): 3} == told(book, an_edge(edge, count=3))
    second = book.open(a_snapshot([an_edge(edge, count=5)], T0 + 30_000))
    assert [5] == [call.observations for call in second]
    book.accept(second)
    third = book.open(a_snapshot([an_edge(edge, count=6)], T0 + 60_000))
    assert [(1, T0 + 30_000)] == [(call.observations, call.since_ms) for call in third]


def test_what_was_there_before_is_told_as_live_and_not_counted_again() -> None:
    book = CallBook(BOTH)
    book.prime(a_snapshot([an_edge(to_workload("cart"), count=5_000)]))

    assert {("web", "cart"): 0} == told(book, an_edge(to_workload("cart"), count=5_000), at_ms=T0 + 30_000)
    assert {("web", "cart"): 2} == told(book, an_edge(to_workload("cart"), count=5_002), at_ms=T0 + 60_000)


def test_a_count_that_falls_is_no_gain() -> None:
    book = CallBook(BOTH)
    book.accept(book.open(a_snapshot([an_edge(to_workload("cart"), count=9)])))

    assert {("web", "cart"): 0} == told(book, an_edge(to_workload("cart"), count=4), at_ms=T0 + 30_000)


def test_an_edge_that_is_not_live_is_not_told_and_its_late_observations_count_in_the_series() -> None:
    book = CallBook(BOTH)

    assert {} == told(book, SeenEdge(an_edge(to_workload("cart"), count=4), is_live=False))
    book.series.accept(book.series.points())
    assert [4] == [point.value for point in book.series.points()]


def test_a_call_says_which_name_and_port() -> None:
    edge = an_edge(to_workload("cart"), names=("cart.shop.svc.cluster.local", "cart2.shop.svc.cluster.local"))

    (call,) = CallBook(BOTH).open(a_snapshot([SeenEdge(edge, is_live=True, port=80)]))

    assert ("cart.shop.svc.cluster.local", 80, ("dns",)) == (call.address, call.port, call.evidence)


# --- requests


def some_calls(clients: int, pairs: int, lone: int) -> list[Call]:
    edges = [
        edge
        for c in range(clients)
        for edge in [
            *(an_edge(to_workload(f"s{n}"), client=a_workload(f"c{c:04d}")) for n in range(pairs)),
            *(to_internet(f"x{n}.example", client=a_workload(f"c{c:04d}")) for n in range(lone)),
        ]
    ]
    return CallBook(TelemetrySettings(traces=BOTH.traces, max_externals=9_999)).open(a_snapshot(edges))


@pytest.mark.parametrize(("clients", "pairs", "lone"), [(1, 1, 0), (1, 350, 0), (1, 0, 350), (70, 9, 3), (3, 100, 100)])
def test_requests_are_bounded_and_lose_no_call_and_split_no_trace(clients: int, pairs: int, lone: int) -> None:
    calls = some_calls(clients, pairs, lone)

    batches = list(span_batches(calls))

    assert calls == [call for batch in batches for call in batch.calls]
    for batch in batches:
        assert batch.spans <= MAX_SPANS
        assert batch.waiting <= MAX_WAITING
        assert all(len({call.client for call in trace}) == 1 and len(trace) <= 100 for trace in batch.traces)
        assert batch.spans == _spans_of(batch)


def _spans_of(batch: SpanBatch) -> int:
    return len(batch.traces) + sum(1 if isinstance(call.server, VirtualNode) else 2 for call in batch.calls)


def test_no_calls_no_request() -> None:
    assert [] == list(span_batches([]))


def test_lone_calls_are_paced_to_two_hundred_a_second_or_into_half_a_tick() -> None:
    assert 1.0 == pause_s(200, 1_000, 30)
    assert 0.5 == pause_s(200, 6_000, 30)
    assert 0.0 == pause_s(0, 1_000, 30)


def test_a_tick_may_begin_where_the_last_had_to_stop() -> None:
    calls = some_calls(3, 2, 0)
    clients = [call.client.workload for call in calls]

    assert clients[2:] + clients[:2] == [call.client.workload for call in in_order(calls, a_workload("c0001"))]
    assert calls == in_order(calls, a_workload("gone"))
    assert calls == in_order(calls, None)
