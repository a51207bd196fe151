"""The map as one file for a browser: the page's own modules, its style and the map's data in it, and nothing fetched.

Names are anybody's. They are in the file as JSON alone, in ASCII and without `<`, in an element that is never run; the
page sets them as text. Its Content-Security-Policy allows this script and this style by their digests, and no other,
no picture and no connection. Source: Content Security Policy Level 3; HTML Standard, "script".
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from typing import Any

from grapevine.view.layout import lay_out
from grapevine.view.selection import MAX_NODES, MAX_OUTSIDE, Part, drawable, kind_of, part_of
from grapevine.view.servicemap import NAMESPACE, OUTSIDE, ServiceMap
from grapevine.view.text import shown
from grapevine.view.wire import graph_fields, link_fields

MAX_SPACES = 200
"""Namespaces that have a drawing of their own where the map is of namespaces; those of others show what is joined."""
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|class|const) (\w+)", re.MULTILINE)
_PLACED = ("client", "target", "path", "tip")


def to_html(found: ServiceMap, title: str, files: Mapping[str, str], written: str) -> str:
    """Return the file, of the page's files by name and with the time of writing in words."""
    script, style = bundle(files), files["page.css"]
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = (
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{html.escape(shown(title))}</title>\n<style>{style}</style>"
    )
    body = files["index.html"].partition("<body>")[2].partition("</body>")[0]
    data = f'<script type="application/json" id="map-data">{_json(_data(found, written))}</script>'
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body data-file>{body}{data}\n'
        f'<script type="module">{script}</script>\n</body>\n</html>\n'
    )


def bundle(files: Mapping[str, str]) -> str:
    """Return the page's modules as one script: each a function that is called once, after those it imports from."""
    parts: dict[str, str] = {}

    def add(name: str) -> None:
        text = files[f"{name}.js"]
        imported = [_meant(hit[1]) for hit in _IMPORT.findall(text)]
        for each in imported:
            if each not in parts:
                add(each)
        names = ", ".join(hit[1] for hit in _EXPORT.findall(text))
        text = _IMPORT.sub(lambda hit: f"const {{{hit[1]}}} = {_variable(_meant(hit[2]))};", text)
        body = _EXPORT.sub(r"\1 \2", text)
        parts[name] = f"const {_variable(name)} = (() => {{\n{body}return {{ {names} }};\n}})();\n"

    add("main")
    return "".join(parts.values())


def _meant(name: str) -> str:
    """Return the module that is meant in a file: its own answers in place of an operator's."""
    return "file" if name == "api" else name


def _variable(name: str) -> str:
    return f"${name}"


def _data(found: ServiceMap, written: str) -> Mapping[str, Any]:
    joined = drawable(found)
    drawings = {"all": _drawing(joined)}
    kinds = {node.ref.kind for node in joined.nodes}
    spaces = sorted({node.ref.namespace for node in found.nodes if not node.ref.is_outside})
    if NAMESPACE in kinds:
        for namespace in spaces[:MAX_SPACES]:
            drawings[f"namespace={namespace}"] = _drawing(drawable(part_of(found, Part(namespaces=(namespace,)))))
    elif OUTSIDE in kinds and len(found.nodes) <= MAX_NODES:
        drawings["expand"] = _drawing(drawable(found, most_outside=max(MAX_NODES, MAX_OUTSIDE)))
    return {
        "written": written,
        "nodes": [str(node.ref) for node in found.nodes],
        "links": [{**link_fields(link), "names": list(link.names)} for link in found.links],
        "choices": {"namespaces": spaces, "kinds": sorted({kind_of(node.ref) for node in found.nodes})},
        "drawings": drawings,
    }


def _drawing(drawn: ServiceMap) -> Mapping[str, Any]:
    """Return a drawing with where its links run; what they say is joined in the browser, of the part that is shown."""
    fields = graph_fields(drawn, lay_out(drawn))
    return {**fields, "links": [{key: link[key] for key in _PLACED} for link in fields["links"]]}


def _json(value: object) -> str:
    r"""Return JSON that ends no element: `<`, `>` and `&` are `\u003c` and the like, as is all beyond ASCII."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
