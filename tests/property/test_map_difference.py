"""Any two maps: nothing is different from itself, and backwards is the other way round."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.support.maps import a_map, call

from grapevine.graph.ageing import State, remembered_ms, stale_after_ms, state_of
from grapevine.view.difference import compare, compare_moments, map_at
from grapevine.view.servicemap import Link, ServiceMap

NAMES = st.sampled_from(["a/one", "a/two", "b/three", "b/Service/pay", "out.example"])
STATES = st.sampled_from(["active", "idle", "stale", "declared"])
MOMENTS = st.integers(0, 50)


@st.composite
def some_links(draw: st.DrawFn) -> Link:
    """A call with any times, as far as they fit each other."""
    link = call(draw(NAMES.filter(lambda name: "/" in name)), draw(NAMES), state=draw(STATES))
    evidence = () if link.state == "declared" else draw(st.sampled_from([("dns",), ("connection",)]))
    first_ms = draw(MOMENTS)
    last_ms = first_ms + draw(MOMENTS)
    silent_ms = last_ms + draw(MOMENTS) + 1 if link.state == "stale" else 0
    ports = draw(st.sampled_from([(), (80,), (80, 443)]))
    return replace(link, evidence=evidence, first_ms=first_ms, last_ms=last_ms, silent_ms=silent_ms, ports=ports)


MAPS = st.lists(some_links(), max_size=8).map(lambda links: a_map(*links))


def ends(links: tuple[Link, ...]) -> list[tuple[object, object]]:
    """Return what each is between."""
    return [(link.client, link.target) for link in links]


@given(MAPS)
def test_nothing_is_different_from_itself(found: ServiceMap) -> None:
    assert compare(found, found).is_empty


@given(MAPS, MAPS)
def test_backwards_it_is_the_other_way_round(one: ServiceMap, other: ServiceMap) -> None:
    there, back = compare(one, other), compare(other, one)

    assert (there.came, there.left) == (back.left, back.came)
    assert (ends(there.added), ends(there.gone)) == (ends(back.gone), ends(back.added))
    assert [(pair.before, pair.after) for pair in there.changed] == [(pair.after, pair.before) for pair in back.changed]


@given(MAPS, MAPS)
def test_the_first_with_what_is_different_is_the_second(one: ServiceMap, other: ServiceMap) -> None:
    found = compare(one, other)

    before, after = (set(ends(map_at(each).links)) for each in (one, other))
    assert after == (before | set(ends(found.added))) - set(ends(found.gone))


@given(MAPS, MOMENTS, MOMENTS)
def test_between_two_moments_is_what_began_or_went_silent_then(found: ServiceMap, since_ms: int, until_ms: int) -> None:
    difference = compare_moments(found, since_ms, since_ms + until_ms)

    assert not difference.changed
    assert all(since_ms < link.first_ms <= since_ms + until_ms for link in difference.added)
    assert all(since_ms <= link.silent_ms < since_ms + until_ms for link in difference.gone)


@given(st.integers(0, 400), st.integers(0, 400), st.integers(24, 96))
def test_what_goes_stale_is_remembered_for_as_long_as_is_said(rhythm: int, known: int, patience: int) -> None:
    # hours: the patience is a day at 24
    stale, remembered = stale_after_ms(rhythm, known, patience), remembered_ms(patience)

    assert state_of(stale, rhythm, known, patience) < State.STALE
    assert State.STALE is state_of(stale + 1, rhythm, known, patience)
    assert state_of(stale + remembered, rhythm, known, patience) is State.STALE
