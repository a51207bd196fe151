"""Lines between nodes: from side to side, apart from each other, and around what stands in between."""

from tests.support.maps import a_map, behind, call, ref

from grapevine.view.layout import Box
from grapevine.view.routes import ARROW, Route, routes


def points(route: Route, steps: int = 40) -> list[tuple[float, float]]:
    """Return points along a line."""
    found, start = [], route.start
    for first, second, end in route.curves:
        for step in range(steps + 1):
            t = step / steps
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            corners = (start, first, second, end)
            found.append(tuple(sum(w * c[axis] for w, c in zip(weights, corners, strict=True)) for axis in (0, 1)))
        start = end
    return found  # type: ignore[return-value]


def test_a_line_goes_around_the_nodes_between_its_ends() -> None:
    found = a_map(call("a/web", "c/db"))
    wall = {ref(f"b/wall-{n}"): Box(200, 60 * n, 100, 42) for n in range(6)}
    boxes = {ref("a/web"): Box(0, 100, 100, 42), ref("c/db"): Box(500, 160, 100, 42), **wall}

    (route,) = routes(found.links, boxes)

    inside = [
        (x, y) for x, y in points(route) for box in wall.values() if box.x < x < box.right and box.y < y < box.bottom
    ]
    assert inside == []
    assert (route.start, route.tip) == ((100, 121), (500, 181))


def test_lines_at_one_side_are_apart_and_do_not_cross_there() -> None:
    found = a_map(*(call("a/web", f"b/n{n}") for n in range(4)))
    boxes = {ref("a/web"): Box(0, 100, 100, 42)} | {ref(f"b/n{n}"): Box(300, 60.0 * n, 100, 42) for n in range(4)}

    starts = [route.start[1] for route in routes(found.links, boxes)]

    assert len(set(starts)) == 4
    assert sorted(starts) == starts
    assert all(100 < y < 142 for y in starts)


def test_an_arrow_stands_before_the_node_it_points_at() -> None:
    found = a_map(call("a/web", "b/cart"), behind("b/cart", "b/cart-v2"))
    service = found.links[1].client
    boxes = {
        ref("a/web"): Box(0, 0, 100, 42),
        ref("b/cart"): Box(300, 0, 100, 42),
        service: Box(300, 200, 100, 42),
        ref("b/cart-v2"): Box(300, 270, 100, 42),
    }
    called, owned = routes(found.links, boxes)

    assert (called.tip[0], called.curves[-1][2][0]) == (300, 300 - ARROW)
    assert owned.tip == owned.curves[-1][2] == (350, 270), "who is behind a Service is not called by it"
