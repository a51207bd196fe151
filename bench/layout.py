"""What it takes to lay out and draw a map, by its size, in CPU time: other work on the machine counts less so."""

import random
import time
from collections.abc import Callable, Iterator

from grapevine.view.layout import displacement, lay_out
from grapevine.view.selection import drawable
from grapevine.view.servicemap import Link, Node, NodeRef, ServiceMap, service_map
from grapevine.view.svg import to_svg

_SIZES = ((100, 197), (300, 696), (1_000, 2_497), (1_000, 5_000), (5_000, 20_000))
"""Nodes and links; the first three are those of other layouts that were measured for decision 025."""
_TIMES = 15


def run() -> list[tuple[str, str]]:
    """Return what each size takes, and how far a new workload moves what is there."""
    return list(_figures())


def _figures() -> Iterator[tuple[str, str]]:
    for nodes, number in _SIZES:
        found = random_map(nodes, number)
        yield f"layout of {nodes:,} nodes, {number:,} links", f"{_best_ms(lambda: lay_out(found)):.0f} ms CPU"  # noqa: B023
    found = random_map(1_000, 5_000)
    yield "the same map, drawn as SVG by namespace", f"{_best_ms(lambda: to_svg(drawable(found), 'map')):.0f} ms CPU"
    found = random_map(500, 1_200)
    yield "500 nodes, 1,200 links, each drawn, as SVG", f"{_best_ms(lambda: to_svg(drawable(found), 'map')):.0f} ms CPU"
    before = lay_out(found)
    new = NodeRef(found.nodes[0].ref.namespace, "Deployment", "a-new-one")
    links = (Link(new, found.nodes[number].ref, ("dns",), 75) for number in (1, 2, 100, -1))
    after = service_map([*found.nodes, Node(new)], [*found.links, *links])
    yield (
        "500 nodes: moved by a new one with four calls, laid out anew",
        f"{displacement(before, lay_out(after)):.1%} of the diagonal",
    )
    yield (
        "500 nodes: the same, with the layout before",
        f"{displacement(before, lay_out(after, before)):.1%} of the diagonal",
    )


def random_map(nodes: int, links: int) -> ServiceMap:
    """Return a map like those of clusters: 30 workloads a namespace, three of four calls inside of it; cycles too."""
    dice = random.Random(nodes)
    refs = [NodeRef(f"team-{number // 30:03d}", "Deployment", f"service-{number}") for number in range(nodes)]
    ends: set[tuple[NodeRef, NodeRef]] = set()
    while len(ends) < links:
        one = dice.randrange(nodes)
        near = one // 30 * 30 + dice.randrange(30)
        other = near if near < nodes and dice.random() < 0.75 else dice.randrange(nodes)
        if one != other:
            ends.add((refs[one], refs[other]))
    return service_map(map(Node, refs), (Link(*each, ("dns",), 75) for each in sorted(ends)))


def _best_ms(of: Callable[[], object]) -> float:
    spent = []
    for _ in range(_TIMES):
        start = time.thread_time()
        of()
        spent.append(time.thread_time() - start)
    return min(spent) * 1_000
