"""Where nodes stand: never on each other, callers first, in their island, and about where they were before."""

import itertools

import pytest
from bench.layout import random_map
from tests.support.maps import a_map, call, ref

from grapevine.view.cycles import components
from grapevine.view.layout import Box, displacement, lay_out
from grapevine.view.selection import join_namespaces
from grapevine.view.servicemap import Node, service_map

SHAPES = {
    "nothing": a_map(),
    "one": a_map(nodes=[Node(ref("shop/web"))]),
    "chain": a_map(*(call(f"shop/n{n:03d}", f"shop/n{n + 1:03d}") for n in range(60))),
    "circle": a_map(*(call(f"shop/n{n}", f"shop/n{(n + 1) % 9}") for n in range(9))),
    "star": a_map(*(call(f"s{n}/client", "db/store") for n in range(40)), call("db/store", "api.example.com")),
    "islands": random_map(150, 400),
    "namespaces": join_namespaces(random_map(300, 900)),
}


def overlap(one: Box, other: Box) -> bool:
    return one.x < other.right and other.x < one.right and one.y < other.bottom and other.y < one.bottom


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_stands_on_anything_else_or_outside_of_the_picture(shape: str) -> None:
    placed = lay_out(SHAPES[shape])

    assert {node.ref for node in SHAPES[shape].nodes} == set(placed.boxes)
    assert not [pair for pair in itertools.combinations(placed.boxes.values(), 2) if overlap(*pair)]
    assert not [pair for pair in itertools.combinations([i.box for i in placed.islands], 2) if overlap(*pair)]
    assert all(box.x >= 0 and box.y >= 0 for box in placed.boxes.values())
    assert all(box.right <= placed.width and box.bottom <= placed.height for box in placed.boxes.values())


def test_each_node_stands_in_the_island_of_its_namespace() -> None:
    placed = lay_out(SHAPES["islands"])
    islands = {island.namespace: island.box for island in placed.islands}

    for node, box in placed.boxes.items():
        island = islands[node.namespace]
        assert island.x <= box.x < box.right <= island.right
        assert island.y <= box.y < box.bottom <= island.bottom


def test_callers_are_left_of_callees_and_what_is_outside_is_at_the_right() -> None:
    placed = lay_out(a_map(call("a/web", "b/cart"), call("b/cart", "c/db"), call("a/web", "api.example.com")))
    left = [placed.boxes[ref(name)].x for name in ("a/web", "b/cart", "c/db", "api.example.com")]

    assert sorted(left) == left


def test_in_an_island_callers_are_above_callees() -> None:
    placed = lay_out(a_map(call("a/web", "a/cart"), call("a/cart", "a/db")))
    heights = [placed.boxes[ref(name)].y for name in ("a/web", "a/cart", "a/db")]

    assert sorted(heights) == heights


def test_the_same_map_is_laid_out_the_same() -> None:
    assert lay_out(random_map(200, 500)) == lay_out(random_map(200, 500))


@pytest.mark.parametrize(("nodes", "links", "most"), [(60, 120, 0.05), (300, 700, 0.02)])
def test_a_small_change_moves_little(nodes: int, links: int, most: float) -> None:
    found = random_map(nodes, links)
    before = lay_out(found)
    new = Node(ref("team-000/a-new-one"))
    more = [call("team-000/a-new-one", f"team-000/service-{n}") for n in (1, 2, 3)]
    grown = service_map([*found.nodes, new], [*found.links, *more])
    shrunk = service_map(
        found.nodes[1:], (link for link in found.links if found.nodes[0].ref not in (link.client, link.target))
    )

    assert displacement(before, lay_out(found, before)) == 0
    assert displacement(before, lay_out(grown, before)) < most
    assert displacement(before, lay_out(shrunk, before)) < most


def test_what_moved_is_measured_by_the_diagonal() -> None:
    one = lay_out(a_map(call("a/x", "a/y")))
    other = lay_out(a_map(call("a/y", "a/x")))

    assert displacement(one, one) == 0
    assert 0 < displacement(one, other) < 1
    assert displacement(one, lay_out(a_map())) == 0


def test_components_come_callees_first_and_a_deep_chain_is_no_trouble() -> None:
    assert [[3], [1, 2], [0]] == [sorted(each) for each in components(range(4), [[1], [2, 3], [1], []])]
    deep = 50_000
    assert deep == len(components(range(deep), [[n + 1] for n in range(deep - 1)] + [[]]))
