"""The map as a Mermaid flow chart. Source: mermaid.js.org, "Flowcharts", entity codes: `#35;` is `#`."""

import re
from itertools import groupby

from grapevine.view import legend
from grapevine.view.layout import label
from grapevine.view.servicemap import SERVICE, Node, ServiceMap
from grapevine.view.text import shown

_ARROWS = {legend.SOLID: "-->", legend.DASHED: "-.->", legend.DOTTED: "-.-", legend.THIN: "---"}
_PLAIN = re.compile(r"[^A-Za-z0-9 .,_/:()%+-]")


def to_mermaid(found: ServiceMap, title: str) -> str:
    """Return a flow chart with a subgraph for each namespace."""
    number_of = {node.ref: f"n{number}" for number, node in enumerate(found.nodes)}
    lines = [f"%% {_escaped(title)}", "flowchart LR"]
    for index, (namespace, nodes) in enumerate(groupby(found.nodes, key=lambda node: node.ref.namespace)):
        if namespace:
            lines.append(f'  subgraph s{index}["{_escaped(namespace)}"]')
        lines += [f"    {number_of[node.ref]}{_shape(node)}" for node in nodes]
        if namespace:
            lines.append("  end")
    lines += [
        f"  {number_of[link.client]} {_ARROWS[legend.line_of(link)]} {number_of[link.target]}" for link in found.links
    ]
    return "\n".join([*lines, ""])


def _shape(node: Node) -> str:
    text = _escaped(label(node.ref))
    if node.ref.is_outside:
        return f'(["{text}"])'
    text += f"<br/>{_escaped(legend.subtitle(node.ref.kind, node.stands_for))}"
    return f'(["{text}"])' if node.ref.kind == SERVICE else f'["{text}"]'


def _escaped(text: str) -> str:
    return _PLAIN.sub(lambda hit: f"#{ord(hit.group())};", shown(text))
