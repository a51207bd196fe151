"""Which pods may have held an address."""

from dataclasses import replace

import pytest
from tests.support.builders import CLIENT_IP, LATER, T0, a_pod

from grapevine.resolver.addresses import AddressIndex
from grapevine.resolver.clocks import Clocks
from grapevine.resolver.records import PodRecord


def an_address_index(*pods: PodRecord, clocks: Clocks | None = None, max_tombstones: int = 100) -> AddressIndex:
    """Return an index told of each pod when it started."""
    index = AddressIndex(clocks or Clocks(), max_tombstones=max_tombstones)
    for pod in pods:
        index.hold(pod, pod.start_ms or T0)
    return index


def holders(index: AddressIndex, at_ms: int, ip: str = CLIENT_IP, clock: str = "") -> str:
    """Return the names of who may have held an address, the newest last."""
    return " ".join(pod.name for pod in index.held(ip, at_ms, at_ms, clock).pods)


def is_open(index: AddressIndex, at_ms: int) -> bool:
    return index.held(CLIENT_IP, at_ms, at_ms, "").is_open


@pytest.mark.parametrize(("at_ms", "expected"), [(T0 - 1, ""), (T0, "a"), (T0 + 10**9, "a")])
def test_a_living_pod_holds_its_address_from_its_start_on(at_ms: int, expected: str) -> None:
    assert holders(an_address_index(a_pod("a")), at_ms) == expected


@pytest.mark.parametrize(("after_ms", "expected"), [(999, "a"), (1_000, "a b"), (1_999, "a b"), (2_000, "b")])
def test_the_second_in_which_one_pod_ended_and_the_next_began_is_either_ones(after_ms: int, expected: str) -> None:
    index = an_address_index(a_pod("a", end_ms=T0 + 1_999), a_pod("b", start_ms=T0 + 1_000))

    assert holders(index, T0 + after_ms) == expected
    assert not is_open(index, T0 + after_ms)


@pytest.mark.parametrize(("after_ms", "expected"), [(1_999, "a"), (2_000, "b")])
def test_the_second_of_an_end_is_its_pods_alone_where_the_next_began_after_it(after_ms: int, expected: str) -> None:
    index = an_address_index(a_pod("a", end_ms=T0 + 1_999), a_pod("b", start_ms=T0 + 2_000))

    assert holders(index, T0 + after_ms) == expected


def test_nobody_holds_an_address_between_two_pods() -> None:
    index = an_address_index(a_pod("a", end_ms=T0 + 999), a_pod("b", start_ms=T0 + 5_000))

    assert [holders(index, T0 + ms) for ms in (999, 1_000, 4_999, 5_000)] == ["a", "", "", "b"]


def test_a_time_that_began_with_nobody_is_not_whole() -> None:
    held = an_address_index(a_pod("a")).held(CLIENT_IP, T0 - 1, T0, "")

    assert (held.pods, held.is_whole) == ((a_pod("a"),), False)


def test_two_living_pods_may_both_be_it_and_the_older_ones_end_may_be_under_way() -> None:
    index = an_address_index(a_pod("a"), a_pod("b", start_ms=T0 + 3_000))

    assert [holders(index, T0 + ms) for ms in (2_999, 3_000, 10**6)] == ["a", "a b", "a b"]
    assert (is_open(index, T0 + 2_999), is_open(index, T0 + 3_000)) == (False, True)


def test_a_pod_that_waited_for_its_address_has_it_from_the_end_of_the_one_before() -> None:
    index = an_address_index(a_pod("a"))
    index.hold(a_pod("b", start_ms=T0 + 3_000), T0 + 6_000)
    index.hold(a_pod("a", end_ms=T0 + 4_999), LATER)

    assert [holders(index, T0 + ms) for ms in (3_999, 4_000, 4_999, 5_000)] == ["a", "a b", "a b", "b"]


def test_two_pods_that_had_an_address_together_may_both_have_asked_also_once_one_has_ended() -> None:
    index = an_address_index(a_pod("a"))
    index.hold(a_pod("b", start_ms=T0 + 3_000), T0 + 4_000)
    index.hold(a_pod("a", end_ms=T0 + 60_999), T0 + 61_500)

    assert [holders(index, T0 + ms) for ms in (2_999, 3_000, 60_999, 61_000)] == ["a", "a b", "a b", "b"]
    assert not is_open(index, T0 + 60_000)


def test_a_pod_found_missing_had_ended_when_the_next_one_was_seen() -> None:
    index = an_address_index(a_pod("a"))
    index.hold(a_pod("b", start_ms=T0 + 3_000), T0 + 50_000)
    index.release(a_pod("a"), at_ms=T0 + 60_000, since_ms=T0 + 2_000)

    assert [holders(index, T0 + ms) for ms in (2_999, 3_000, 50_000, 50_001)] == ["a", "a b", "a b", "b"]


