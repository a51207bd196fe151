"""Things of a size and links between them → columns from left to right, callers before callees.

Cycles are condensed, a component's depth is the longest way to it, the order in a column follows neighbours
(Sugiyama, Tagawa, Toda, "Methods for visual understanding of hierarchical system structures", 1981), with bounds: no
column is higher than it should be, however much stands in one layer.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from grapevine.view.cycles import components

K = TypeVar("K")
Neighbours = list[list[tuple[int, int]]]
"""Of each thing, by its number: another's number, and a weight."""

_SWEEPS = 4
"""Times that the order is improved, there and back; more change little."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height, in pixels."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a thing stands among the others, without measures: what the next arrangement keeps."""

    layer: int
    rank: float
    """Order in the layer."""


@dataclass(frozen=True, slots=True)
class Arrangement(Generic[K]):
    """Where each thing stands: its upper left corner, from 0, 0."""

    corners: Mapping[K, tuple[float, float]]
    size: Size
    slots: Mapping[K, Slot]


def arrange(
    sizes: Mapping[K, Size],
    links: Mapping[tuple[K, K], int],
    *,
    gap: Size,
    aspect: float = 1.5,
    last: frozenset[K] = frozenset(),
    before: Mapping[K, Slot] | None = None,
) -> Arrangement[K]:
    """Place the things, which are sorted; `links` have weights, and those of a thing to itself count nothing.

    `gap` lies between columns and rows; `aspect` is width by height as wished for; `last` stand behind all others.
    What `before` knows keeps its layer and its order among the others that it knows, so that little moves.
    O((things + links) · log), without a random number.
    """
    keys = list(sizes)
    number_of = {key: number for number, key in enumerate(keys)}
    following: list[list[int]] = [[] for _ in keys]
    neighbours: Neighbours = [[] for _ in keys]
    for (first, second), weight in links.items():
        one, other = number_of[first], number_of[second]
        if one != other:
            following[one].append(other)
            neighbours[one].append((other, weight))
            neighbours[other].append((one, weight))
    known = {number_of[key]: slot for key, slot in (before or {}).items() if key in number_of}
    layer_of = _layers(following, [number_of[key] for key in keys if key in last])
    for number, slot in known.items():
        layer_of[number] = slot.layer
    layers = _ordered(layer_of, neighbours, known)
    extents = list(sizes.values())
    columns = _columns(layers, extents, gap, aspect)
    corners, size = _measured(columns, extents, neighbours, gap)
    slots = {keys[number]: Slot(layer_of[number], rank) for layer in layers for rank, number in enumerate(layer)}
    return Arrangement({key: corners[number] for key, number in number_of.items()}, size, slots)


def _layers(following: Sequence[Sequence[int]], last: Sequence[int]) -> list[int]:
    """Return the layer of each thing: callers before callees, in a circle by the number of calls from its entry."""
    found = components(range(len(following)), following)
    home = [0] * len(following)
    for number, component in enumerate(found):
        for key in component:
            home[key] = number
    inner = [0] * len(following)
    depth: list[int] = []
    for component in found:
        steps = _steps(component, following, home)
        for key, step in steps.items():
            inner[key] = step
        depth.append(max(steps.values()) + 1)
    start = [0] * len(found)
    for number in reversed(range(len(found))):  # callers first
        for key in found[number]:
            for other in following[key]:
                if home[other] != number:
                    start[home[other]] = max(start[home[other]], start[number] + depth[number])
    _pull(found, following, home, start, depth)
    layer_of = [start[home[key]] + step for key, step in enumerate(inner)]
    behind = set(last)
    end = max((layer for key, layer in enumerate(layer_of) if key not in behind), default=-1) + 1
    for key in behind:
        layer_of[key] = end
    return layer_of


def _pull(
    found: Sequence[Sequence[int]],
    following: Sequence[Sequence[int]],
    home: Sequence[int],
    start: list[int],
    depth: Sequence[int],
) -> None:
    """Move what nobody calls next to what it calls, so that no link is longer than it must be."""
    called = {home[other] for key, others in enumerate(following) for other in others if home[other] != home[key]}
    for number, component in enumerate(found):
        after = [start[home[other]] for key in component for other in following[key] if home[other] != number]
        if after and number not in called:
            start[number] = max(start[number], min(after) - depth[number])


def _steps(component: Sequence[int], following: Sequence[Sequence[int]], home: Sequence[int]) -> dict[int, int]:
    """Return how many calls each member of a circle is from the one that calls the most others in it."""
    if len(component) == 1:
        return {component[0]: 0}
    number = home[component[0]]
    members = sorted(component)
    entry = max(members, key=lambda key: sum(home[other] == number for other in following[key]))
    steps = {entry: 0}
    queue = [entry]
    for key in queue:
        for other in following[key]:
            if home[other] == number and other not in steps:
                steps[other] = steps[key] + 1
                queue.append(other)
    return steps


