"""Which workloads matter most: by how much depends on them, and by how much of the map tracing them would show."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grapevine.view.cycles import components
from grapevine.view.servicemap import SERVICE, Link, NodeRef, Relation, ServiceMap


@dataclass(frozen=True, slots=True)
class Dependence:
    """How much depends on one node."""

    ref: NodeRef
    callers: int
    """That call it."""
    dependents: int
    """That reach it in any number of calls."""
    namespaces: int
    """Of these."""


@dataclass(frozen=True, slots=True)
class TracingStep:
    """One workload to instrument, after those before it."""

    ref: NodeRef
    callers: int
    callees: int
    between: int
    """Pairs of one that reaches it and one that it reaches: how many ways go through it, at most."""
    adds: int
    """Calls it has a part in, and none of those before it."""
    shows: float
    """Percent of all calls that one of it and those before it has a part in."""


def dependences(found: ServiceMap, min_confidence: int = 0) -> list[Dependence]:
    """Return every node that is called, by how much depends on it, the most first.

    A workload that is one of several behind a Service is no single point: the Service is ranked, and not it for it.
    O(links · nodes / 64).
    """
    links = _calls(found, min_confidence)
    graph = _Graph(found, links)
    callers = graph.before
    ranked = []
    for number, ref in enumerate(graph.refs):
        direct = len(set(graph.callers[number]))
        if direct:
            spaces = {graph.refs[each].namespace for each in _numbers(callers[number])}
            ranked.append(Dependence(ref, direct, callers[number].bit_count(), len(spaces)))
    return sorted(ranked, key=lambda each: (-each.dependents, -each.callers, each.ref))


def tracing_steps(found: ServiceMap, min_confidence: int = 0) -> list[TracingStep]:
    """Return workloads in the order in which instrumenting them shows the most calls, until all are shown that can be.

    A call is shown by a span at either end. Only workloads can be instrumented. Greedy, which for coverage is at least
    63 % of the best. Source: Nemhauser, Wolsey, Fisher, 1978.
    """
    links = _calls(found, min_confidence)
    graph = _Graph(found, links)
    incident: dict[int, set[int]] = {}
    for index, link in enumerate(links):
        for end in (link.client, link.target):
            if not end.is_outside and end.kind != SERVICE:
                incident.setdefault(graph.number_of[end], set()).add(index)
    between = {
        number: graph.before[number].bit_count() * graph.after[number].bit_count() for number in sorted(incident)
    }
    queue = [(-len(calls), -between[number], number) for number, calls in incident.items()]
    heapq.heapify(queue)
    shown: set[int] = set()
    steps = []
    while queue:
        claimed, tie, number = heapq.heappop(queue)
        adds = len(incident[number] - shown)
        if not adds:
            continue
        if adds < -claimed:
            heapq.heappush(queue, (-adds, tie, number))
            continue
        shown |= incident[number]
        direct, called = len(set(graph.callers[number])), len(set(graph.callees[number]))
        share = round(100 * len(shown) / len(links), 1)
        steps.append(TracingStep(graph.refs[number], direct, called, between[number], adds, share))
    return steps


def _calls(found: ServiceMap, min_confidence: int) -> list[Link]:
    return [link for link in found.links if link.relation is Relation.CALLS and link.confidence >= min_confidence]


class _Graph:
    """Calls between numbered nodes, and for each the sets of what reaches it and what it reaches, as bits."""

    def __init__(self, found: ServiceMap, links: Iterable[Link]) -> None:
        self.refs = [node.ref for node in found.nodes]
        self.number_of = {ref: number for number, ref in enumerate(self.refs)}
        self.callees: list[list[int]] = [[] for _ in self.refs]
        self.callers: list[list[int]] = [[] for _ in self.refs]
        for link in links:
            one, other = self.number_of[link.client], self.number_of[link.target]
            self.callees[one].append(other)
            self.callers[other].append(one)
        found_components = components(range(len(self.refs)), self.callees)
        self.after = _closure(found_components, self.callees)
        self.before = _closure(found_components[::-1], self.callers)


def _closure(ordered: Sequence[Sequence[int]], following: Sequence[Sequence[int]]) -> list[int]:
    """Return of each node the bits of what it leads to, without itself; `ordered` has what is led to first."""
    bits = [0] * len(following)
    for component in ordered:
        whole = 0
        for number in component:
            whole |= 1 << number
            for other in following[number]:
                whole |= bits[other] | 1 << other
        for number in component:
            bits[number] = whole
    return [each & ~(1 << number) for number, each in enumerate(bits)]


def _numbers(bits: int) -> Iterable[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low
