"""When a certificate is replaced, on a clock of the test's own."""

from collections.abc import Callable

import pytest

from grapevine.serving.rotation import Authority, Material, Schedule, ServingPair, advance

NAMES = frozenset({"a.svc", "b.svc"})
SCHEDULE = Schedule(lifetime_s=900.0)  # renewed at 600, 100 of lead


def pair(label: str, since_s: float, names: frozenset[str] = NAMES) -> ServingPair:
    until_s = since_s + SCHEDULE.lifetime_s
    return ServingPair(f"{label}-crt", f"{label}-key", Authority(f"{label}-ca ", until_s), names, since_s, until_s)


def maker(label: str, now_s: float) -> Callable[[], ServingPair]:
    return lambda: pair(label, now_s)


def never() -> ServingPair:
    raise AssertionError("nothing is due")


def test_begins_with_one_that_is_used_at_once() -> None:
    assert advance(Material(), NAMES, 5, SCHEDULE, maker("new", 5)) == Material(pair("new", 5))


@pytest.mark.parametrize("now_s", [0, 599])
def test_leaves_a_young_one_alone(now_s: float) -> None:
    held = Material(pair("old", 0))
    assert advance(held, NAMES, now_s, SCHEDULE, never) == held


def test_a_whole_rotation_never_serves_what_was_not_published_before() -> None:
    held, published_before, uses = Material(), "", []
    for now_s in range(0, 3_000, 10):
        due = advance(held, NAMES, now_s, SCHEDULE, maker(f"m{now_s}", now_s))
        assert due.current is not None
        if held.current is not None and due.current != held.current:
            assert due.current.authority.pem in published_before
            assert held.current.authority.pem in due.published(), "a replica that has not looked yet serves it"
            uses.append(now_s)
        assert due.current.until_s > now_s
        held, published_before = due, due.published()

    assert uses == [700, 1_300, 1_900, 2_500], "made at two thirds of the one in use, used 100 s later"


def test_publishes_the_one_in_use_first_and_each_once() -> None:
    same = pair("same", 0)
    held = Material(same, pair("next", 600), (Authority("gone-ca ", 700), same.authority))
    assert held.published() == "same-ca next-ca gone-ca "


def test_forgets_an_authority_that_has_expired() -> None:
    held = Material(pair("old", 0), None, (Authority("gone", 300),))
    assert advance(held, NAMES, 299, SCHEDULE, never) == held
    assert advance(held, NAMES, 300, SCHEDULE, never).former == ()


def test_a_name_more_is_served_at_once_a_name_less_is_no_hurry() -> None:
    held = Material(pair("old", 0), pair("next", 1))
    more = NAMES | {"c.svc"}
    made = pair("new", 5, more)
    assert advance(held, more, 5, SCHEDULE, lambda: made) == Material(made)
    assert advance(held, frozenset({"a.svc"}), 5, SCHEDULE, never) == held


def test_an_expired_one_gives_way_to_its_successor_or_to_a_new_one() -> None:
    expired = Material(pair("old", 0), pair("next", 0))
    assert advance(expired, NAMES, 900, SCHEDULE, maker("new", 900)) == Material(pair("new", 900))
    assert advance(Material(pair("old", 0), pair("next", 600)), NAMES, 900, SCHEDULE, never) == Material(
        pair("next", 600)
    )
    stale = Material(pair("old", 300), pair("next", 0))
    assert advance(stale, NAMES, 900, SCHEDULE, maker("new", 900)).successor == pair("new", 900)


def test_all_times_follow_from_one() -> None:
    assert (Schedule(90).renew_after_s, Schedule(90).lead_s, Schedule(90).check_s) == (60, 10, 3)
    assert (Schedule().lead_s, Schedule().check_s) == (3_600, 60)
