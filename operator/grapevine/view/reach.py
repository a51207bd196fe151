"""Blast radius: what a workload that was taken over can reach, and whom one that is down may hit.

Chains of calls that were seen, each with its evidence. What is reached is not what is broken: whether a caller lives
without what it calls, and whether a callee lets anybody do harm, is not in DNS.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from grapevine.view.cycles import components
from grapevine.view.servicemap import Link, NodeRef, Relation, ServiceMap

MAX_DEPTH = 100


class Cause(StrEnum):
    """What happens to a workload."""

    COMPROMISED = "compromised"
    """Follow calls: what it can reach."""
    DOWN = "down"
    """Follow callers: whom it may hit."""


@dataclass(frozen=True, slots=True)
class Reached:
    """One node of a blast radius."""

    ref: NodeRef
    sure: float
    """Percent: the product of its calls' confidences, as if they were independent; 0 where one is only declared."""
    calls: int
    """How many calls away it is, by its surest chain."""
    chain: tuple[Link, ...]
    """The surest chain, from caller to callee; links of what is behind a Service among them."""

    @property
    def is_partial(self) -> bool:
        """Whether the chain goes through a Service with other workloads behind it too."""
        return any(link.relation is Relation.BEHIND for link in self.chain)


@dataclass(frozen=True, slots=True)
class Blast:
    """What one workload reaches."""

    root: NodeRef
    cause: Cause
    reached: tuple[Reached, ...]
    """The surest first, then the nearest, then what is whole before what is partial, then by name."""
    circle: tuple[NodeRef, ...]
    """What it calls in a circle with: each of these reaches it, and it each of them."""


@dataclass(frozen=True, slots=True)
class _State:
    sure: float
    calls: int
    link: Link | None = None
    before: "_State | None" = None


def blast(found: ServiceMap, root: NodeRef, cause: Cause, *, depth: int = MAX_DEPTH, min_confidence: int = 0) -> Blast:
    """Return what is reached in at most `depth` calls that are each at least so sure. O(depth · links).

    A Service and who is behind it are one call away from its caller.
    """
    steps = _steps(found, cause, min_confidence)
    best = {root: _State(100.0, 0)}
    edge = [root]
    for _ in range(depth):
        edge = _step(edge, steps, best)
        if not edge:
            break
    reached = [_reached(ref, state, cause) for ref, state in best.items() if ref != root]
    reached = [each for each in reached if each.calls]
    reached.sort(key=lambda each: (-each.sure, each.calls, each.is_partial, each.ref))
    return Blast(root, cause, tuple(reached), _circle(found, root, min_confidence))


def _step(edge: Iterable[NodeRef], steps: Mapping[NodeRef, list[Link]], best: dict[NodeRef, _State]) -> list[NodeRef]:
    """Go one call on from `edge`, and from Services to who is behind them; return what is reached more surely now.

    In the order of the links: of chains that are as sure, the same one is told every time.
    """
    news: dict[NodeRef, None] = {}
    start = {ref: best[ref] for ref in _beside(edge, steps, best)}
    for ref, state in start.items():
        for link in steps.get(ref, ()):
            if link.relation is Relation.CALLS:
                sure = state.sure * link.confidence / 100
                other = link.target if link.client == ref else link.client
                known = best.get(other)
                if known is None or sure > known.sure:
                    best[other] = _State(sure, state.calls + 1, link, state)
                    news[other] = None
    return _beside(news, steps, best)


def _beside(refs: Iterable[NodeRef], steps: Mapping[NodeRef, list[Link]], best: dict[NodeRef, _State]) -> list[NodeRef]:
    """Return these, with what is the same call away: who is behind a Service, or the Service one is behind."""
    found = dict.fromkeys(refs)
    for ref in refs:
        state = best[ref]
        for link in steps.get(ref, ()):
            if link.relation is Relation.BEHIND:
                other = link.target if link.client == ref else link.client
                known = best.get(other)
                if known is None or state.sure > known.sure:
                    best[other] = _State(state.sure, state.calls, link, state)
                    found[other] = None
    return list(found)


def _steps(found: ServiceMap, cause: Cause, min_confidence: int) -> dict[NodeRef, list[Link]]:
    """Return the links by the node they are followed from."""
    steps: dict[NodeRef, list[Link]] = {}
    for link in found.links:
        if link.relation is Relation.BEHIND or link.confidence >= min_confidence:
            steps.setdefault(link.client if cause is Cause.COMPROMISED else link.target, []).append(link)
    return steps


def _reached(ref: NodeRef, state: _State, cause: Cause) -> Reached:
    chain = list(_chain(state))
    if cause is Cause.COMPROMISED:
        chain.reverse()
    return Reached(ref, round(state.sure, 1), state.calls, tuple(chain))


def _chain(state: _State) -> Iterator[Link]:
    while state.link is not None and state.before is not None:
        yield state.link
        state = state.before


def _circle(found: ServiceMap, root: NodeRef, min_confidence: int) -> tuple[NodeRef, ...]:
    refs = [node.ref for node in found.nodes]
    number_of = {ref: number for number, ref in enumerate(refs)}
    following: list[list[int]] = [[] for _ in refs]
    for link in found.links:
        if link.relation is Relation.BEHIND or link.confidence >= min_confidence:
            following[number_of[link.client]].append(number_of[link.target])
    home = next((each for each in components(range(len(refs)), following) if number_of[root] in each), [])
    return tuple(sorted(refs[number] for number in home if refs[number] != root))
