"""Where each node of a map stands: namespaces are islands, callers left of callees, what is outside at the right.

Deterministic, and stable: with the layout before, what was there keeps its place in its column. A map of any size can
be laid out; `selection.drawable` keeps it to what can be read. Lengths are pixels at full size.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from grapevine.view.layers import Arrangement, Size, Slot, arrange
from grapevine.view.servicemap import NAMESPACE, OUTSIDE, NodeRef, ServiceMap
from grapevine.view.text import fitted, text_width

NODE_HEIGHT = 42.0
OUTSIDE_HEIGHT = 30.0
MIN_WIDTH, MAX_WIDTH = 96.0, 256.0
NAME_SIZE, KIND_SIZE, TITLE_SIZE = 12.5, 10.0, 12.0
BOLD = 1.08
"""How much wider bold text is."""
TEXT_LEFT, TEXT_RIGHT = 16.0, 14.0
_LINKED_GAP = Size(26.0, 34.0)
_LOOSE_GAP = Size(26.0, 17.0)
"""Where nothing in an island calls anything in it."""
_ISLAND_GAP = Size(96.0, 30.0)
_SPACE_GAP = Size(120.0, 24.0)
"""Where the nodes are namespaces."""
Weights = Mapping[tuple[int, int], int]
"""Number of links by the numbers of their ends."""
_ASPECT = 1.6
"""Width by height of a picture, about."""
_INNER_ASPECT = 1.9
"""Height by width of an island, about: what is narrow is passed more easily."""
_PADDING = 18.0
_TITLE = 32.0
_MARGIN = 8.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower side."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """Half its height."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Island:
    """All nodes of a namespace; of none for what is outside."""

    namespace: str
    box: Box


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands."""

    boxes: Mapping[NodeRef, Box]
    islands: tuple[Island, ...]
    """By namespace; none where nodes are namespaces themselves."""
    width: float
    height: float
    slots: Mapping[NodeRef, Slot] = field(default_factory=dict)
    """What the next layout keeps of this one, of nodes and of islands (kind Namespace)."""


def lay_out(found: ServiceMap, before: Layout | None = None) -> Layout:
    """Return where the nodes stand; those that `before` has stay in their column and order."""
    known = before.slots if before else {}
    refs = [node.ref for node in found.nodes]
    number_of = {ref: number for number, ref in enumerate(refs)}
    links = Counter((number_of[link.client], number_of[link.target]) for link in found.links)
    if any(ref.kind == NAMESPACE for ref in refs):
        return _of_namespaces(refs, links, known)
    spaces = [ref.namespace for ref in refs]
    within = _within(links, spaces)
    inner: dict[str, Arrangement[int]] = {}
    slots: dict[NodeRef, Slot] = {}
    sizes: dict[str, Size] = {}
    node_sizes: dict[int, Size] = {}
    for namespace, group in groupby(range(len(refs)), key=spaces.__getitem__):
        members = _alike({number: node_size(refs[number]) for number in group})
        node_sizes.update(members)
        old = {number: known[refs[number]] for number in members if refs[number] in known}
        inner[namespace] = placed = _inside(members, within.get(namespace, {}), old)
        slots.update({refs[number]: slot for number, slot in placed.slots.items()})
        title = text_width(fitted(namespace, TITLE_SIZE, 400), TITLE_SIZE) * BOLD + 2 * _PADDING
        width = max(placed.size.width + 2 * _PADDING, title)
        sizes[namespace] = Size(width, placed.size.height + 2 * _PADDING + _TITLE - 8)
    old_islands = {namespace: known[_island(namespace)] for namespace in sizes if _island(namespace) in known}
    outer = arrange(
        sizes, _between(links, spaces), gap=_ISLAND_GAP, last=frozenset({""}), before=old_islands, aspect=_ASPECT
    )
    slots.update({_island(namespace): slot for namespace, slot in outer.slots.items()})
    boxes: dict[NodeRef, Box] = {}
    islands: list[Island] = []
    for namespace, placed in inner.items():
        x, y = (corner + _MARGIN for corner in outer.corners[namespace])
        box = Box(x, y, sizes[namespace].width, sizes[namespace].height)
        islands.append(Island(namespace, box))
        left = (box.width - placed.size.width) / 2
        for number, (inner_x, inner_y) in placed.corners.items():
            size = node_sizes[number]
            boxes[refs[number]] = Box(x + left + inner_x, y + _TITLE + 10 + inner_y, size.width, size.height)
    return Layout(boxes, tuple(islands), outer.size.width + 2 * _MARGIN, outer.size.height + 2 * _MARGIN, slots)


def displacement(before: Layout, after: Layout) -> float:
    """Return how far the nodes of both moved on average, as a part of the picture's diagonal; 0 where nothing did."""
    both = [ref for ref in before.boxes if ref in after.boxes]
    if not both:
        return 0.0
    moved = (
        math.hypot(after.boxes[ref].x - before.boxes[ref].x, after.boxes[ref].y - before.boxes[ref].y) for ref in both
    )
    return sum(moved) / len(both) / math.hypot(before.width, before.height)


