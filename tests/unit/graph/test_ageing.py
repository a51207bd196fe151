"""Active, idle, stale, retired: the table in `graph.ageing`, and what a client makes of it."""

import pytest
from tests.support.builders import DOMAIN, T0, a_connection, a_graph, a_lookup, a_workload, plain_target

from grapevine.graph.ageing import MAX_RHYTHM_MS, Ageing, HeardTime, State, next_rhythm, state_of
from grapevine.graph.store import GraphStore
from grapevine.model.age import Age
from grapevine.model.edge import DeadDependency
from grapevine.model.target import DomainDestination, ServiceDestination
from grapevine.model.workload import ServiceRef
from grapevine.settings import GraphSettings

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
PACKET, DNSTAP = frozenset({"packet"}), frozenset({"dnstap"})
WEB = a_workload()
CART = "cart.shop.svc.cluster.local"


@pytest.mark.parametrize(
    ("heard_ms", "rhythm_ms", "known_ms", "state"),
    [
        (HOUR, 0, 0, State.ACTIVE),
        (HOUR + 1, 0, 0, State.IDLE),
        (DAY, 0, 8 * DAY, State.IDLE),
        (DAY + 1, 0, 8 * DAY, State.STALE),
        (8 * DAY, 0, 8 * DAY - 1, State.IDLE),  # known for less than eight days: a weekly job may have run once
        (8 * DAY + 1, 0, 0, State.STALE),
        (35 * DAY, 0, 8 * DAY, State.STALE),
        (35 * DAY + 1, 0, 0, State.RETIRED),
        (14 * DAY, 7 * DAY, 70 * DAY, State.ACTIVE),
        (14 * DAY + 1, 7 * DAY, 70 * DAY, State.IDLE),
        (28 * DAY + 1, 7 * DAY, 70 * DAY, State.STALE),
        (56 * DAY, 7 * DAY, 70 * DAY, State.STALE),
        (56 * DAY + 1, 7 * DAY, 70 * DAY, State.RETIRED),
    ],
)
def test_the_state_follows_from_time_heard_and_rhythm(
    heard_ms: int, rhythm_ms: int, known_ms: int, state: State
) -> None:
    assert state_of(heard_ms, rhythm_ms, known_ms, DAY) is state


def test_bursts_do_not_hide_the_pause_between_them() -> None:
    rhythm_ms = 0
    for _ in range(3):
        for gap_ms in (7 * DAY, *[500] * 200):
            rhythm_ms = next_rhythm(rhythm_ms, gap_ms)

    assert rhythm_ms > 6.99 * DAY


def test_a_pause_that_does_not_come_again_is_forgotten_after_eight_times_its_length() -> None:
    rhythm_ms = 7 * DAY
    for _ in range(8 * 7 * 24):
        rhythm_ms = next_rhythm(rhythm_ms, HOUR)

    assert rhythm_ms == HOUR


def test_no_clock_that_is_wrong_makes_a_rhythm_of_ages() -> None:
    assert next_rhythm(0, 10**15) == MAX_RHYTHM_MS


# --- heard


def aged(graph: GraphStore, heard_ms: int, sources: frozenset[str] = PACKET) -> None:
    graph.listen(WEB, sources, heard_ms)
    graph.age(WEB)


def states(graph: GraphStore) -> dict[str, str]:
    return {edge.names[0]: edge.state for edge in graph.edges(WEB)}


def test_time_nobody_could_hear_it_in_makes_an_edge_no_older() -> None:
    graph = a_graph()
    graph.add(a_lookup(CART), plain_target)
    for sources in (DNSTAP, frozenset[str]()):
        aged(graph, 100 * DAY, sources)

    assert states(graph) == {CART: "active"}


