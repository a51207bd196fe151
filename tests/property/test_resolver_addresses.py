"""Random pods that take turns on a few addresses: what of them is forgotten is nobody's, and the rest as before."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import a_pod

from grapevine.resolver.addresses import AddressIndex
from grapevine.resolver.clocks import Clocks
from grapevine.resolver.records import PodRecord

SECOND = 1_000
IPS = ("10.0.0.1", "fd00::1")

Turn = tuple[PodRecord, int | None]
"""A pod, and when it is seen to be gone; its end is told by itself, or not at all."""


@st.composite
def turns(draw: st.DrawFn) -> list[Turn]:
    """Pods on two addresses, one after the other on each, the next no earlier than in the second the last one ended."""
    found: list[Turn] = []
    for ip in IPS:
        start_s = 10
        for turn in range(draw(st.integers(0, 4))):
            start_s += draw(st.integers(0, 3))
            end_s = start_s + draw(st.integers(1, 8))
            pod = a_pod(f"{turn}-{len(ip)}", ips=(ip,), start_ms=start_s * SECOND)
            how = draw(st.sampled_from(["own", "seen", "lives"]))
            if how == "own":
                pod = replace(pod, end_ms=end_s * SECOND + 999)
            late_s = draw(st.integers(0, 20))
            found.append((pod, None if how == "lives" else (end_s + late_s) * SECOND))
            start_s = end_s
    return draw(st.permutations(found))


def an_index(turns: list[Turn]) -> AddressIndex:
    index = AddressIndex(Clocks())
    for pod, gone_ms in turns:
        index.hold(replace(pod, end_ms=None), (pod.start_ms or 0) + 500)
        if gone_ms is not None:
            index.hold(pod, gone_ms)
            index.release(pod, gone_ms, gone_ms)
    return index


@settings(max_examples=200)
@given(turns(), st.integers(9, 60))
def test_forgetting_takes_no_pod_for_another_and_leaves_what_is_newer(turns: list[Turn], horizon_s: int) -> None:
    index, kept = an_index(turns), an_index(turns)
    gone = index.forget_before(horizon_s * SECOND)

    for ip in IPS:
        for at_ms in range(9 * SECOND, 60 * SECOND, 500):
            found, before = (each.held(ip, at_ms, at_ms, "").pods for each in (index, kept))
            assert gone.isdisjoint(pod.uid for pod in found)
            if at_ms >= horizon_s * SECOND + 6 * SECOND:
                assert set(found) <= set(before)


@settings(max_examples=200)
@given(turns(), st.permutations(range(8)))
def test_the_order_in_which_pods_are_told_of_changes_nothing(turns: list[Turn], order: list[int]) -> None:
    shuffled = [turns[n] for n in order if n < len(turns)]
    index, other = an_index(turns), an_index(shuffled)

    for ip in IPS:
        for at_ms in range(9 * SECOND, 60 * SECOND, 500):
            found, again = (each.held(ip, at_ms, at_ms, "") for each in (index, other))
            assert (found.pods, found.is_open) == (again.pods, again.is_open)