def node_size(ref: NodeRef) -> Size:
    """Return how large a node is: wide enough for its name, cut where that is very long."""
    width = text_width(fitted(label(ref), NAME_SIZE, MAX_WIDTH - TEXT_LEFT - TEXT_RIGHT), NAME_SIZE) * BOLD
    kind = text_width(fitted(ref.kind, KIND_SIZE, MAX_WIDTH - TEXT_LEFT - TEXT_RIGHT), KIND_SIZE)
    has_kind = not ref.is_outside or ref.kind == OUTSIDE
    inner = max(width, kind) if has_kind else width + 16
    return Size(
        math.ceil(min(max(inner + TEXT_LEFT + TEXT_RIGHT, MIN_WIDTH), MAX_WIDTH * BOLD + 16)),
        NODE_HEIGHT if has_kind else OUTSIDE_HEIGHT,
    )


def label(ref: NodeRef) -> str:
    """Return what a node is called."""
    return ref.name or "?"


def _within(links: Weights, spaces: Sequence[str]) -> dict[str, dict[tuple[int, int], int]]:
    """Return the links inside of each namespace."""
    found: dict[str, dict[tuple[int, int], int]] = {}
    for (client, target), number in links.items():
        if spaces[client] == spaces[target]:
            found.setdefault(spaces[client], {})[client, target] = number
    return found


def _between(links: Weights, spaces: Sequence[str]) -> dict[tuple[str, str], int]:
    """Return the links between islands."""
    pairs: Counter[tuple[str, str]] = Counter()
    for (client, target), number in links.items():
        if spaces[client] != spaces[target]:
            pairs[spaces[client], spaces[target]] += number
    return pairs


def _island(namespace: str) -> NodeRef:
    return NodeRef(namespace, NAMESPACE, namespace)


def _alike(sizes: Mapping[int, Size]) -> dict[int, Size]:
    """Return the sizes of an island's nodes, all as wide as the widest."""
    width = max(size.width for size in sizes.values())
    return {number: Size(width, size.height) for number, size in sizes.items()}


def _inside(members: Mapping[int, Size], links: Weights, known: Mapping[int, Slot]) -> Arrangement[int]:
    """Arrange an island from top to bottom: what comes from its left then reaches each node without crossing others."""
    gap = _LINKED_GAP if links else _LOOSE_GAP
    turned = {number: Size(size.height, size.width) for number, size in members.items()}
    placed = arrange(turned, links, gap=Size(gap.height, gap.width), before=known, aspect=_INNER_ASPECT)
    corners = {number: (y, x) for number, (x, y) in placed.corners.items()}
    return Arrangement(corners, Size(placed.size.height, placed.size.width), placed.slots)


def _of_namespaces(refs: Sequence[NodeRef], links: Weights, known: Mapping[NodeRef, Slot]) -> Layout:
    sizes = {number: node_size(ref) for number, ref in enumerate(refs)}
    last = frozenset(number for number, ref in enumerate(refs) if ref.is_outside)
    old = {number: known[ref] for number, ref in enumerate(refs) if ref in known}
    placed = arrange(sizes, links, gap=_SPACE_GAP, last=last, before=old, aspect=_ASPECT)
    boxes = {
        refs[number]: Box(x + _MARGIN, y + _MARGIN, sizes[number].width, sizes[number].height)
        for number, (x, y) in placed.corners.items()
    }
    slots = {refs[number]: slot for number, slot in placed.slots.items()}
    return Layout(boxes, (), placed.size.width + 2 * _MARGIN, placed.size.height + 2 * _MARGIN, slots)
