"""Random pods that take turns on a few addresses, told in any order, against an oracle that tries every millisecond."""

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import a_pod

from grapevine.resolver.addresses import AddressIndex
from grapevine.resolver.records import PodRecord

SECOND = 1_000
LONGEST_S = 8


@dataclass(frozen=True, slots=True)
class Life:
    """One turn on an address, in whole seconds as the API tells them; `ends` is what the object says, if it says it."""

    pod: PodRecord
    ends: bool
    deleted_ms: int | None


@st.composite
def lives(draw: st.DrawFn) -> list[Life]:
    """Pods on two addresses, one after the other on each, the next no earlier than in the second the last one ended in.

    A pod's end is told by itself, or only its deletion is seen, late or in time; the last one on an address may live.
    """
    found: list[Life] = []
    for ip in ("10.0.0.1", "fd00::1"):
        start_s = 10
        turns = draw(st.integers(0, 4))
        for turn in range(turns):
            start_s += draw(st.integers(0, 3))
            end_s = start_s + draw(st.integers(1, LONGEST_S))
            is_last = turn == turns - 1
            how = draw(st.sampled_from(["own", "seen", "lives"] if is_last else ["own", "seen", "unheard"]))
            pod = a_pod(f"{turn}-{len(ip)}", ips=(ip,), start_ms=start_s * SECOND)
            if how == "own":
                pod = replace(pod, end_ms=end_s * SECOND + 999)
            late_s = draw(st.integers(0, 20))
            found.append(Life(pod, how == "own", (end_s + late_s) * SECOND if how in ("own", "seen") else None))
            start_s = end_s
    return found


def oracle(lives: list[Life], ip: str, at_ms: int) -> str | None:
    """The newest pod that started; but one before it goes on to the end it told itself."""
    told = [each for each in lives if ip in each.pod.ips]
    for life in told:
        if life.ends and life.pod.start_ms is not None and life.pod.end_ms is not None:
            earlier = [o.pod.end_ms for o in told if o.ends and o.pod.end_ms and o.pod.start_ms < life.pod.start_ms]
            if max(life.pod.start_ms, *(e + 1 for e in earlier), 0) <= at_ms <= life.pod.end_ms:
                return life.pod.name
    started = [each for each in told if each.pod.start_ms is not None and each.pod.start_ms <= at_ms]
    if not started:
        return None
    newest = max(started, key=lambda each: each.pod.start_ms or 0)
    if newest.ends:
        return None
    return newest.pod.name if newest.deleted_ms is None or at_ms <= newest.deleted_ms else None


@settings(max_examples=300)
@given(lives(), st.data())
def test_tells_the_holder_at_any_time_whatever_order_it_was_told_in(lives: list[Life], data: st.DataObject) -> None:
    index = AddressIndex()
    events: list[tuple[Life, str]] = []
    for life in data.draw(st.permutations(lives)):
        events.append((life, "added"))
        if life.deleted_ms is not None:
            events.append((life, "deleted"))
    for life, event in sorted(events, key=lambda e: data.draw(st.integers(0, 3)) if e[1] == "deleted" else 0):
        if event == "added":
            index.hold(replace(life.pod, end_ms=None) if data.draw(st.booleans()) and life.deleted_ms else life.pod)
        else:
            index.hold(life.pod)
            assert life.deleted_ms is not None
            index.release(life.pod, life.deleted_ms)

    for ip in ("10.0.0.1", "fd00::1"):
        for at_ms in range(9 * SECOND, 60 * SECOND, 500):
            for ms in (at_ms, at_ms + 499):
                holder = index.pod_at(ip, ms)
                assert (holder.name if holder else None) == oracle(lives, ip, ms), (ip, ms)


@settings(max_examples=100)
@given(lives(), st.integers(9, 60))
def test_forgetting_the_past_does_not_change_the_rest(lives: list[Life], horizon_s: int) -> None:
    index, kept = AddressIndex(), AddressIndex()
    for each in (index, kept):
        for life in lives:
            each.hold(life.pod)
            if life.deleted_ms is not None:
                each.release(life.pod, life.deleted_ms)
    index.forget_before(horizon_s * SECOND)

    for ip in ("10.0.0.1", "fd00::1"):
        for at_ms in range(horizon_s * SECOND, 60 * SECOND, 500):
            assert index.pod_at(ip, at_ms) == kept.pod_at(ip, at_ms)
