"""What an edge remembers for a person who asks: a bounded sample, beside its numbers."""

import tracemalloc

from tests.support.builders import a_connection, a_graph, a_lookup, a_workload, plain_target

from grapevine.graph.store import GraphStore
from grapevine.graph.trail import MAX_ANSWERS, MAX_PODS, MAX_RESOLVERS, Trail
from grapevine.model.target import ServiceDestination
from grapevine.model.trace import Trace
from grapevine.settings import GraphSettings

WEB = a_workload()
CART = "cart.shop.svc.cluster.local"
TO_CART = ServiceDestination("shop", "cart")


def trail_of(graph: GraphStore, destination: ServiceDestination = TO_CART) -> Trail:
    trail = graph.sightings(WEB)[destination].trail
    assert trail is not None
    return trail


def test_keeps_the_newest_of_each_kind_once_and_in_order() -> None:
    trail = Trail()
    for number in (*range(20), 18):
        trail.note(Trace(f"web-{number}", "packet", f"10.96.0.{number}", (f"10.0.0.{number}", "10.0.1.1")))

    assert trail.pods == tuple(f"web-{n}" for n in range(20 - MAX_PODS, 20))
    assert trail.resolvers == tuple(f"10.96.0.{n}" for n in range(20 - MAX_RESOLVERS, 20))
    assert len(trail.answers) == MAX_ANSWERS
    assert trail.answers[-1] == "10.0.0.19"
    assert trail.sources == ("packet",)


def test_look_ups_and_connections_leave_one_trail() -> None:
    graph = a_graph()
    graph.add(a_lookup(CART), plain_target, Trace("web-1", "dnstap", "10.96.0.10", ("10.96.0.1",)))
    graph.connect(a_connection(destination=TO_CART), plain_target, Trace("web-2", "packet", answers=("10.96.0.1",)))
    trail = trail_of(graph)

    assert trail.pods == ("web-1", "web-2")
    assert trail.sources == ("dnstap", "packet")
    assert trail.resolvers == ("10.96.0.10",)
    assert trail.answers == ("10.96.0.1",)


def test_an_aaaa_that_is_folded_leaves_no_trace() -> None:
    graph = a_graph()
    graph.add(a_lookup(CART), plain_target, Trace("web-1", "packet", "10.96.0.10", ("10.96.0.1",)))
    folded = a_lookup(CART, rcode="NODATA", destination=TO_CART)
    graph.add(folded, plain_target, Trace("web-2", "packet", "10.96.0.10"))

    assert trail_of(graph).pods == ("web-1",)


def test_over_the_bound_an_edge_keeps_its_numbers_alone() -> None:
    graph = a_graph(GraphSettings(max_trails=1))
    for name in (CART, "db.shop.svc.cluster.local"):
        graph.add(a_lookup(name), plain_target, Trace("web-1", "packet", "10.96.0.10", ("10.96.0.1",)))

    assert graph.sightings(WEB)[ServiceDestination("shop", "db")].trail is None
    assert len(graph.edges(WEB)) == 2
    assert graph.tally.overflow["trails-full"] == 1


def test_a_trail_costs_less_than_half_a_kibibyte() -> None:
    # The interpreter's table of interned strings may double once in between, which is not the trails' doing
    assert min(_bytes_a_trail(first) for first in (0, 2_000)) < 512


def _bytes_a_trail(first: int) -> float:
    trails = {number: Trail() for number in range(first, first + 2_000)}
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number, trail in trails.items():
            for pod in range(2):
                answer = f"10.{number // 250}.{number % 250}.1"
                trail.note(Trace(f"web-{number}-{pod}", "packet", "10.96.0.10", (answer,)))
        return (tracemalloc.get_traced_memory()[0] - before) / len(trails)
    finally:
        tracemalloc.stop()