def test_an_edge_ages_by_either_of_the_sources_that_have_seen_it() -> None:
    graph = a_graph()
    graph.add(a_lookup(CART, source="packet"), plain_target)
    graph.add(a_lookup(CART, source="dnstap", first_ms=T0 + 1), plain_target)
    aged(graph, HOUR, DNSTAP)
    aged(graph, 1, PACKET)

    assert states(graph) == {CART: "idle"}


def test_being_seen_makes_it_young_and_is_news() -> None:
    graph = a_graph()
    graph.add(a_lookup(CART), plain_target)
    aged(graph, 9 * DAY)
    before = states(graph)
    graph.take_dirty()
    graph.add(a_lookup(CART, first_ms=T0 + 9 * DAY), plain_target)

    assert (before, states(graph), graph.take_dirty()) == ({CART: "stale"}, {CART: "active"}, {WEB})


def test_a_connection_makes_it_young_too() -> None:
    graph = a_graph()
    to_cart = ServiceDestination("shop", "cart")
    graph.connect(a_connection(destination=to_cart), plain_target)
    aged(graph, 2 * HOUR)
    graph.connect(a_connection(destination=to_cart, first_ms=T0 + 2 * HOUR), plain_target)

    assert states(graph) == {CART: "active"}


def test_what_comes_late_makes_it_no_younger() -> None:
    graph = a_graph()
    graph.add(a_lookup(CART), plain_target)
    aged(graph, 2 * HOUR)
    graph.add(a_lookup(CART, first_ms=T0 - 5), plain_target)

    assert states(graph) == {CART: "idle"}


def test_growing_old_is_news_once_for_each_state() -> None:
    graph = a_graph()
    graph.add(a_lookup(CART), plain_target)
    news = []
    for _ in range(40 * 24):
        graph.take_dirty()
        aged(graph, HOUR)
        news += graph.take_dirty()

    assert news == [WEB] * 3


def test_a_retired_edge_leaves_the_map_and_all_of_its_indexes() -> None:
    graph = a_graph()
    graph.add(a_lookup(CART), plain_target)
    graph.add(a_lookup("api.example.com"), plain_target)
    aged(graph, 36 * DAY)

    assert (graph.edges(WEB), graph.retired(WEB), graph.is_known(WEB), graph.tally.retired) == ([], 2, False, 2)
    graph.retarget([ServiceRef("shop", "cart")], plain_target)
    assert graph._askers == {}


def test_one_name_of_an_edge_retires_alone() -> None:
    graph = a_graph()
    graph.add(a_lookup(CART), plain_target)
    graph.add(a_lookup(f"x.{CART}"), plain_target)
    aged(graph, 34 * DAY)
    graph.add(a_lookup(CART, first_ms=T0 + 1), plain_target)
    aged(graph, 2 * DAY)

    assert states(graph) == {CART: "idle"}


def test_a_name_that_never_resolved_leaves_when_it_would_be_stale() -> None:
    graph = a_graph()
    graph.add(a_lookup("ghost", rcode="NXDOMAIN"), plain_target)
    aged(graph, 8 * DAY)
    before = len(graph.dead(WEB))
    aged(graph, 1)

    assert (before, graph.dead(WEB), graph.take_dirty()) == (1, [], {WEB})


def test_a_client_that_is_forgotten_leaves_nothing() -> None:
    graph = a_graph()
    graph.add(a_lookup(CART), plain_target)
    graph.forget_client(WEB)
    graph.forget_client(WEB)

    assert (graph.clients, graph.namesakes("shop", "web"), graph._askers) == ([], [], {})


# --- silence


def test_a_client_nobody_listens_to_is_silent_after_a_while_and_no_more_once_heard() -> None:
    graph = a_graph()
    graph.add(a_lookup(CART), plain_target)
    graph.listen(WEB, DNSTAP, 4 * MINUTE)
    early = graph.is_silent(WEB)
    graph.take_dirty()
    graph.listen(WEB, DNSTAP, MINUTE)
    late, news = graph.is_silent(WEB), graph.take_dirty()
    graph.listen(WEB, PACKET, 1)

    assert (early, late, news, graph.is_silent(WEB), graph.take_dirty()) == (False, True, {WEB}, False, {WEB})


