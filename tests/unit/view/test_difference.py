"""What came, what is gone and what changed: between two maps, and between two moments of one."""

from dataclasses import replace

import pytest
from tests.support.maps import a_map, behind, call, ref

from grapevine.view.difference import Difference, blind_spots, compare, compare_moments
from grapevine.view.servicemap import Link, Node, ServiceMap

DAY = 86_400_000
WEB_CART, CART_REDIS = call("shop/web", "shop/cart"), call("shop/cart", "shop/redis")


def at(link: Link, first_ms: int, last_ms: int, *, silent_ms: int = 0) -> Link:
    """Return the link as seen from first to last, stale from `silent_ms` on."""
    state = "stale" if silent_ms else "active"
    return replace(link, first_ms=first_ms, last_ms=last_ms, silent_ms=silent_ms, state=state)


def said(found: Difference) -> dict[str, set[str]]:
    """Return what is different in words; only what there is."""
    parts = {
        "came": {each.words for each in found.came},
        "left": {each.words for each in found.left},
        "added": {f"{link.client.name} → {link.target.name}" for link in found.added},
        "gone": {f"{link.client.name} → {link.target.name}" for link in found.gone},
        "changed": {f"{pair.after.client.name} → {pair.after.target.name}: {pair.what}" for pair in found.changed},
    }
    return {name: words for name, words in parts.items() if words}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([WEB_CART], [WEB_CART], {}),
        ([WEB_CART], [WEB_CART, CART_REDIS], {"came": {"shop/redis"}, "added": {"cart → redis"}}),
        ([WEB_CART, CART_REDIS], [CART_REDIS], {"left": {"shop/web"}, "gone": {"web → cart"}}),
        (
            [WEB_CART],
            [call("shop/web", "shop/cart", "connection", "dns")],
            {"changed": {"web → cart: ('evidence',)"}},
        ),
        ([WEB_CART], [replace(WEB_CART, ports=(80,))], {"changed": {"web → cart: ('ports',)"}}),
        (
            [replace(WEB_CART, evidence=(), state="declared")],
            [WEB_CART],
            {"changed": {"web → cart: ('evidence', 'state')"}},
        ),
        ([WEB_CART], [replace(WEB_CART, state="idle", count=9, last_ms=5_000, confidence=80)], {}),
        (
            [WEB_CART, call("shop/web", "pay/Service/pay")],
            [WEB_CART, call("shop/web", "pay/Service/pay"), behind("pay/pay", "pay/v2")],
            {"came": {"pay/v2"}, "added": {"pay → v2"}},
        ),
    ],
    ids=["same", "added", "gone", "evidence", "ports", "declared-then-seen", "times-and-counts", "behind-a-service"],
)
def test_two_maps_differ_in_calls_nodes_and_what_calls_were_seen_by(
    before: list[Link], after: list[Link], expected: dict[str, set[str]]
) -> None:
    assert expected == said(compare(a_map(*before), a_map(*after)))


def test_a_call_that_went_stale_is_gone_and_known_as_it_is_now() -> None:
    stale = at(CART_REDIS, 1_000, 2_000, silent_ms=3_000)

    found = compare(a_map(WEB_CART, CART_REDIS), a_map(WEB_CART, stale))

    assert {"left": {"shop/redis"}, "gone": {"cart → redis"}} == said(found)
    assert (stale,) == found.gone
    assert compare(a_map(WEB_CART, stale), a_map(WEB_CART)).is_empty, "it was gone already"


WHOLE = a_map(
    at(WEB_CART, 100, 900),
    at(CART_REDIS, 100, 300, silent_ms=500),
    at(call("shop/web", "pay.example.com"), 600, 900),
    replace(call("shop/web", "shop/db"), evidence=(), state="declared", first_ms=0, last_ms=0),
    nodes=[Node(ref("shop/alone"))],
)


@pytest.mark.parametrize(
    ("since_ms", "until_ms", "expected"),
    [
        (500, None, {"came": {"pay.example.com"}, "left": {"shop/redis"}, "added": {"web → pay.example.com"}}),
        (501, None, {"came": {"pay.example.com"}, "added": {"web → pay.example.com"}}),
        (600, None, {}),
        (400, 550, {"left": {"shop/redis"}, "gone": {"cart → redis"}}),
        (0, 200, {"came": {"shop/cart", "shop/redis"}, "added": {"web → cart", "cart → redis"}}),
        (0, None, {"came": {"shop/cart", "pay.example.com"}, "added": {"web → cart", "web → pay.example.com"}}),
    ],
)
def test_two_moments_of_one_map_differ_by_when_calls_began_and_went_silent(
    since_ms: int, until_ms: int | None, expected: dict[str, set[str]]
) -> None:
    found = said(compare_moments(WHOLE, since_ms, until_ms))

    if since_ms == 500:
        assert {"cart → redis"} == found.pop("gone")
    assert expected == found


def test_who_is_behind_a_service_is_there_while_the_service_is_called() -> None:
    whole = a_map(at(call("shop/web", "pay/Service/pay"), 600, 900), behind("pay/pay", "pay/v1"))

    assert {"web → pay", "pay → v1"} == said(compare_moments(whole, 500))["added"]


@pytest.mark.parametrize(
    ("since_ms", "notes"),
    [
        (20 * DAY, ("a note",)),
        (
            2 * DAY,
            ("a note", "calls that went silent over 17.5 days ago may be forgotten, and those are not told as gone"),
        ),
        (
            DAY - 1,
            (
                "a note",
                "the map begins at 1970-01-02T00:00:00Z: what was there before is told as new",
                "calls that went silent over 17.5 days ago may be forgotten, and those are not told as gone",
            ),
        ),
    ],
)
def test_says_how_far_back_it_reaches(since_ms: int, notes: tuple[str, ...]) -> None:
    found = ServiceMap((), (at(WEB_CART, DAY, 30 * DAY),), ("a note",), remembered_ms=35 * DAY // 2)

    assert notes == blind_spots(found, since_ms, 30 * DAY)
