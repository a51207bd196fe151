"""Which part of the map a person asked for, and what is drawn as one where it would be too much."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from grapevine.intents.selection import Selection, WorkloadPattern, parse_pattern
from grapevine.model.workload import WorkloadRef
from grapevine.view.legend import line_of
from grapevine.view.servicemap import NAMESPACE, OUTSIDE, Link, Node, NodeRef, Relation, ServiceMap, join, service_map

MAX_NODES = 600
"""Most nodes that are drawn one by one."""
MAX_LINKS = 4_000
"""Most links that are drawn one by one."""
MAX_OUTSIDE = 12
"""Most names outside the cluster that are drawn one by one."""


@dataclass(frozen=True, slots=True)
class Part:
    """What was asked for; the default is everything."""

    namespaces: tuple[str, ...] = ()
    """Links with either end in one of them."""
    focus: tuple[NodeRef, ...] = ()
    """These nodes, with all that leads to them and from them in `depth` calls."""
    depth: int = 1
    since_ms: int = 0
    """Seen at or after."""
    new_since_ms: int = 0
    """Seen for the first time at or after."""
    kinds: frozenset[str] = frozenset()
    """Links with an end of one of these kinds, `kind_of` it; empty for all."""
    min_confidence: int = 0
    states: frozenset[str] = frozenset()
    """Empty for all."""
    lines: frozenset[str] = frozenset()
    """How links are drawn (`legend`), which is what they were seen by; empty for all."""
    outside_only: bool = False
    search: str = ""
    """A part of a name of either end, or of a name asked for."""

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self == Part(depth=self.depth)


def part_of(whole: ServiceMap, part: Part) -> ServiceMap:
    """Return what was asked for: such links, and their ends. Nodes without links stay only where all was asked for.

    What is behind a Service stays with the Service.
    """
    if part.is_all:
        return whole
    kept = _calls(whole.links)
    for is_in in _conditions(part):
        kept = [link for link in kept if is_in(link)]
    focused = set(part.focus)
    if focused:
        kept = _around(kept, _behind(whole.links), focused, part.depth)
    return _with_ends(whole, kept, focused)


def _with_ends(whole: ServiceMap, calls: Iterable[Link], more: set[NodeRef]) -> ServiceMap:
    """Return these calls with who is behind the Services they go to, the nodes of both, and more nodes."""
    kept = [*calls]
    services = {link.target for link in kept}
    kept += [link for link in _behind(whole.links) if link.client in services]
    ends = more | {ref for link in kept for ref in (link.client, link.target)}
    return service_map((node for node in whole.nodes if node.ref in ends), kept, whole.notes)


def calls_selected(whole: ServiceMap, selection: Selection) -> ServiceMap:
    """Return the calls that `list` would tell of: by their client, and the target where one is named.

    What is behind a Service stays with the Service.

    Raises:
        PermanentInputError: `selection.server` names nothing that a map can have.
    """
    if selection == Selection():
        return whole
    server = parse_pattern(selection.server, "--server") if selection.server else None
    return _with_ends(whole, [link for link in _calls(whole.links) if _is_selected(link, selection, server)], set())


def _is_selected(link: Link, selection: Selection, server: WorkloadPattern | None) -> bool:
    client = WorkloadRef(link.client.namespace, link.client.kind, link.client.name)
    is_excluded = client.name in selection.excluded or (
        not link.target.is_outside and link.target.name in selection.excluded
    )
    return (
        (not selection.namespaces or client.namespace in selection.namespaces)
        and (selection.client is None or selection.client.matches(client))
        and not is_excluded
        and (server is None or _matches(server, link.target))
    )


def nodes_called(found: ServiceMap, text: str, what: str) -> list[NodeRef]:
    """Return the nodes that a person, or a link of a page, names: by a node's whole identity, or in part.

    Raises:
        PermanentInputError: the text names nothing that a map can have; `what` is named.
    """
    exact = [node.ref for node in found.nodes if str(node.ref) == text]
    if exact:
        return exact
    pattern = parse_pattern(text, what)
    return [node.ref for node in found.nodes if _matches(pattern, node.ref)]


def _matches(pattern: WorkloadPattern, ref: NodeRef) -> bool:
    """Tell whether a pattern names a node; a name outside the cluster is named whole."""
    if ref.is_outside:
        named = f"{pattern.name}.{pattern.namespace}" if pattern.namespace else pattern.name
        return named.lower() == ref.name.lower()
    return (
        pattern.name == ref.name
        and pattern.namespace in ("", ref.namespace)
        and (not pattern.kind or ref.kind in ("", pattern.kind))
    )


def kind_of(ref: NodeRef) -> str:
    """Return what a node is chosen by as its kind: a workload that an annotation names has none of its own."""
    return ref.kind or "workload"


def join_outside(found: ServiceMap, most: int = MAX_OUTSIDE) -> ServiceMap:
    """Return the map with all that is outside as one node, where that is more than `most` names."""
    outside = [node.ref for node in found.nodes if node.ref.is_outside]
    if len(outside) <= most:
        return found
    group = NodeRef("", OUTSIDE, f"{len(outside)} names outside")
    return _joined(found, lambda ref: group if ref.is_outside else ref, ())


def join_namespaces(found: ServiceMap) -> ServiceMap:
    """Return the map with a node for each namespace, and one for all that is outside; calls inside of one are gone."""
    inside = sum(not node.ref.is_outside for node in found.nodes)
    outside = len(found.nodes) - inside
    group = NodeRef("", OUTSIDE, f"{outside} names outside")
    note = f"{inside:,} workloads and Services, drawn by namespace"

    def meant(ref: NodeRef) -> NodeRef:
        return group if ref.is_outside else NodeRef(ref.namespace, NAMESPACE, ref.namespace)

    return _joined(found, meant, (note,))


def drawable(found: ServiceMap, most: int = MAX_NODES, most_outside: int = MAX_OUTSIDE) -> ServiceMap:
    """Return the map as it can be drawn: above `most_outside` names outside as one, above `most` nodes by namespace."""
    if sum(not node.ref.is_outside for node in found.nodes) <= most:
        grouped = join_outside(found, most_outside)
        if len(grouped.nodes) <= most and len(grouped.links) <= MAX_LINKS:
            return grouped
    return join_namespaces(found)


def _joined(found: ServiceMap, meant: Callable[[NodeRef], NodeRef], notes: Iterable[str]) -> ServiceMap:
    sizes: dict[NodeRef, list[Node]] = {}
    for node in found.nodes:
        sizes.setdefault(meant(node.ref), []).append(node)
    nodes = [
        Node(ref, sum(each.stands_for for each in group), sum(each.dead for each in group))
        for ref, group in sizes.items()
    ]
    home = {node.ref: meant(node.ref) for node in found.nodes}
    alike: dict[tuple[NodeRef, NodeRef, Relation], list[Link]] = {}
    for link in found.links:
        client, target = home[link.client], home[link.target]
        if client != target:
            alike.setdefault((client, target, link.relation), []).append(link)
    links = [join(group, client, target) for (client, target, _), group in alike.items()]
    calls = [link for link in links if link.relation is Relation.CALLS]
    drawn = {(link.client, link.target) for link in calls}
    behind = [link for link in links if link.relation is Relation.BEHIND and (link.client, link.target) not in drawn]
    return service_map(nodes, [*calls, *behind], [*found.notes, *notes])


def _conditions(part: Part) -> Iterator[Callable[[Link], bool]]:
    """Give what a call must fulfil, of what was asked for alone: a map has calls by the ten thousand."""
    if part.namespaces:
        yield lambda link: link.client.namespace in part.namespaces or link.target.namespace in part.namespaces
    if part.kinds:
        yield lambda link: kind_of(link.client) in part.kinds or kind_of(link.target) in part.kinds
    if part.since_ms:
        yield lambda link: link.last_ms >= part.since_ms
    if part.new_since_ms:
        yield lambda link: link.first_ms >= part.new_since_ms
    if part.min_confidence:
        yield lambda link: link.confidence >= part.min_confidence
    if part.states:
        yield lambda link: link.state in part.states
    if part.lines:
        yield lambda link: line_of(link) in part.lines
    if part.outside_only:
        yield lambda link: link.target.is_outside
    if part.search:
        text = part.search.lower()
        yield lambda link: _is_found(text, link)


def _is_found(text: str, link: Link) -> bool:
    return any(text in each.lower() for each in (link.client.words, link.target.words, *link.names))


def _calls(links: Iterable[Link]) -> list[Link]:
    return [link for link in links if link.relation is Relation.CALLS]


def _behind(links: Iterable[Link]) -> list[Link]:
    return [link for link in links if link.relation is Relation.BEHIND]


def _around(calls: list[Link], behind: list[Link], focused: set[NodeRef], depth: int) -> list[Link]:
    """Return the calls on ways of at most `depth` calls from and to the nodes in focus; a Service is on the way."""
    kept: dict[tuple[NodeRef, NodeRef], Link] = {}
    for forward in (True, False):
        steps: dict[NodeRef, list[Link]] = {}
        aliases: dict[NodeRef, list[NodeRef]] = {}
        for link in calls:
            steps.setdefault(link.client if forward else link.target, []).append(link)
        for link in behind:
            one, other = (link.client, link.target) if forward else (link.target, link.client)
            aliases.setdefault(one, []).append(other)
        reached, edge = set(focused), set(focused)
        for _ in range(depth):
            edge |= {other for ref in edge for other in aliases.get(ref, ())}
            found = [link for ref in edge for link in steps.get(ref, ())]
            kept.update({(link.client, link.target): link for link in found})
            edge = {link.target if forward else link.client for link in found} - reached
            reached |= edge
    return list(kept.values())
