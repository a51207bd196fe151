"""The map in D2. Source: d2lang.com, "Strings": single-quoted text has no escapes and no substitutions, `''` is `'`."""

from itertools import groupby

from grapevine.view import legend
from grapevine.view.layout import label
from grapevine.view.servicemap import SERVICE, ServiceMap
from grapevine.view.text import shown


def to_d2(found: ServiceMap, title: str) -> str:
    """Return a diagram with a container for each namespace."""
    path_of: dict[object, str] = {}
    lines = [f"# {shown(title)}", "direction: right"]
    number = 0
    for index, (namespace, nodes) in enumerate(groupby(found.nodes, key=lambda node: node.ref.namespace)):
        if namespace:
            lines.append(f"s{index}: {_quoted(namespace)} {{")
        for node in nodes:
            path_of[node.ref] = f"s{index}.n{number}" if namespace else f"n{number}"
            shape = " {shape: oval}" if node.ref.kind == SERVICE or node.ref.is_outside else ""
            lines.append(f"{'  ' if namespace else ''}n{number}: {_quoted(label(node.ref))}{shape}")
            number += 1
        if namespace:
            lines.append("}")
    for link in found.links:
        line = legend.line_of(link)
        dash = "" if line == legend.SOLID else " {style.stroke-dash: 4}"
        arrow = "--" if line == legend.THIN else "->"
        lines.append(f"{path_of[link.client]} {arrow} {path_of[link.target]}{':' if dash else ''}{dash}")
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    return "'" + shown(text).replace("'", "''") + "'"
