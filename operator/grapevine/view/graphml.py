"""The map as GraphML, for yEd, Gephi, NetworkX. Source: graphml.graphdrawing.org, "GraphML Primer"."""

from collections.abc import Iterator
from html import escape

from grapevine.model.timestamp import format_ms
from grapevine.view import legend
from grapevine.view.servicemap import Link, Node, ServiceMap
from grapevine.view.text import shown

_NODE_KEYS = {"namespace": "string", "kind": "string", "name": "string", "standsFor": "int", "dead": "int"}
_LINK_KEYS = {
    "relation": "string",
    "line": "string",
    "evidence": "string",
    "confidence": "int",
    "state": "string",
    "firstSeen": "string",
    "lastSeen": "string",
    "count": "long",
    "ports": "string",
    "standsFor": "int",
}


def to_graphml(found: ServiceMap, title: str) -> str:
    """Return the graph with all that is known of its nodes and links."""
    number_of = {node.ref: f"n{number}" for number, node in enumerate(found.nodes)}
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
        *_keys("node", _NODE_KEYS),
        *_keys("edge", _LINK_KEYS),
        '<graph edgedefault="directed">',
        f"<desc>{_text(title)}</desc>",
    ]
    lines += [f'<node id="{number_of[each.ref]}">{_data("node", _node(each))}</node>' for each in found.nodes]
    for link in found.links:
        ends = f'source="{number_of[link.client]}" target="{number_of[link.target]}"'
        lines.append(f"<edge {ends}>{_data('edge', _link(link))}</edge>")
    return "\n".join([*lines, "</graph>", "</graphml>", ""])


def _node(node: Node) -> dict[str, object]:
    ref = node.ref
    return {
        "namespace": ref.namespace,
        "kind": ref.kind,
        "name": ref.name,
        "standsFor": node.stands_for,
        "dead": node.dead,
    }


def _link(link: Link) -> dict[str, object]:
    return {
        "relation": link.relation.value,
        "line": legend.line_of(link),
        "evidence": " ".join(link.evidence),
        "confidence": link.confidence,
        "state": link.state,
        "firstSeen": format_ms(link.first_ms) if link.last_ms else "",
        "lastSeen": format_ms(link.last_ms) if link.last_ms else "",
        "count": link.count,
        "ports": " ".join(map(str, link.ports)),
        "standsFor": link.stands_for,
    }


def _keys(of: str, keys: dict[str, str]) -> Iterator[str]:
    for name, kind in keys.items():
        yield f'<key id="{of}-{name}" for="{of}" attr.name="{name}" attr.type="{kind}"/>'


def _data(of: str, fields: dict[str, object]) -> str:
    return "".join(f'<data key="{of}-{name}">{_text(str(value))}</data>' for name, value in fields.items())


def _text(text: str) -> str:
    return escape(shown(text))
