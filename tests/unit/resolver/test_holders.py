"""Whose an address was, and by whose clock."""

from dataclasses import replace

import pytest
from tests.support.builders import (
    CLIENT_IP,
    LATER,
    T0,
    a_deployment,
    a_dial,
    a_pod,
    a_pod_of,
    a_workload,
    an_index,
    an_observation,
    owned_by,
)

from grapevine.resolver.clocks import UNKNOWN
from grapevine.resolver.holders import Holder, clock_of, holder_at
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.noise import Reason, Unresolved
from grapevine.resolver.records import PodRecord, Record

FIRST = a_pod_of("web", 1, CLIENT_IP)
ENDED = replace(FIRST, end_ms=T0 + 2_999)
NEXT = replace(a_pod_of("web", 2, CLIENT_IP), start_ms=T0 + 2_000)
OTHER = replace(a_pod("other"), start_ms=T0 + 2_000)


def of(*records: Record, first_ms: int, last_ms: int | None = None) -> Holder | Unresolved:
    index = an_index(*a_deployment("web"), *records)
    return holder_at(index, CLIENT_IP, first_ms, first_ms if last_ms is None else last_ms, "")


@pytest.mark.parametrize("after_ms", [500, 2_500, 9_000])
def test_pods_of_one_workload_need_not_be_told_apart(after_ms: int) -> None:
    found = of(ENDED, NEXT, first_ms=T0 + after_ms)

    assert isinstance(found, Holder)
    assert (found.workload, found.is_certain) == (a_workload(), True)


def test_a_window_over_the_hand_over_within_a_workload_is_that_workloads() -> None:
    found = of(ENDED, NEXT, first_ms=T0 + 1_900, last_ms=T0 + 3_100)

    assert isinstance(found, Holder)
    assert [pod.name for pod in found.pods] == ["web-1-1", "web-1-2"]


@pytest.mark.parametrize(
    ("records", "first_ms", "last_ms", "reason"),
    [
        ([ENDED], T0 + 3_000, T0 + 3_000, Reason.NO_POD),
        ([ENDED, OTHER], T0 + 2_500, T0 + 2_500, Reason.CHANGED_HANDS),
        ([ENDED, OTHER], T0 + 1_900, T0 + 3_100, Reason.CHANGED_HANDS),
        ([FIRST], T0 - 100, T0 + 100, Reason.CHANGED_HANDS),
        ([FIRST, OTHER], T0 + 2_500, T0 + 2_500, Reason.OWNER_UNKNOWN),
    ],
    ids=["nobody", "the-same-second", "over-two", "began-before", "owner-late"],
)
def test_what_cannot_be_said_has_a_reason(
    records: list[PodRecord], first_ms: int, last_ms: int, reason: Reason
) -> None:
    if reason is Reason.OWNER_UNKNOWN:
        records = [*records[:-1], replace(records[-1], owner=owned_by("ReplicaSet", "late"))]

    assert of(*records, first_ms=first_ms, last_ms=last_ms) == Unresolved(reason)


def test_a_pod_that_others_followed_is_not_believed_to_be_back() -> None:
    index = ClusterIndex("cluster.local")
    index.apply([*a_deployment("web"), FIRST], T0 + 500)
    index.apply([OTHER], T0 + 2_500)
    index.apply([replace(OTHER, end_ms=T0 + 3_999)], T0 + 4_500)

    assert holder_at(index, CLIENT_IP, T0 + 9_000, T0 + 9_000, "") == Unresolved(Reason.ADDRESS_SHARED)


@pytest.mark.parametrize(
    ("source", "resolver_ip", "expected"),
    [
        ("packet", "10.0.0.53", "n1"),
        ("dnstap", "10.0.0.53", "dns-node"),
        ("log", "10.0.0.53", "dns-node"),
        ("dnstap", "192.0.2.53", UNKNOWN),
        ("log", "192.0.2.53", "n1"),
    ],
)
def test_times_are_the_clock_of_whoever_wrote_them(source: str, resolver_ip: str, expected: str) -> None:
    index = an_index(a_pod("dns", ips=("10.0.0.53",), node="dns-node"))
    look_up = replace(an_observation(), source=source, resolver_ip=resolver_ip)

    assert clock_of(index, look_up, "n1") == expected


def test_a_connections_times_are_its_senders() -> None:
    assert clock_of(an_index(), a_dial(), "n1") == "n1"


def test_a_history_told_at_once_is_told_apart() -> None:
    index = an_index(*a_deployment("web"), ENDED, replace(OTHER, start_ms=T0 + 5_000))
    found = [holder_at(index, CLIENT_IP, at_ms, at_ms, "") for at_ms in (T0, T0 + 5_000, LATER)]

    assert [h.workload.name for h in found if isinstance(h, Holder)] == ["web", "other", "other"]
