"""What two nodes heard is taken once: from the client's own node, as long as that one is heard and hears."""

from dataclasses import replace

import pytest
from tests.support.builders import CLIENT_IP, DOMAIN, T0, a_dial, a_pod, a_service, an_index, an_observation

from grapevine.model.observation import ConnObservation, DnsObservation, Observation
from grapevine.resolver.heard import HeardNodes
from grapevine.resolver.noise import Reason, Unresolved
from grapevine.resolver.resolve import Resolver

KINDS: set[type] = {DnsObservation, ConnObservation}
NOW = T0 + 2_000


def resolver(own_node: str = "n1") -> Resolver:
    """A cluster whose one pod is on `n1`, which is heard and hears."""
    index = an_index(
        replace(a_pod("web", ips=(CLIENT_IP,)), node=own_node), a_service("cart", cluster_ips=("10.96.0.1",))
    )
    made = Resolver(index, cluster_domain=DOMAIN)
    made.heard.note("n1", "s1", T0, KINDS, NOW)
    return made


def is_taken(made: Resolver, observation: Observation, node: str) -> bool:
    found = made.resolve(observation, node=node)
    assert found == Unresolved(Reason.HEARD_ELSEWHERE) or not isinstance(found, Unresolved), found
    return not isinstance(found, Unresolved)


@pytest.mark.parametrize("observation", [an_observation(), a_dial()], ids=["look-up", "connection"])
def test_the_clients_own_node_is_believed_and_the_other_is_not(observation: Observation) -> None:
    assert is_taken(resolver(), observation, "n1")
    assert not is_taken(resolver(), observation, "n2")


def test_another_node_stands_in_for_one_that_is_not_heard_any_more() -> None:
    made = resolver()
    made.heard.note("n2", "s2", T0, KINDS, NOW + 30_000)
    before = is_taken(made, an_observation(), "n2")
    made.heard.note("n2", "s2", T0, KINDS, NOW + 30_001)

    assert (before, is_taken(made, an_observation(), "n2")) == (False, True)


def test_a_heartbeat_keeps_a_node_heard() -> None:
    made = resolver()
    made.heard.note("n1", "s1", T0, set(), NOW + 25_000)
    made.heard.note("n2", "s2", T0, KINDS, NOW + 50_000)

    assert not is_taken(made, an_observation(), "n2")


def test_another_node_stands_in_for_the_time_before_the_own_one_listened() -> None:
    made = resolver()
    made.heard.note("n1", "restarted", T0 + 1_500, KINDS, NOW)

    assert is_taken(made, an_observation(first_ms=T0 + 1_499), "n2")
    assert not is_taken(made, an_observation(first_ms=T0 + 1_500), "n2")


def test_another_node_stands_in_for_one_that_is_there_and_hears_nothing() -> None:
    made = resolver()
    made.heard.note("n1", "restarted", T0, set(), NOW)
    before = is_taken(made, an_observation(), "n2")
    made.heard.note("n1", "restarted", T0, {DnsObservation}, NOW)

    assert (before, is_taken(made, an_observation(), "n2")) == (True, False)
    assert is_taken(made, a_dial(), "n2")  # it tells of look-ups, and of connections never


def test_of_two_pods_that_it_may_have_been_one_node_that_is_not_heard_is_enough_to_stand_in_for() -> None:
    made = Resolver(
        an_index(
            replace(a_pod("web-a", override="web"), node="deaf"),
            replace(a_pod("web-b", override="web"), node="n1"),
            a_service("cart", cluster_ips=("10.96.0.1",)),
        ),
        cluster_domain=DOMAIN,
    )
    made.heard.note("n1", "s1", T0, KINDS, NOW)
    before = is_taken(made, an_observation(), "n2")
    made.heard.note("deaf", "s2", T0, KINDS, NOW)

    assert (before, is_taken(made, an_observation(), "n2")) == (True, False)


def test_a_node_began_to_listen_by_its_own_clock() -> None:
    made = resolver()
    made._index.clocks.note("n1", -3_000, 0)
    made._index.clocks.note("n2", 0, 0)
    made.heard.note("n1", "restarted", T0 + 1_000, KINDS, NOW)

    assert is_taken(made, an_observation(first_ms=T0 + 3_999), "n2")
    assert not is_taken(made, an_observation(first_ms=T0 + 4_000), "n2")


def test_another_node_stands_in_for_one_whose_socket_closed() -> None:
    made = resolver()
    made.heard.note("n1", "s1", None, set(), NOW)

    assert is_taken(made, an_observation(), "n2")


def test_another_source_on_the_node_changes_nothing() -> None:
    made = resolver()
    made.heard.note("n1", "dnstap", None, {DnsObservation}, NOW)

    assert not is_taken(made, an_observation(), "n2")


@pytest.mark.parametrize("source", ["dnstap", "log", "pcap"])
def test_what_was_not_heard_on_the_wire_is_taken_from_anywhere(source: str) -> None:
    made = Resolver(
        an_index(
            replace(a_pod("web", ips=(CLIENT_IP,)), node="n1"),
            a_service("cart"),
        ),
        cluster_domain=DOMAIN,
        dns_servers=("10.96.0.10",),
    )
    made.heard.note("n1", "s1", T0, KINDS, NOW)

    assert is_taken(made, replace(an_observation(), source=source), "n2")


def test_a_pod_whose_node_is_not_known_is_heard_anywhere() -> None:
    assert is_taken(resolver(own_node=""), an_observation(), "n2")


def test_nodes_are_bounded() -> None:
    heard = HeardNodes()
    for n in range(10_001):
        heard.note(f"n{n}", "s", T0, KINDS, NOW)

    assert [heard.hears(f"n{n}", DnsObservation, T0) for n in (0, 1, 10_000)] == [False, True, True]
