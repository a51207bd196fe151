"""The line of each link between two placed nodes: ends spread along the nodes' sides, nodes in between not crossed."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from grapevine.view.layout import Box
from grapevine.view.servicemap import Link, NodeRef, Relation

ARROW = 7.0
"""Length of an arrow's head; the curve ends where it begins."""
MAX_AROUND = 1_500
"""Links that are led around nodes; where there are more, lines are too many to be followed anyhow."""
_INSET = 10.0
"""Of the corners of a node's side, where no link begins."""
_MAX_SPREAD = 9.0
"""Between two links at one side."""
_NEAR = 70.0
"""Two nodes one above the other with no more between them are linked straight."""
_CLEAR = 8.0
"""Room a link leaves around a node; half of a gap."""
_LANE = 4.0
_LANES = 3
"""Links that pass a node at one side beside each other, LANE apart; more share a lane."""
_ROUNDS = 4
_MAX_BEND = 240.0

Point = tuple[float, float]
RIGHT, LEFT, BOTTOM, TOP = (1, 0), (-1, 0), (0, 1), (0, -1)
Side = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Route:
    """A line of cubic curves, and an arrow's head."""

    start: Point
    curves: tuple[tuple[Point, Point, Point], ...]
    """Two control points and the end, of each."""
    tip: Point
    """Of the arrow, ARROW beyond the last end; the end itself where there is no head."""


def routes(links: Sequence[Link], boxes: Mapping[NodeRef, Box]) -> list[Route]:
    """Return the line of each link, in their order."""
    sides = [_sides(link, boxes) for link in links]
    ports: dict[tuple[NodeRef, Side], list[tuple[float, int, bool]]] = {}
    for number, (link, (leaves, enters)) in enumerate(zip(links, sides, strict=True)):
        one, other = boxes[link.client], boxes[link.target]
        ports.setdefault((link.client, leaves), []).append((_along(other, leaves), number, True))
        ports.setdefault((link.target, enters), []).append((_along(one, enters), number, False))
    points: dict[tuple[int, bool], Point] = {}
    for (ref, side), ends in ports.items():
        for index, (_, number, is_start) in enumerate(sorted(ends)):
            points[number, is_start] = _port(boxes[ref], side, index, len(ends))
    obstacles = _Obstacles(boxes.values() if len(links) <= MAX_AROUND else ())
    return [
        _route(points[n, True], points[n, False], *sides[n], ARROW if has_head(link) else 0.0, obstacles)
        for n, link in enumerate(links)
    ]


def has_head(link: Link) -> bool:
    """Whether a link has an arrow's head: who is behind a Service is not called by it."""
    return link.relation is Relation.CALLS


def _sides(link: Link, boxes: Mapping[NodeRef, Box]) -> tuple[Side, Side]:
    """Return the side a link leaves at, and the side it arrives at."""
    one, other = boxes[link.client], boxes[link.target]
    if link.client.namespace == link.target.namespace:
        down, up = other.y - one.bottom, one.y - other.bottom
        if 0 <= down <= _NEAR:
            return BOTTOM, TOP
        if 0 <= up <= _NEAR:
            return TOP, BOTTOM
    if other.x >= one.right:
        return RIGHT, LEFT
    if one.x >= other.right:
        return LEFT, RIGHT
    return RIGHT, RIGHT


def _along(box: Box, side: Side) -> float:
    """Return where a node is in the order of the ends at another's side."""
    return box.middle if side[0] else box.x + box.width / 2


def _port(box: Box, side: Side, index: int, number: int) -> Point:
    length = (box.height if side[0] else box.width) - 2 * _INSET
    step = min(_MAX_SPREAD if side[0] else 2 * _MAX_SPREAD, length / max(number - 1, 1))
    shift = (index - (number - 1) / 2) * step
    if side[0]:
        return (box.right if side == RIGHT else box.x), round(box.middle + shift, 1)
    return round(box.x + box.width / 2 + shift, 1), (box.bottom if side == BOTTOM else box.y)


def _route(start: Point, tip: Point, leaves: Side, enters: Side, head: float, obstacles: "_Obstacles") -> Route:
    end = (tip[0] + enters[0] * head, tip[1] + enters[1] * head)
    if leaves == enters:  # one above the other, around the right
        bend = round(30.0 + 0.08 * abs(end[1] - start[1]))
        return Route(start, (((start[0] + bend, start[1]), (end[0] + bend, end[1]), end),), tip)
    if leaves[1]:
        bend = round(max(14.0, abs(end[1] - start[1]) / 2))
        first = (start[0], start[1] + leaves[1] * bend)
        return Route(start, ((first, (end[0], end[1] + enters[1] * bend), end),), tip)
    points = [start, *_around(start, end, leaves[0], obstacles), end]
    return Route(start, tuple(map(_span, points, points[1:])), tip)


def _span(one: Point, other: Point) -> tuple[Point, Point, Point]:
    """Return a curve that begins and ends level."""
    bend = (other[0] - one[0]) / 2
    if abs(bend) > _MAX_BEND:
        bend = math.copysign(_MAX_BEND, bend)
    return (one[0] + bend, one[1]), (other[0] - bend, other[1]), other


