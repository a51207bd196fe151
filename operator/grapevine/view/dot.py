"""The map in Graphviz' language. Source: graphviz.org, "DOT Language": in quoted strings backslashes have a meaning."""

from itertools import groupby

from grapevine.view import legend
from grapevine.view.layout import label
from grapevine.view.servicemap import ServiceMap
from grapevine.view.text import shown

_STYLES = {legend.SOLID: "solid", legend.DASHED: "dashed", legend.DOTTED: "dotted", legend.THIN: "dotted"}


def to_dot(found: ServiceMap, title: str) -> str:
    """Return a directed graph with a cluster for each namespace."""
    number_of = {node.ref: f"n{number}" for number, node in enumerate(found.nodes)}
    lines = [
        "digraph grapevine {",
        f"  graph [label={_quoted(title)}, labelloc=t, rankdir=LR, fontname=sans];",
        "  node [shape=box, style=rounded, fontname=sans];",
        "  edge [fontname=sans];",
    ]
    for index, (namespace, nodes) in enumerate(groupby(found.nodes, key=lambda node: node.ref.namespace)):
        if namespace:
            lines.append(f"  subgraph cluster_{index} {{ label={_quoted(namespace)};")
        for node in nodes:
            text = (
                f"{label(node.ref)}\n{legend.subtitle(node.ref.kind, node.stands_for)}" if namespace else node.ref.name
            )
            lines.append(f"    {number_of[node.ref]} [label={_quoted(text)}];")
        if namespace:
            lines.append("  }")
    for link in found.links:
        ends = f"{number_of[link.client]} -> {number_of[link.target]}"
        style = _STYLES[legend.line_of(link)]
        lines.append(f"  {ends} [style={style}, tooltip={_quoted(legend.link_words(link))}];")
    return "\n".join([*lines, "}\n"])


def _quoted(text: str) -> str:
    parts = (shown(part).replace("\\", "\\\\").replace('"', '\\"') for part in text.split("\n", 1))
    return '"' + "\\n".join(parts) + '"'