def test_a_pod_seen_deleted_after_the_next_one_came_had_the_address_with_it() -> None:
    index = an_address_index(a_pod("a"))
    index.hold(a_pod("b", start_ms=T0 + 3_000), T0 + 4_000)
    index.release(a_pod("a"), at_ms=T0 + 60_000, since_ms=T0 + 60_000)

    assert [holders(index, T0 + ms) for ms in (2_999, 3_000, 65_000, 65_001)] == ["a", "a b", "a b", "b"]


def test_a_pod_being_deleted_has_ended_once_the_next_one_is_seen() -> None:
    index = an_address_index(a_pod("a"))
    index.hold(a_pod("a", deletion_ms=T0 + 30_000), T0 + 1_000)
    index.hold(a_pod("b", start_ms=T0 + 3_000), T0 + 4_000)

    assert [holders(index, T0 + ms) for ms in (3_000, 4_000, 4_001)] == ["a b", "a b", "b"]
    assert is_open(index, T0 + 4_000)


def test_a_dead_nodes_pod_stands_in_nobodys_way_a_minute_after_its_deletion_was_due() -> None:
    index = an_address_index(a_pod("a"))
    index.hold(a_pod("b", start_ms=T0 + 3_000), T0 + 4_000)
    index.hold(a_pod("a", deletion_ms=T0 + 300_000), T0 + 270_000)

    assert [holders(index, T0 + ms) for ms in (360_000, 360_001)] == ["a b", "b"]


def test_a_pod_that_outlives_its_deletion_keeps_an_address_nobody_else_has() -> None:
    assert holders(an_address_index(a_pod("a", deletion_ms=T0 + 1_000)), T0 + 10**6) == "a"


def test_a_pod_deleted_without_an_end_of_its_own_ends_when_it_was_seen_deleted() -> None:
    index = an_address_index(a_pod("a"))
    index.release(a_pod("a"), T0 + 500, T0 + 500)

    assert [holders(index, T0 + ms) for ms in (500, 501)] == ["a", ""]


def test_a_late_deletion_does_not_lengthen_a_finished_pod() -> None:
    index = an_address_index(a_pod("a", end_ms=T0 + 999))
    index.release(a_pod("a", end_ms=T0 + 999), T0 + 60_000, T0 + 60_000)

    assert holders(index, T0 + 1_000) == ""


def test_what_a_pod_deleted_by_force_goes_on_to_ask_is_not_the_next_ones() -> None:
    index = an_address_index(a_pod("a"))
    index.release(a_pod("a"), T0 + 2_000, T0 + 2_000)
    index.hold(a_pod("b", start_ms=T0 + 3_000), T0 + 4_000)

    assert [holders(index, T0 + ms) for ms in (2_000, 2_001, 3_000, 4_000, 4_001)] == ["a", "", "a b", "a b", "b"]


def test_a_pod_that_others_had_the_address_after_is_doubtful_until_its_end_is_told() -> None:
    index = an_address_index(a_pod("a"), a_pod("b", start_ms=T0 + 3_000))
    index.hold(a_pod("b", start_ms=T0 + 3_000, end_ms=T0 + 4_999), T0 + 5_500)
    before = [index.held(CLIENT_IP, T0 + ms, T0 + ms, "").is_doubtful for ms in (2_999, 6_000)]
    index.hold(a_pod("a", end_ms=T0 + 1_999), T0 + 9_000)

    assert (before, holders(index, T0 + 6_000)) == ([False, True], "")


def test_a_host_network_pod_holds_nothing() -> None:
    assert holders(an_address_index(a_pod("a", host_network=True)), T0) == ""


def test_a_pending_pod_holds_its_address_as_soon_as_it_has_one() -> None:
    index = an_address_index(a_pod("a", ips=()))
    before = holders(index, T0)
    index.hold(a_pod("a"), LATER)

    assert (before, holders(index, T0)) == ("", "a")


@pytest.mark.parametrize("ip", ["10.0.0.1", "fd00::1"])
def test_a_dual_stack_pod_holds_both_addresses(ip: str) -> None:
    assert holders(an_address_index(a_pod("a", ips=("10.0.0.1", "fd00::1"))), T0, ip) == "a"


def test_an_evicted_pod_whose_status_lost_its_addresses_ends_all_the_same() -> None:
    index = an_address_index(a_pod("a"))
    index.hold(a_pod("a", ips=(), end_ms=T0 + 999), LATER)

    assert [holders(index, T0 + ms) for ms in (999, 1_000)] == ["a", ""]


def test_a_pod_deleted_with_a_status_without_addresses_is_forgotten() -> None:
    index = an_address_index(a_pod("a"))
    index.release(a_pod("a", ips=()), T0 + 500, T0 + 500)

    assert index.forget_before(T0 + 501) == {"uid-shop-a"}


