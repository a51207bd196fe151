"""Names are anybody's: in every format they come out as text, and nothing of them acts on who reads the file."""

import csv
import io
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.maps import HOSTILE

from grapevine.model.visible import visible
from grapevine.view.d2 import to_d2
from grapevine.view.dot import to_dot
from grapevine.view.graphml import to_graphml
from grapevine.view.mermaid import to_mermaid
from grapevine.view.servicemap import DOMAIN, SERVICE, Link, Node, NodeRef, Relation, ServiceMap, service_map
from grapevine.view.svg import to_svg
from grapevine.view.table import COLUMNS, to_csv
from grapevine.view.text import fitted, shown, text_width

NAMES = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=80))
FORMATS = {"svg": to_svg, "graphml": to_graphml, "dot": to_dot, "mmd": to_mermaid, "d2": to_d2}
SVG_ELEMENTS = {"svg", "title", "desc", "rect", "text", "g", "path", "circle", "ellipse"}
SVG_ATTRIBUTES = {
    "viewBox", "width", "height", "role", "font-family", "x", "y", "font-size", "font-weight", "fill", "transform",
    "rx", "ry", "cx", "cy", "r", "d", "stroke", "stroke-width", "stroke-dasharray", "opacity",
}  # fmt: skip
DOT_LINE = re.compile(
    r'digraph grapevine \{|  graph \[label="(?:[^"\\]|\\.)*", labelloc=t, rankdir=LR, fontname=sans\];'
    r"|  node \[shape=box, style=rounded, fontname=sans\];|  edge \[fontname=sans\];|  \}|\}|"
    r'  subgraph cluster_\d+ \{ label="(?:[^"\\]|\\.)*";|    n\d+ \[label="(?:[^"\\]|\\.)*"\];'
    r'|  n\d+ -> n\d+ \[style=\w+, tooltip="(?:[^"\\]|\\.)*"\];'
)
_WORDS = r"(?:[A-Za-z0-9 .,_/:()%+-]|#\d+;)*"
MERMAID_LINE = re.compile(
    rf'%% {_WORDS}|flowchart LR|  end|  subgraph s\d+\["{_WORDS}"\]'
    rf'|    n\d+(?:\["{_WORDS}(?:<br/>{_WORDS})?"\]|\(\["{_WORDS}(?:<br/>{_WORDS})?"\]\))'
    r"|  n\d+ (?:-->|-\.->|-\.-|---) n\d+"
)
D2_LINE = re.compile(
    r"#.*|direction: right|\}|s\d+: '(?:[^']|'')*' \{|(?:  )?n\d+: '(?:[^']|'')*'(?: \{shape: oval\})?"
    r"|(?:s\d+\.)?n\d+ (?:->|--) (?:s\d+\.)?n\d+(?:: \{style\.stroke-dash: 4\})?"
)


def map_of(names: list[str]) -> ServiceMap:
    """Return a map in which each name is a namespace, a kind, a workload, a Service, a domain, and was asked for."""
    one, *others = names
    client = NodeRef(one or "shop", one, one)
    links = [Link(client, NodeRef("", DOMAIN, name), ("dns",), 75, names=(name,)) for name in others]
    links += [Link(client, NodeRef(name or "x", SERVICE, name)) for name in others]
    links.append(Link(NodeRef("x", SERVICE, one), NodeRef("x", one, one), relation=Relation.BEHIND))
    return service_map([Node(client, dead=1)], links, names)


@given(st.lists(NAMES, min_size=1, max_size=4), NAMES)
@settings(max_examples=60, deadline=None)
def test_text_stays_text_in_every_format(names: list[str], title: str) -> None:
    found = map_of(names)

    texts = {form: write(found, title) for form, write in FORMATS.items()}
    texts["csv"] = to_csv(found)

    for text in texts.values():
        assert text == visible(text, keep="\r\n"), "nothing that cannot be seen, nothing a terminal acts upon"
        text.encode()
    _check_svg(texts["svg"])
    assert {"graphml", "key", "graph", "desc", "node", "edge", "data"} >= _elements(texts["graphml"])
    for form, line in (("dot", DOT_LINE), ("mmd", MERMAID_LINE), ("d2", D2_LINE)):
        assert [] == [each for each in texts[form].split("\n") if each and not line.fullmatch(each)]


def _check_svg(text: str) -> None:
    root = ElementTree.fromstring(text)  # noqa: S314 - ours
    assert SVG_ELEMENTS >= _elements(text)
    assert SVG_ATTRIBUTES >= {name for element in root.iter() for name in element.attrib}


def _elements(text: str) -> set[str]:
    return {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()}  # noqa: S314 - ours


@given(st.lists(NAMES, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_table_has_its_cells_and_no_formula(names: list[str]) -> None:
    found = map_of(names)

    heading, *rows = csv.reader(io.StringIO(to_csv(found), newline=""))

    assert list(COLUMNS) == heading
    assert len(found.links) == len(rows)
    assert {len(COLUMNS)} == {len(row) for row in rows}
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert {shown(link.client.name).lstrip("'") for link in found.links} == {
        row[2].removeprefix("'").lstrip("'") for row in rows
    }


@given(NAMES, st.floats(20, 300))
def test_a_name_is_cut_to_what_it_has_room_for_and_its_ends_stay(name: str, width: float) -> None:
    found = fitted(name, 12.0, width)

    assert text_width(found, 12.0) <= width
    if found != shown(name):
        front, _, back = found.partition("…")
        assert shown(name).startswith(front)
        assert shown(name).endswith(back)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_picture_has_the_whole_name_somewhere(name: str) -> None:
    root = ElementTree.fromstring(to_svg(map_of([name, "shop"]), "map"))  # noqa: S314 - ours

    assert any(shown(name) in (element.text or "") for element in root.iter() if element.tag.endswith("title"))