def _around(start: Point, end: Point, direction: int, obstacles: "_Obstacles") -> list[Point]:
    """Return points that lead a line past the nodes in its way, in its direction."""
    line = [start, end]
    is_clear = [False]  # of each span, whether it is known to touch nothing
    at = 0
    for _ in range(_ROUNDS):
        while is_clear[at] or (box := obstacles.first(line[at], line[at + 1], direction)) is None:
            at += 1
            if at == len(is_clear):
                return line[1:-1]
        middle_y = _height(line[at], line[at + 1], box.x + box.width / 2)
        y = obstacles.free(box, middle_y)
        near, far = (box.x, box.right) if direction > 0 else (box.right, box.x)
        line[at + 1 : at + 1] = [(near - direction * 2, y), (far + direction * 2, y)]
        is_clear[at : at + 1] = [False, True, False]
    return line[1:-1]


def _height(one: Point, other: Point, x: float) -> float:
    """Return about how high `_span` is at `x`."""
    share = (x - one[0]) / ((other[0] - one[0]) or 1.0)
    share = 0.0 if share < 0 else 1.0 if share > 1 else share
    return one[1] + (other[1] - one[1]) * share * share * (3 - 2 * share)


class _Column:
    """Nodes that stand exactly one above the other, from top to bottom.

    What lies between them is more than twice the room a link leaves, so that a line is too near to one of them at most.
    """

    def __init__(self, boxes: list[Box]) -> None:
        self.boxes = sorted(boxes, key=lambda box: box.y)
        self.left, self.right = self.boxes[0].x, self.boxes[0].right
        self.middle = (self.left + self.right) / 2
        self.lows = [box.y - _CLEAR + 1 for box in self.boxes]
        """From where on a line would be too near."""
        self.highs = [box.bottom + _CLEAR - 1 for box in self.boxes]

    def touched(self, one: Point, other: Point) -> Box | None:
        """Return a node that the curve between two points, left and right of all of them, would touch, or nearly."""
        top, bottom = (one[1], other[1]) if one[1] < other[1] else (other[1], one[1])
        if bisect_right(self.highs, top) >= bisect_left(self.lows, bottom):
            return None
        for x in (self.left, self.middle, self.right):
            y = _height(one, other, x)
            at = bisect_left(self.lows, y) - 1
            if at >= 0 and y < self.highs[at]:
                return self.boxes[at]
        return None


class _Obstacles:
    """Nodes by where they are from left to right."""

    def __init__(self, boxes: Iterable[Box]) -> None:
        columns: dict[tuple[float, float], list[Box]] = {}
        for box in boxes:
            columns.setdefault((box.x, box.right), []).append(box)
        self._columns = [_Column(columns[key]) for key in sorted(columns)]
        self._lefts = [column.left for column in self._columns]
        self._lanes: dict[tuple[float, float], int] = {}
        self._open: dict[tuple[float, float], list[tuple[float, float]]] = {}

    def first(self, one: Point, other: Point, direction: int) -> Box | None:
        """Return the first node between two points, in the direction, that a level curve would touch, or nearly."""
        low_x, high_x = (one[0] + 1, other[0] - 1) if one[0] < other[0] else (other[0] + 1, one[0] - 1)
        between = self._columns[bisect_left(self._lefts, low_x) : bisect_right(self._lefts, high_x)]
        for column in between if direction > 0 else reversed(between):
            if column.right <= high_x and (box := column.touched(one, other)):
                return box
        return None

    def free(self, box: Box, wished: float) -> float:
        """Return the height nearest to the wished one where a node, and those above and below it, can be passed.

        The next that passes there is led a little beside.
        """
        key = (box.x, box.right)
        if key not in self._open:
            self._open[key] = self._gaps(box)
        gaps = self._open[key]
        below = bisect_left(gaps, (wished,))
        low, high = gaps[min(below, len(gaps) - 1)]
        if below and wished - gaps[below - 1][1] <= low - wished:
            low, high = gaps[below - 1]
        is_above = wished <= low
        lanes = min(_LANES, 1 + int((high - low) / _LANE))
        lane = (box.x, low if is_above else high)
        taken = self._lanes[lane] = self._lanes.get(lane, -1) + 1
        shift = _LANE * (taken % lanes)
        return low + shift if is_above else high - shift

    def _gaps(self, box: Box) -> list[tuple[float, float]]:
        """Return from where to where a line can pass the nodes above, at and below one, from top to bottom."""
        beside = (column for column in self._columns if column.left < box.right and column.right > box.x)
        near = {(each.y - _CLEAR, each.bottom + _CLEAR) for column in beside for each in column.boxes}
        gaps = []
        end = -math.inf
        for top, bottom in sorted(near):
            if top >= end:
                gaps.append((max(end, top - _LANE * _LANES), top) if end > -math.inf else (top - _LANE * _LANES, top))
            end = max(end, bottom)
        return [*gaps, (end, end + _LANE * _LANES)]
