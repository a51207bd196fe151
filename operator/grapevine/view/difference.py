"""Two maps → what came, what is gone, what changed; one map at two moments → the same. Pure.

A call is there from when it was first seen until it goes stale: it may be silent for as long as is usual for it
(`graph.ageing`). So a map that was read once tells of the past what its calls remember, when each began and since when
each is silent, and no more: neither evidence nor ports are dated, what retired has left nothing behind, and what was
silent for a while and came back was there all the time. docs/decisions/027-history.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from grapevine.model.timestamp import format_s
from grapevine.view.servicemap import Link, NodeRef, Relation, ServiceMap, service_map

_FORGOTTEN = "calls that went silent over {days} ago may be forgotten, and those are not told as gone"
_BEGINS = "the map begins at {first}: what was there before is told as new"
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Changed:
    """A call that is there before and after, and is not known by the same."""

    before: Link
    after: Link

    @property
    def what(self) -> tuple[str, ...]:
        """Which of its fields are others: `evidence`, `ports`, `state` (declared alone, or seen)."""
        of = _said(self.before), _said(self.after)
        return tuple(name for name, was, is_ in zip(("evidence", "ports", "state"), *of, strict=True) if was != is_)


@dataclass(frozen=True, slots=True)
class Difference:
    """What is otherwise after than before; every tuple in the order of its nodes or ends."""

    came: tuple[NodeRef, ...] = ()
    """Nodes that are there after, and were not before."""
    left: tuple[NodeRef, ...] = ()
    added: tuple[Link, ...] = ()
    """Calls, and who is behind a Service, likewise; as they are known after."""
    gone: tuple[Link, ...] = ()
    """Stale ones with what is known of them after; those that are in no map any more as they were before."""
    changed: tuple[Changed, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether both are the same."""
        return self == Difference()


def compare(before: ServiceMap, after: ServiceMap) -> Difference:
    """Return the difference between two maps, each as it was when it was read."""
    return _difference(map_at(before), map_at(after), after)


def compare_moments(whole: ServiceMap, since_ms: int, until_ms: int | None = None) -> Difference:
    """Return what one map tells of the time between two moments, by default until it was read."""
    return _difference(map_at(whole, since_ms), map_at(whole, until_ms), whole)


def map_at(whole: ServiceMap, at_ms: int | None = None) -> ServiceMap:
    """Return what was there at a moment, as far as the map tells; without one, what is not stale now that it was read.

    What has no time, as that which is declared, is there at all times.
    """
    calls = [link for link in whole.links if link.relation is Relation.CALLS and _is_there(link, at_ms)]
    services = {link.target for link in calls}
    links = [*calls, *(link for link in whole.links if link.relation is Relation.BEHIND and link.client in services)]
    linked = {ref for link in whole.links for ref in (link.client, link.target)}
    return service_map((node for node in whole.nodes if node.ref not in linked), links)


def blind_spots(whole: ServiceMap, since_ms: int, now_ms: int) -> tuple[str, ...]:
    """Return what a person must know of a comparison with `since_ms`: the map's own notes, and how far it reaches."""
    notes = [*whole.notes]
    first_ms, _ = whole.span_ms
    if first_ms > since_ms:
        notes.append(_BEGINS.format(first=format_s(first_ms)))
    if since_ms < now_ms - whole.remembered_ms:
        days = whole.remembered_ms / _DAY_MS
        notes.append(_FORGOTTEN.format(days=f"{days:g} day{'' if days == 1 else 's'}"))
    return tuple(notes)


def _is_there(link: Link, at_ms: int | None) -> bool:
    if at_ms is None:
        return link.state != "stale"
    return link.first_ms <= at_ms and (not link.silent_ms or at_ms <= link.silent_ms)


def _difference(before: ServiceMap, after: ServiceMap, newest: ServiceMap) -> Difference:
    old, new, known = _by_ends(before.links), _by_ends(after.links), _by_ends(newest.links)
    nodes_before, nodes_after = ({node.ref for node in each.nodes} for each in (before, after))
    pairs = (Changed(link, new[ends]) for ends, link in old.items() if ends in new)
    return Difference(
        came=tuple(sorted(nodes_after - nodes_before)),
        left=tuple(sorted(nodes_before - nodes_after)),
        added=tuple(link for ends, link in new.items() if ends not in old),
        gone=tuple(known.get(ends, link) for ends, link in old.items() if ends not in new),
        changed=tuple(pair for pair in pairs if pair.what),
    )


def _by_ends(links: Iterable[Link]) -> dict[tuple[NodeRef, NodeRef, Relation], Link]:
    return {(link.client, link.target, link.relation): link for link in links}


def _said(link: Link) -> tuple[object, ...]:
    return link.evidence, link.ports, link.state == "declared"
