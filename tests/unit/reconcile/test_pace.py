"""One rate for all writes."""

from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import T0

from grapevine.reconcile.pace import Pace


def waits(pace: Pace, number: int, now_ms: int = T0) -> list[float]:
    return [pace.take_turn(now_ms) for _ in range(number)]


def test_after_a_rest_a_burst_waits_for_nothing_and_then_each_its_turn() -> None:
    assert waits(Pace(per_s=10, burst=3), 5) == [0, 0, 0, 0.1, 0.2]


def test_the_burst_comes_back_with_the_rest() -> None:
    pace = Pace(per_s=10, burst=3)
    waits(pace, 3)

    assert waits(pace, 2, T0 + 100) == [0, 0.1]
    assert waits(pace, 4, T0 + 10_000) == [0, 0, 0, 0.1]


def test_no_rate_is_no_limit() -> None:
    assert not any(waits(Pace(per_s=0, burst=1), 1_000))


@given(st.lists(st.integers(0, 2_000), max_size=60), st.integers(1, 50), st.integers(1, 20))
def test_in_no_second_are_there_more_turns_than_rate_and_burst(pauses: list[int], per_s: int, burst: int) -> None:
    pace, now_ms, turns = Pace(per_s=per_s, burst=burst), T0, list[float]()
    for pause_ms in pauses:
        now_ms += pause_ms
        turns.append(now_ms + 1_000 * pace.take_turn(now_ms))

    assert all(sum(at <= each < at + 999 for each in turns) <= per_s + burst for at in turns)