def test_a_file_is_not_silent_when_it_has_been_read() -> None:
    graph = a_graph()
    graph.add(a_lookup(CART, source="pcap"), plain_target)
    graph.listen(WEB, frozenset(), DAY)

    assert not graph.is_silent(WEB)


# --- over a restart


def test_rhythm_and_time_heard_survive_a_restart() -> None:
    before = a_graph()
    before.add(a_lookup(CART), plain_target)
    before.add(a_lookup(CART, first_ms=T0 + 20 * DAY), plain_target)
    aged(before, 30 * DAY)
    (edge,) = before.edges(WEB)
    after = a_graph()
    after.restore_edge(WEB, [ServiceDestination("shop", "cart")], edge, plain_target)
    restored = after.edges(WEB)
    aged(after, 11 * DAY)

    assert (edge.age, restored) == (Age(("packet",), 20 * DAY, 30 * DAY), [edge])
    assert states(after) == {CART: "idle"}


def test_a_dead_dependencys_age_survives_too() -> None:
    after = a_graph()
    after.restore_dead(DeadDependency(WEB, "ghost", "NXDOMAIN", T0, T0, 1, Age(("packet",), 0, 8 * DAY)))
    aged(after, MINUTE)

    assert after.dead(WEB) == []


def test_what_a_status_does_not_say_the_source_of_grows_no_older_until_it_is_seen() -> None:
    ageing, heard = Ageing.restored(Age(heard_ms=HOUR), HeardTime()), HeardTime()
    heard.advance(PACKET, DAY)

    assert ageing.age(heard) == Age(heard_ms=HOUR)


# --- addresses of domains


def addresses(graph: GraphStore) -> tuple[str, ...]:
    (edge,) = graph.edges(WEB)
    return edge.addresses


def resolved(at_ms: int, *ips: str) -> GraphStore:
    graph = a_graph()
    graph.add(a_lookup("api.example.com", first_ms=T0, addresses=("192.0.2.1", "192.0.2.2")), plain_target)
    graph.add(a_lookup("api.example.com", first_ms=T0 + at_ms, addresses=ips), plain_target)
    return graph


def test_addresses_of_an_hour_are_known() -> None:
    assert addresses(resolved(HOUR, "192.0.2.3")) == ("192.0.2.1", "192.0.2.2", "192.0.2.3")


def test_an_address_goes_an_hour_after_the_last_answer_that_had_it() -> None:
    assert addresses(resolved(HOUR + 1, "192.0.2.2", "192.0.2.3")) == ("192.0.2.2", "192.0.2.3")


def test_the_newest_answer_stays_however_old_it_is() -> None:
    graph = resolved(HOUR + 1, "192.0.2.3")
    graph.forget_before(T0 + 100 * DAY)

    assert addresses(graph) == ("192.0.2.3",)


def test_addresses_of_a_destination_are_bounded_and_the_newest_stay() -> None:
    graph = a_graph()
    for n in range(200):
        graph.add(a_lookup("cdn.example.com", first_ms=T0 + n, addresses=(f"203.0.113.{n}",)), plain_target)

    assert set(addresses(graph)) == {f"203.0.113.{n}" for n in range(168, 200)}


def test_restored_addresses_are_as_old_as_the_edge() -> None:
    (edge,) = resolved(HOUR + 1, "192.0.2.3").edges(WEB)
    after = GraphStore(DOMAIN, GraphSettings())
    after.restore_edge(WEB, [DomainDestination("api.example.com")], edge, plain_target)
    before = addresses(after)
    after.add(a_lookup("api.example.com", first_ms=edge.last_ms + HOUR + 1, addresses=("192.0.2.9",)), plain_target)

    assert (before, addresses(after)) == (("192.0.2.3",), ("192.0.2.9",))
