"""What a picture says in words: what it is of, how much, since when, and what its lines mean."""

from grapevine.model.timestamp import format_s
from grapevine.view.servicemap import NAMESPACE, OUTSIDE, SERVICE, Link, Node, Relation, ServiceMap

SOLID, DASHED, DOTTED, THIN = "solid", "dashed", "dotted", "thin"
MEANINGS = {
    SOLID: "connection seen",
    DASHED: "looked up only",
    DOTTED: "declared, not seen",
    THIN: "behind the Service",
}
_MAX_PORTS = 6
FADED = "stale: not seen for long"


def line_of(link: Link) -> str:
    """Return how a link is drawn."""
    if link.relation is Relation.BEHIND:
        return THIN
    if link.is_connected:
        return SOLID
    return DASHED if link.evidence else DOTTED


def is_faded(link: Link) -> bool:
    """Whether a link is drawn weaker: it is still known, and was not seen for long."""
    return link.state == "stale"


def counts(found: ServiceMap) -> str:
    """Return how much there is, in words."""
    inside = [node for node in found.nodes if not node.ref.is_outside]
    services = sum(node.ref.kind == SERVICE for node in inside)
    workloads = sum(node.stands_for for node in inside if node.ref.kind != SERVICE)
    names = sum(node.stands_for for node in found.nodes if node.ref.is_outside)
    spaces = len({node.ref.namespace for node in inside})
    dead = sum(node.dead for node in found.nodes)
    is_joined = any(node.ref.kind == NAMESPACE for node in inside)
    parts = [
        _number(workloads, *(("workload or Service", "workloads and Services") if is_joined else ("workload",))),
        _number(services, "Service"),
        _number(names, "name outside", "names outside"),
        _number(spaces, "namespace"),
        _number(found.calls, "call"),
        _number(dead, "name that never resolved", "names that never resolved"),
    ]
    return " · ".join(filter(None, parts)) or "nothing was seen"


def span(found: ServiceMap) -> str:
    """Return when it was seen, in words; empty where nothing was."""
    first_ms, last_ms = found.span_ms
    if not last_ms:
        return ""
    first, last = (format_s(ms).replace("T", " ").removesuffix("Z") for ms in (first_ms, last_ms))
    last = last.removeprefix(first[:11]) if last.startswith(first[:11]) else last
    return f"seen {first} – {last} UTC"


def lines(found: ServiceMap) -> list[str]:
    """Return which kinds of lines there are."""
    present = {line_of(link) for link in found.links}
    return [line for line in MEANINGS if line in present]


def has_faded(found: ServiceMap) -> bool:
    """Whether any line is drawn weaker."""
    return any(is_faded(link) for link in found.links)


def subtitle(kind: str, stands_for: int) -> str:
    """Return the second line of a node."""
    if kind == NAMESPACE:
        return _number(stands_for, "member")
    return "outside the cluster" if kind == OUTSIDE else kind or "workload"


def link_words(link: Link) -> str:
    """Return what a link says, and why it is believed, in one line."""
    ends = f"{link.client.words} → {link.target.words}"
    if link.relation is Relation.BEHIND:
        share = "" if link.share is None else f", {link.share} % of its use"
        return f"{ends}: one of the workloads behind the Service{share}"
    if not link.evidence:
        return f"{ends}: declared, not seen"
    ports = f", port {', '.join(map(str, link.ports[:_MAX_PORTS]))}" if link.ports else ""
    joined = f", {link.stands_for} calls" if link.stands_for > 1 else ""
    return f"{ends}: {' and '.join(link.evidence)}{ports}, {link.confidence} % sure, {link.state}{joined}"


def node_words(node: Node) -> str:
    """Return what a node is, in one line."""
    more = [subtitle(node.ref.kind, node.stands_for)] if not node.ref.is_outside else []
    if node.dead:
        more.append(_number(node.dead, "name that never resolved", "names that never resolved"))
    return f"{node.ref.words} ({', '.join(more)})" if more else node.ref.words


def _number(number: int, one: str, more: str = "") -> str:
    return f"{number:,} {one if number == 1 else more or one + 's'}" if number else ""
