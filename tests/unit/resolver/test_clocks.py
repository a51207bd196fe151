"""How far a clock is off, told by requests that take their time."""

import pytest

from grapevine.resolver.clocks import KNOWN_MARGIN_MS, OURS, UNKNOWN_MARGIN_MS, Clocks


def test_a_clock_never_heard_of_is_taken_as_right_and_not_trusted() -> None:
    assert Clocks().between("n1", OURS) == (0, UNKNOWN_MARGIN_MS)


def test_one_clock_compares_with_itself_exactly() -> None:
    assert Clocks().between("n1", "n1") == (0, 0)


@pytest.mark.parametrize(("ahead_ms", "expected"), [(-5_000, -5_000), (-200, 0), (0, 0), (200, 0), (201, 201)])
def test_a_small_offset_is_the_way_and_not_the_clock(ahead_ms: int, expected: int) -> None:
    clocks = Clocks()
    clocks.note("n1", ahead_ms, 0)

    assert clocks.ahead_ms("n1") == expected
    assert clocks.between(OURS, "n1") == (expected, KNOWN_MARGIN_MS)


def test_a_time_moves_between_two_clocks_that_are_both_off() -> None:
    clocks = Clocks()
    clocks.note("fast", 3_000, 0)
    clocks.note("slow", -2_000, 0)

    assert (clocks.between("fast", "slow")[0], clocks.between("slow", "fast")[0]) == (-5_000, 5_000)


def test_the_least_delayed_request_tells() -> None:
    clocks = Clocks()
    for second, delay_ms in enumerate((9_000, 40, 700)):
        clocks.note("n1", 3_000 - delay_ms, second * 1_000)

    assert clocks.ahead_ms("n1") == 2_960


def test_a_clock_set_back_is_believed_within_a_minute() -> None:
    clocks = Clocks()
    found = []
    for second in range(0, 90, 5):
        clocks.note("n1", 4_000 if second < 10 else -1_000, second * 1_000)
        found.append(clocks.ahead_ms("n1"))

    assert (found[2], found[-1], found.index(-1_000) * 5) == (4_000, -1_000, 60)


def test_a_clock_silent_for_a_minute_starts_anew() -> None:
    clocks = Clocks()
    clocks.note("n1", 4_000, 0)
    clocks.note("n1", -1_000, 60_000)

    assert clocks.ahead_ms("n1") == -1_000


def test_the_clock_heard_longest_ago_is_forgotten_over_the_bound() -> None:
    clocks = Clocks()
    for n in range(10_001):
        clocks.note(f"n{n}", 1_000, n)

    assert [clocks.ahead_ms(f"n{n}") for n in (0, 1, 10_000)] == [0, 1_000, 1_000]
