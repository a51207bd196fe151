"""Which part of the map is drawn, and what is drawn as one."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from bench.layout import random_map
from tests.support.maps import a_map, behind, call, calls, ref

from grapevine.view.selection import MAX_NODES, Part, drawable, join_outside, nodes_called, part_of
from grapevine.view.servicemap import NAMESPACE, Node, NodeRef

SHOP = a_map(
    call("front/web", "orders/cart", "connection", "dns", confidence=95),
    replace(call("front/web", "cdn.example.net"), names=("Assets.CDN.example.net",)),
    call("orders/cart", "orders/redis", "connection", confidence=90),
    replace(call("orders/cart", "pay/Service/pay", state="stale"), last_ms=10),
    behind("pay/pay", "pay/v1"),
    behind("pay/pay", "pay/v2"),
    call("pay/v1", "bank.example.com"),
    nodes=[Node(ref("tools/idle"))],
)


def named(text: str) -> tuple[NodeRef, ...]:
    return tuple(nodes_called(SHOP, text, "focus"))


def part(**fields: object) -> set[str]:
    return calls(part_of(SHOP, Part(**fields)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (part(namespaces=("front",)), ["front/web → orders/cart", "front/web → cdn.example.net"]),
        (part(namespaces=("pay",)), ["orders/cart → pay/pay", "pay/v1 → bank.example.com"]),
        (part(min_confidence=90), ["front/web → orders/cart", "orders/cart → orders/redis"]),
        (part(states=frozenset({"stale"})), ["orders/cart → pay/pay"]),
        (part(outside_only=True), ["front/web → cdn.example.net", "pay/v1 → bank.example.com"]),
        (part(search="REDIS"), ["orders/cart → orders/redis"]),
        (part(search="example.com"), ["pay/v1 → bank.example.com"]),
        (part(search="assets.cdn"), ["front/web → cdn.example.net"]),
        (part(since_ms=11, namespaces=("pay",)), ["pay/v1 → bank.example.com"]),
        (part(focus=named("redis.orders")), ["orders/cart → orders/redis"]),
        (
            part(focus=named("redis.orders"), depth=2),
            ["orders/cart → orders/redis", "front/web → orders/cart"],
        ),
        (
            part(focus=named("pay/v1"), depth=2),
            ["orders/cart → pay/pay", "front/web → orders/cart", "pay/v1 → bank.example.com"],
        ),
        (part(focus=named("bank.example.com")), ["pay/v1 → bank.example.com"]),
    ],
)
def test_takes_what_was_asked_for(found: set[str], expected: Iterable[str]) -> None:
    assert set(expected) == found


def test_nodes_without_links_are_there_only_where_all_was_asked_for() -> None:
    assert SHOP == part_of(SHOP, Part())
    assert ref("tools/idle") not in {node.ref for node in part_of(SHOP, Part(search="web")).nodes}
    alone = part_of(SHOP, Part(focus=named("idle")))
    assert ([ref("tools/idle")], ()) == ([node.ref for node in alone.nodes], alone.links)


def test_workloads_behind_a_service_stay_with_it() -> None:
    found = part_of(SHOP, Part(states=frozenset({"stale"})))

    assert {"orders/cart", "pay/pay", "pay/v1", "pay/v2"} == {node.ref.words for node in found.nodes}


def test_many_names_outside_are_one_node_that_says_how_many() -> None:
    many = a_map(*(call(f"a/c{n % 3}", f"h{n}.example.com") for n in range(13)))
    found = join_outside(many)

    assert {f"a/c{n} → 13 names outside" for n in range(3)} == calls(found)
    assert 13 == found.calls
    assert [13] == [node.stands_for for node in found.nodes if node.ref.is_outside]
    assert join_outside(SHOP) is SHOP


def test_more_than_can_be_read_is_drawn_by_namespace_and_says_so() -> None:
    large = random_map(MAX_NODES + 1, 1_500)
    found = drawable(large)

    assert {NAMESPACE} == {node.ref.kind for node in found.nodes}
    assert (f"{MAX_NODES + 1} workloads and Services, drawn by namespace",) == found.notes
    assert MAX_NODES + 1 == sum(node.stands_for for node in found.nodes)
    between = [link for link in large.links if link.client.namespace != link.target.namespace]
    assert len(between) == found.calls
    assert random_map(MAX_NODES, 100) == drawable(random_map(MAX_NODES, 100))


def test_a_service_and_who_is_behind_it_in_one_namespace_are_that_namespace() -> None:
    found = drawable(SHOP, most=3)

    assert {"front/front → orders/orders", "orders/orders → pay/pay", "front/front → 2 names outside"} <= calls(found)
    assert NodeRef("pay", NAMESPACE, "pay") in {node.ref for node in found.nodes}


def test_a_node_is_named_by_its_identity_or_in_part() -> None:
    assert (ref("orders/cart"),) == named("cart") == named("cart.orders") == named("orders/Deployment/cart")
    assert (ref("cdn.example.net"),) == named("cdn.example.net") == named("/Domain/cdn.example.net")
    assert () == named("orders/Job/cart")
