"""Blast radius: chains both ways, how sure they are, Services on the way, and circles."""

import pytest
from tests.support.maps import a_map, behind, call, ref

from grapevine.view.reach import Blast, Cause, blast
from grapevine.view.servicemap import NodeRef

PAY = NodeRef("pay", "Service", "pay")
SHOP = a_map(
    call("front/web", "orders/cart", confidence=95),
    call("orders/cart", "orders/redis", confidence=90),
    call("front/web", "orders/redis", confidence=50),
    call("orders/cart", "pay/Service/pay"),
    behind("pay/pay", "pay/v1", 90),
    behind("pay/pay", "pay/v2", 10),
    call("pay/v1", "bank.example.com"),
)


def reached(found: Blast) -> dict[str, float]:
    return {each.ref.words: each.sure for each in found.reached}


def test_taken_over_it_reaches_what_is_called_and_what_that_calls() -> None:
    found = blast(SHOP, ref("front/web"), Cause.COMPROMISED)

    expected = {"orders/cart": 95.0, "orders/redis": 85.5, "pay/pay": 71.2, "pay/v1": 71.2, "pay/v2": 71.2,
                "bank.example.com": 53.4}  # fmt: skip
    assert expected == pytest.approx(reached(found), abs=0.1)
    assert ["orders/cart", "orders/redis"] == [each.ref.words for each in found.reached[:2]], "the surest first"


def test_down_it_hits_who_calls_it_and_who_calls_those() -> None:
    assert {"orders/cart": 90.0, "front/web": 85.5} == reached(blast(SHOP, ref("orders/redis"), Cause.DOWN))


def test_a_chain_is_told_from_caller_to_callee_with_its_evidence() -> None:
    for found, end in (
        (blast(SHOP, ref("front/web"), Cause.COMPROMISED), "orders/redis"),
        (blast(SHOP, ref("orders/redis"), Cause.DOWN), "front/web"),
    ):
        (each,) = (each for each in found.reached if each.ref.words == end)
        assert ["front/web", "orders/cart"] == [link.client.words for link in each.chain]
        assert ["orders/cart", "orders/redis"] == [link.target.words for link in each.chain]
        assert (2, False) == (each.calls, each.is_partial)


def test_in_fewer_calls_the_less_sure_chain_counts() -> None:
    assert 50.0 == reached(blast(SHOP, ref("front/web"), Cause.COMPROMISED, depth=1))["orders/redis"]


def test_calls_that_are_not_sure_enough_are_not_followed() -> None:
    found = blast(SHOP, ref("front/web"), Cause.COMPROMISED, min_confidence=80)

    assert {"orders/cart", "orders/redis"} == reached(found).keys()


def test_one_of_several_behind_a_service_is_hit_in_part() -> None:
    down = blast(SHOP, ref("pay/v1"), Cause.DOWN)

    assert {("orders/cart", 1, True), ("front/web", 2, True)} == {
        (each.ref.words, each.calls, each.is_partial) for each in down.reached
    }
    whole = blast(SHOP, PAY, Cause.DOWN)
    assert {False} == {each.is_partial for each in whole.reached}


def test_what_is_only_declared_is_reached_for_sure_by_nothing() -> None:
    found = a_map(call("a/x", "a/y", confidence=0, state="declared"), call("a/y", "a/z"))

    assert {"a/y": 0.0, "a/z": 0.0} == reached(blast(found, ref("a/x"), Cause.COMPROMISED))
    assert {} == reached(blast(found, ref("a/x"), Cause.COMPROMISED, min_confidence=1))


def test_a_circle_is_named_and_ends() -> None:
    found = a_map(call("a/x", "a/y"), call("a/y", "a/z"), call("a/z", "a/x"), call("a/z", "a/end"))

    for cause in Cause:
        assert (ref("a/y"), ref("a/z")) == blast(found, ref("a/x"), cause).circle
    assert {"a/y", "a/z", "a/end"} == reached(blast(found, ref("a/x"), Cause.COMPROMISED)).keys()
    assert () == blast(found, ref("a/end"), Cause.DOWN).circle
