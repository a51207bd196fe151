"""Which pod held an address at a time."""

from dataclasses import replace

import pytest
from tests.support.builders import CLIENT_IP, T0, a_pod

from grapevine.resolver.addresses import AddressIndex
from grapevine.resolver.records import PodRecord


def holder(index: AddressIndex, at_ms: int, ip: str = CLIENT_IP) -> str | None:
    pod = index.pod_at(ip, at_ms)
    return pod.name if pod else None


def an_address_index(*pods: PodRecord) -> AddressIndex:
    index = AddressIndex()
    for pod in pods:
        index.hold(pod)
    return index


@pytest.mark.parametrize(("at_ms", "expected"), [(T0 - 1, None), (T0, "a"), (T0 + 10**9, "a")])
def test_a_living_pod_holds_its_address_from_its_start_on(at_ms: int, expected: str | None) -> None:
    assert holder(an_address_index(a_pod("a")), at_ms) == expected


@pytest.mark.parametrize(("after_ms", "expected"), [(1_999, "a"), (2_000, "b"), (2_001, "b")])
def test_an_address_used_again_in_the_second_of_the_end_changes_hands_after_that_second(
    after_ms: int, expected: str
) -> None:
    index = an_address_index(a_pod("a", end_ms=T0 + 1_999), a_pod("b", start_ms=T0 + 1_000))

    assert holder(index, T0 + after_ms) == expected


def test_nobody_holds_an_address_between_two_pods() -> None:
    index = an_address_index(a_pod("a", end_ms=T0 + 999), a_pod("b", start_ms=T0 + 5_000))

    assert [holder(index, T0 + ms) for ms in (999, 1_000, 4_999, 5_000)] == ["a", None, None, "b"]


def test_a_newer_pod_ends_an_older_one_whose_end_has_not_arrived() -> None:
    index = an_address_index(a_pod("b", start_ms=T0 + 3_000), a_pod("a"))

    assert [holder(index, T0 + ms) for ms in (2_999, 3_000)] == ["a", "b"]


def test_an_older_pods_own_end_that_arrives_late_holds_the_newer_one_back() -> None:
    index = an_address_index(a_pod("a"), a_pod("b", start_ms=T0 + 3_000))
    index.hold(a_pod("a", end_ms=T0 + 4_999))

    assert [holder(index, T0 + ms) for ms in (4_999, 5_000)] == ["a", "b"]


def test_a_deletion_seen_late_takes_no_look_up_from_the_next_holder() -> None:
    index = an_address_index(a_pod("a"), a_pod("b", start_ms=T0 + 3_000))
    index.release(a_pod("a"), T0 + 60_000)

    assert [holder(index, T0 + ms) for ms in (2_999, 3_000, 60_000, 60_001)] == ["a", "b", "b", "b"]


def test_a_pod_deleted_without_an_end_of_its_own_ends_when_it_was_seen_deleted() -> None:
    index = an_address_index(a_pod("a"))
    index.release(a_pod("a"), T0 + 500)

    assert [holder(index, T0 + ms) for ms in (500, 501)] == ["a", None]


def test_a_late_deletion_does_not_lengthen_a_finished_pod() -> None:
    index = an_address_index(a_pod("a", end_ms=T0 + 999))
    index.release(a_pod("a", end_ms=T0 + 999), T0 + 60_000)

    assert holder(index, T0 + 1_000) is None


def test_an_end_told_by_the_object_replaces_the_time_it_was_seen_deleted() -> None:
    index = an_address_index(a_pod("a"))
    index.release(a_pod("a"), T0 + 60_000)
    index.hold(a_pod("a", end_ms=T0 + 999))

    assert holder(index, T0 + 1_000) is None


def test_a_host_network_pod_holds_nothing() -> None:
    index = an_address_index(a_pod("a", host_network=True))

    assert holder(index, T0) is None


def test_a_pending_pod_without_address_holds_nothing_yet() -> None:
    index = an_address_index(a_pod("a", ips=()))
    index.hold(a_pod("a"))

    assert holder(index, T0) == "a"


@pytest.mark.parametrize("ip", ["10.0.0.1", "fd00::1"])
def test_a_dual_stack_pod_holds_both_addresses(ip: str) -> None:
    assert holder(an_address_index(a_pod("a", ips=("10.0.0.1", "fd00::1"))), T0, ip) == "a"


def test_an_evicted_pod_whose_status_lost_its_addresses_ends_all_the_same() -> None:
    index = an_address_index(a_pod("a"))
    index.hold(a_pod("a", ips=(), end_ms=T0 + 999))

    assert [holder(index, T0 + ms) for ms in (999, 1_000)] == ["a", None]


def test_a_pod_deleted_with_a_status_without_addresses_is_forgotten() -> None:
    index = an_address_index(a_pod("a"))
    index.release(a_pod("a", ips=()), T0 + 500)

    assert index.forget_before(T0 + 501) == {"uid-shop-a"}


def test_pods_that_swap_addresses_when_their_node_restarts_are_not_mistaken_for_each_other() -> None:
    old, young = a_pod("old", ips=("10.0.0.1",)), a_pod("young", ips=("10.0.0.2",), start_ms=T0 + 1_000)
    index = an_address_index(old, young)
    index.hold(replace(old, ips=young.ips))
    index.hold(replace(young, ips=old.ips))

    assert (holder(index, T0 + 9_000, "10.0.0.1"), holder(index, T0 + 9_000, "10.0.0.2")) == ("young", "old")


def test_forgets_what_ended_before_and_keeps_the_rest() -> None:
    index = an_address_index(a_pod("a", end_ms=T0 + 999), a_pod("b", start_ms=T0 + 2_000))

    assert index.forget_before(T0 + 1_000) == {"uid-shop-a"}
    assert (holder(index, T0), holder(index, T0 + 2_000)) == (None, "b")


def test_keeps_a_tombstone_to_its_last_millisecond() -> None:
    index = an_address_index(a_pod("a", end_ms=T0 + 999))

    assert index.forget_before(T0 + 999) == set()