def test_pods_that_swap_addresses_when_their_node_restarts_keep_what_they_had_until_it_was_seen() -> None:
    old, young = a_pod("old", ips=("10.0.0.1",)), a_pod("young", ips=("10.0.0.2",), start_ms=T0 + 1_000)
    index = AddressIndex(Clocks())
    for pod in (old, young, replace(old, ips=young.ips), replace(young, ips=old.ips)):
        index.hold(pod, T0 + 8_000)

    assert [holders(index, T0 + ms, "10.0.0.1") for ms in (999, 8_000, 8_001)] == ["old", "old young", "young"]
    assert [holders(index, T0 + ms, "10.0.0.2") for ms in (1_000, 8_000, 8_001)] == ["young old", "young old", "old"]


def test_an_address_that_comes_back_to_its_pod_is_held_again() -> None:
    index = an_address_index(
        a_pod("a", ips=("10.0.0.1",)), a_pod("a", ips=("10.0.0.2",)), a_pod("a", ips=("10.0.0.1",))
    )

    assert holders(index, LATER, "10.0.0.1") == "a"


def test_forgets_what_ended_before_and_keeps_the_rest() -> None:
    index = an_address_index(a_pod("a", end_ms=T0 + 999), a_pod("b", start_ms=T0 + 2_000))

    assert index.forget_before(T0 + 1_000) == {"uid-shop-a"}
    assert (holders(index, T0), holders(index, T0 + 2_000)) == ("", "b")


def test_keeps_a_tombstone_to_its_last_millisecond() -> None:
    assert an_address_index(a_pod("a", end_ms=T0 + 999)).forget_before(T0 + 999) == set()


def test_a_forgotten_pods_time_does_not_become_the_next_ones() -> None:
    index = an_address_index(a_pod("a", end_ms=T0 + 4_999))
    index.hold(a_pod("b", start_ms=T0 + 2_000), T0 + 6_000)
    index.forget_before(T0 + 5_000)

    assert [holders(index, T0 + ms) for ms in (2_000, 4_999, 5_000)] == ["", "", "b"]


def test_the_pod_that_ended_first_gives_way_to_the_bound() -> None:
    index = an_address_index(max_tombstones=1)
    first = index.hold(a_pod("a", end_ms=T0 + 999), LATER)
    second = index.hold(a_pod("b", start_ms=T0 + 2_000, end_ms=T0 + 2_999), LATER)
    living = index.hold(a_pod("c", start_ms=T0 + 5_000), LATER)

    assert (first, second, living, index.forgotten) == (set(), {"uid-shop-a"}, set(), 1)
    assert [holders(index, T0 + ms) for ms in (0, 2_000, 5_000)] == ["", "b", "c"]


def clocks(**ahead_ms: int) -> Clocks:
    """Return clocks that are known, by node."""
    made = Clocks()
    for node, ms in ahead_ms.items():
        made.note(node, ms, 0)
    return made


@pytest.mark.parametrize("ahead_ms", [-5_000, 0, 5_000])
def test_what_a_node_heard_of_its_own_pods_needs_no_clock_but_its_own(ahead_ms: int) -> None:
    a, b = a_pod("a", node="n1", end_ms=T0 + 4_999), a_pod("b", node="n1", start_ms=T0 + 5_000)
    index = an_address_index(a, b, clocks=clocks(n1=ahead_ms))

    assert [holders(index, T0 + ms, clock="n1") for ms in (4_999, 5_000)] == ["a", "b"]


@pytest.mark.parametrize("ahead_ms", [-5_000, 5_000])
def test_what_another_node_heard_is_moved_into_the_pods_clock(ahead_ms: int) -> None:
    a, b = a_pod("a", node="n1", end_ms=T0 + 4_999), a_pod("b", node="n1", start_ms=T0 + 8_000)
    index = an_address_index(a, b, clocks=clocks(n1=ahead_ms, n2=-ahead_ms))

    heard = [holders(index, T0 + ms - 2 * ahead_ms, clock="n2") for ms in (4_999, 5_000, 7_999, 8_000)]
    assert heard == ["a", "", "", "b"]


@pytest.mark.parametrize(("known", "margin_ms"), [(("n1", "n2"), 500), (("n1",), 1_000), ((), 1_000)])
def test_close_to_a_hand_over_another_nodes_clock_leaves_it_open(known: tuple[str, ...], margin_ms: int) -> None:
    a, b = a_pod("a", node="n1", end_ms=T0 + 4_999), a_pod("b", node="n1", start_ms=T0 + 5_000)
    index = an_address_index(a, b, clocks=clocks(**dict.fromkeys(known, 0)))
    before, after = T0 + 5_000 - margin_ms, T0 + 4_999 + margin_ms

    heard = [holders(index, at_ms, clock="n2") for at_ms in (before - 1, before, after, after + 1)]
    assert heard == ["a", "a b", "a b", "b"]


def test_a_time_seen_is_compared_in_our_clock() -> None:
    index = an_address_index(a_pod("a", node="n1"), clocks=clocks(n1=4_000, n2=-4_000))
    index.release(a_pod("a", node="n1"), T0 + 10_000, T0 + 10_000)

    assert [holders(index, T0 + ms, clock="n1") for ms in (14_000, 14_001)] == ["a", ""]
    assert [holders(index, T0 + ms, clock="n2") for ms in (6_000, 6_001)] == ["a", ""]
