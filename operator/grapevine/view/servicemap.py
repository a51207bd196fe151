"""The map as a graph of nodes and links, whatever it was read from. Everything sorted, so that equal maps are equal.

Names are as they were seen: whoever writes them somewhere escapes them for that place.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, TypeVar

DOMAIN = "Domain"
"""Kind of a name outside the cluster."""
SERVICE = "Service"
NAMESPACE = "Namespace"
"""Kind of a node that stands for all of a namespace."""
OUTSIDE = "Outside"
"""Kind of the node that stands for all that is outside."""

STATES = ("active", "idle", "stale", "declared")
"""Of a link, the most alive first; `declared`: nobody was seen to do it."""


class NodeRef(NamedTuple):
    """Identity of a node. A tuple, for drawing a map compares and hashes them by the hundred thousand."""

    namespace: str
    """Empty for what is outside the cluster."""
    kind: str
    """A workload's kind (empty where an annotation names it), or one of the kinds above, or `SQL`, `AWS`, …"""
    name: str

    @property
    def is_outside(self) -> bool:
        """Whether it is outside the cluster."""
        return not self.namespace

    @property
    def words(self) -> str:
        """What a person calls it: `namespace/name`, outside the cluster the name."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def __str__(self) -> str:
        """Return `namespace/Kind/name`, outside the cluster `/Kind/name`: what the API calls a node."""
        return f"{self.namespace}/{self.kind}/{self.name}"


class Relation(StrEnum):
    """What a link says."""

    CALLS = "calls"
    BEHIND = "behind"
    """The target is one of the workloads behind the Service that the link begins at."""


@dataclass(frozen=True, slots=True)
class Link:
    """One node reaches another, and why that is believed."""

    client: NodeRef
    target: NodeRef
    evidence: tuple[str, ...] = ()
    """As of an edge (`model.edge`); empty where it is declared and was not seen, and for what is behind a Service."""
    confidence: int = 0
    """Percent; 0 where nothing was seen."""
    state: str = "active"
    """One of STATES."""
    first_ms: int = 0
    last_ms: int = 0
    """0 where nothing was seen."""
    count: int = 0
    """Look-ups, at least; connections where there was no look-up."""
    ports: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    """What was asked for."""
    sources: tuple[str, ...] = ()
    """What heard it."""
    relation: Relation = Relation.CALLS
    share: int | None = None
    """Of what is behind a Service: its part of one client's use of that, in percent; None where nothing tells."""
    stands_for: int = 1
    """How many calls of the whole map it is."""
    silent_ms: int = 0
    """Of what is stale: when it had not been seen for longer than is usual for it, at the earliest, for time in which
    nobody could hear it may lie in between; 0 for all else."""

    @property
    def is_connected(self) -> bool:
        """Whether a connection was seen, and not only a look-up."""
        return "connection" in self.evidence


@dataclass(frozen=True, slots=True)
class Node:
    """One thing of the map."""

    ref: NodeRef
    stands_for: int = 1
    """How many nodes of the whole map it is."""
    dead: int = 0
    """Names it asks for that never resolved."""


@dataclass(frozen=True)
class ServiceMap:
    """All of it, or a part."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    notes: tuple[str, ...] = ()
    """What a person must know who looks at it: that something is left out, or joined."""
    remembered_ms: int = 0
    """How long, at least, what has gone silent is still in it, as stale; 0 where nothing tells."""

    @cached_property
    def outgoing(self) -> Mapping[NodeRef, tuple[Link, ...]]:
        """Links by client; nothing for a node without any."""
        return _grouped((link.client, link) for link in self.links)

    @cached_property
    def incoming(self) -> Mapping[NodeRef, tuple[Link, ...]]:
        """Links by target."""
        return _grouped((link.target, link) for link in self.links)

    @property
    def calls(self) -> int:
        """How many calls of the whole map its links are."""
        return sum(link.stands_for for link in self.links if link.relation is Relation.CALLS)

    @property
    def span_ms(self) -> tuple[int, int]:
        """First and last time anything of it was seen; zeros where nothing was."""
        seen = [link for link in self.links if link.last_ms]
        return min((each.first_ms for each in seen), default=0), max((each.last_ms for each in seen), default=0)


def service_map(nodes: Iterable[Node], links: Iterable[Link], notes: Iterable[str] = ()) -> ServiceMap:
    """Return a map of these, with a node for each end of a link; links between the same two joined."""
    known = {node.ref: node for node in nodes}
    alike: dict[tuple[NodeRef, NodeRef, Relation], list[Link]] = {}
    for link in links:
        alike.setdefault((link.client, link.target, link.relation), []).append(link)
    for client, target, _ in alike:
        for ref in (client, target):
            if ref not in known:
                known[ref] = Node(ref)
    ordered = sorted(alike, key=lambda key: (key[0], key[1], key[2].value))
    return ServiceMap(
        tuple(known[ref] for ref in sorted(known)),
        tuple(alike[key][0] if len(alike[key]) == 1 else join(alike[key]) for key in ordered),
        tuple(dict.fromkeys(notes)),
    )


def join(links: Sequence[Link], client: NodeRef | None = None, target: NodeRef | None = None) -> Link:
    """Return what links of one relation say together: the surest one's confidence, the liveliest one's state.

    The ends are those of the first, where no others are given.
    """
    silent = [each.silent_ms for each in links]
    return Link(
        client=client or links[0].client,
        target=target or links[0].target,
        evidence=_union(each.evidence for each in links),
        confidence=max(each.confidence for each in links),
        state=min((each.state for each in links), key=STATES.index),
        first_ms=min((each.first_ms for each in links if each.last_ms), default=0),
        last_ms=max(each.last_ms for each in links),
        count=sum(each.count for each in links),
        ports=_union(each.ports for each in links),
        names=_union(each.names for each in links),
        sources=_union(each.sources for each in links),
        relation=links[0].relation,
        share=max((each.share for each in links if each.share is not None), default=None),
        stands_for=sum(each.stands_for for each in links),
        silent_ms=max(silent) if all(silent) else 0,
    )


_Item = TypeVar("_Item", str, int)


def _union(parts: Iterable[tuple[_Item, ...]]) -> tuple[_Item, ...]:
    return tuple(sorted({item for part in parts for item in part}))


def _grouped(pairs: Iterable[tuple[NodeRef, Link]]) -> dict[NodeRef, tuple[Link, ...]]:
    found: dict[NodeRef, list[Link]] = {}
    for ref, link in pairs:
        found.setdefault(ref, []).append(link)
    return {ref: tuple(links) for ref, links in found.items()}