def _ordered(layer_of: Sequence[int], neighbours: Neighbours, known: Mapping[int, Slot]) -> list[list[int]]:
    """Return the things by layer, in an order that keeps links short; empty layers are left out."""
    by_number: dict[int, list[int]] = {}
    for key, number in enumerate(layer_of):
        by_number.setdefault(number, []).append(key)
    layers = [by_number[number] for number in sorted(by_number)]
    rank = [0.0] * len(layer_of)
    for layer in layers:
        _number(layer, rank)
    if known:
        return [_inserted(layer, known, neighbours, rank) for layer in layers]
    for sweep in range(2 * _SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            _sort(layer, neighbours, rank)
    return layers


def _sort(layer: list[int], neighbours: Neighbours, rank: list[float]) -> None:
    """Order a layer by where each thing's neighbours stand; what has none stays where it is."""
    if len(layer) == 1:
        return
    pull = {}
    for key in layer:
        total = weights = 0.0
        for other, weight in neighbours[key]:
            total += rank[other] * weight
            weights += weight
        pull[key] = total / weights if weights else rank[key]
    layer.sort(key=pull.__getitem__)
    _number(layer, rank)


def _number(layer: Sequence[int], rank: list[float]) -> None:
    """Set where each thing of a layer stands, from 0 to 1."""
    for index, key in enumerate(layer):
        rank[key] = (index + 0.5) / len(layer)


def _inserted(layer: list[int], known: Mapping[int, Slot], neighbours: Neighbours, rank: Sequence[float]) -> list[int]:
    """Return a layer with the known in their old order, and each new thing where its neighbours are."""
    old = sorted((key for key in layer if key in known), key=lambda key: known[key].rank)
    share = {key: (index + 0.5) / len(old) for index, key in enumerate(old)}

    def place(key: int) -> float:
        if key in share:
            return share[key]
        weights = sum(weight for _, weight in neighbours[key])
        return sum(rank[other] * weight for other, weight in neighbours[key]) / weights if weights else 1.0

    return sorted([*old, *(key for key in layer if key not in known)], key=place)


def _columns(layers: Iterable[Sequence[int]], sizes: Sequence[Size], gap: Size, aspect: float) -> list[list[list[int]]]:
    """Return of each layer its columns, none higher than what makes the whole about as wide as wished for."""
    area = sum((size.width + gap.width) * (size.height + gap.height) for size in sizes)
    tallest = max((size.height for size in sizes), default=0.0)
    most = max(tallest, math.sqrt(area / aspect)) * 1.15
    found = []
    for layer in layers:
        total = sum(sizes[key].height + gap.height for key in layer)
        wanted = math.ceil(total / (most + gap.height)) if total > most + gap.height else 1
        limit = total / wanted
        columns: list[list[int]] = [[]]
        height = 0.0
        for key in layer:
            step = sizes[key].height + gap.height
            if columns[-1] and height + step / 2 > limit:
                columns.append([])
                height = 0.0
            columns[-1].append(key)
            height += step
        found.append(columns)
    return found


def _measured(
    layers: Sequence[Sequence[Sequence[int]]], sizes: Sequence[Size], neighbours: Neighbours, gap: Size
) -> tuple[list[tuple[float, float]], Size]:
    """Return the corners: columns side by side, each thing near its neighbours as far as the others leave room."""
    columns = [column for layer in layers for column in layer]
    height = max((_height(column, sizes, gap) for column in columns), default=0.0)
    tops = [0.0] * len(sizes)
    lefts = [0.0] * len(sizes)
    x = 0.0
    for column in columns:
        width = max(sizes[key].width for key in column)
        y = (height - _height(column, sizes, gap)) / 2
        for key in column:
            lefts[key] = x + (width - sizes[key].width) / 2
            tops[key] = y
            y += sizes[key].height + gap.height
        x += width + gap.width
    for ordered in (columns, list(reversed(columns))):
        for column in ordered:
            _settle(column, tops, sizes, neighbours, gap.height, height)
    corners = [(float(round(left)), float(round(top))) for left, top in zip(lefts, tops, strict=True)]
    return corners, Size(max(x - gap.width, 0.0), height)


def _height(column: Sequence[int], sizes: Sequence[Size], gap: Size) -> float:
    return sum(sizes[key].height for key in column) + gap.height * max(len(column) - 1, 0)


def _settle(
    column: Sequence[int],
    tops: list[float],
    sizes: Sequence[Size],
    neighbours: Neighbours,
    gap: float,
    height: float,
) -> None:
    """Move the things of a column towards their neighbours, in their order and within the height."""
    room = height - sum(sizes[key].height for key in column) - gap * (len(column) - 1)
    if room <= 0:
        return
    floor = 0.0
    below = sum(sizes[key].height + gap for key in column) - gap
    for key in column:
        near = neighbours[key]
        weights = sum(weight for _, weight in near)
        middle = sum((tops[other] + sizes[other].height / 2) * weight for other, weight in near)
        wished = middle / weights - sizes[key].height / 2 if weights else tops[key]
        tops[key] = min(max(wished, floor), height - below)
        floor = tops[key] + sizes[key].height + gap
        below -= sizes[key].height + gap
