"""The map as SVG: no script, no style sheet, nothing fetched, so that every viewer and converter shows the same.

Every name goes through `_text`: names come from DNS and from manifests, and are anybody's.
"""

from collections.abc import Iterator
from html import escape

from grapevine.view import legend
from grapevine.view.layout import (
    BOLD,
    KIND_SIZE,
    NAME_SIZE,
    TEXT_LEFT,
    TEXT_RIGHT,
    TITLE_SIZE,
    Box,
    Island,
    Layout,
    label,
    lay_out,
)
from grapevine.view.routes import Route, has_head, routes
from grapevine.view.servicemap import NAMESPACE, OUTSIDE, SERVICE, Link, Node, Relation, ServiceMap
from grapevine.view.text import fitted, shown, text_width
from grapevine.view.theme import LIGHT, Theme, hues_of

FACES = "'DejaVu Sans', Verdana, 'Segoe UI', Helvetica, Arial, sans-serif"
_MARGIN = 24.0
_HEAD = 64.0
_FOOT = 40.0
_MIN_WIDTH = 620.0
_DASHES = {legend.DASHED: "6 4", legend.DOTTED: "1.5 4", legend.THIN: "2 3"}


def to_svg(found: ServiceMap, title: str, theme: Theme = LIGHT, layout: Layout | None = None) -> str:
    """Return the picture with title, counts, time range and legend; the same bytes for the same map."""
    placed = layout or lay_out(found)
    drawing = _Drawing(found, title, theme, placed)
    return "\n".join(drawing.lines()) + "\n"


class _Drawing:
    """One picture while it is written."""

    def __init__(self, found: ServiceMap, title: str, theme: Theme, layout: Layout) -> None:
        self._map = found
        self._title = title
        self._theme = theme
        self._layout = layout
        self._hues = hues_of((node.ref.namespace for node in found.nodes), theme)
        self._words = list(self._legend_words())
        legend_width = sum(width for *_, width in self._words)
        self._width = max(layout.width + 2 * _MARGIN, _MIN_WIDTH, legend_width + 2 * _MARGIN)
        self._notes = [*found.notes]
        self._head = _HEAD + 16 * len(self._notes)
        self._height = self._head + layout.height + _FOOT + _MARGIN

    def lines(self) -> Iterator[str]:
        width, height = round(self._width), round(self._height)
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" font-family="{FACES}">'
        )
        yield f"<title>{_text(self._title)}</title>"
        yield f"<desc>{_text(self._said())}</desc>"
        yield f'<rect width="{width}" height="{height}" fill="{self._theme.page}"/>'
        yield from self._heading()
        left = round((self._width - self._layout.width) / 2)
        yield f'<g transform="translate({left} {round(self._head)})">'
        for island in self._layout.islands:
            yield self._island(island)
        curves = routes(self._map.links, self._layout.boxes)
        yield '<g fill="none">'
        for link, route in sorted(zip(self._map.links, curves, strict=True), key=lambda each: each[0].is_connected):
            yield self._link(link, route)
        yield "</g>"
        for island in self._layout.islands:
            yield self._island_name(island)
        for node in self._map.nodes:
            yield from self._node(node, self._layout.boxes[node.ref])
        yield "</g>"
        yield from self._foot()
        yield "</svg>"

    def _said(self) -> str:
        return ", ".join(filter(None, (legend.counts(self._map), legend.span(self._map), *self._notes)))

    def _heading(self) -> Iterator[str]:
        theme = self._theme
        title = fitted(self._title, 17.0, self._width - 2 * _MARGIN)
        yield f'<text x="{_MARGIN:g}" y="32" font-size="17" font-weight="700" fill="{theme.text}">{_text(title)}</text>'
        parts = " · ".join(filter(None, (legend.counts(self._map), legend.span(self._map))))
        said = fitted(parts, 11.5, self._width - 2 * _MARGIN)
        yield f'<text x="{_MARGIN:g}" y="51" font-size="11.5" fill="{theme.muted}">{_text(said)}</text>'
        for number, note in enumerate(self._notes):
            y = 68 + 16 * number
            yield f'<text x="{_MARGIN:g}" y="{y}" font-size="11.5" fill="{theme.warning}">{_text(note)}</text>'

    def _island(self, island: Island) -> str:
        box, theme = island.box, self._theme
        dash = ' stroke-dasharray="4 4"' if not island.namespace else ""
        return (
            f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="14" '
            f'fill="{theme.island}" stroke="{theme.island_edge}"{dash}/>'
        )

    def _island_name(self, island: Island) -> str:
        name = fitted(island.namespace or "outside the cluster", TITLE_SIZE, island.box.width - 30)
        hue = self._hues[island.namespace]
        return _line(island.box.x + 18, island.box.y + 23, TITLE_SIZE, hue, name, weight="600")

    def _node(self, node: Node, box: Box) -> Iterator[str]:
        ref, theme = node.ref, self._theme
        hue = self._hues[ref.namespace]
        is_pill = ref.kind == SERVICE or ref.is_outside
        radius = box.height / 2 if is_pill else 8
        yield "<g>"
        yield f"<title>{_text(legend.node_words(node))}</title>"
        yield (
            f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="{radius:g}" '
            f'fill="{theme.node}" stroke="{hue if is_pill else theme.node_edge}" stroke-width="1.2"/>'
        )
        left = box.x + TEXT_LEFT
        if not is_pill:
            y, height = box.y + 9, box.height - 18
            yield f'<rect x="{box.x + 5:g}" y="{y:g}" width="3.5" height="{height:g}" rx="1.75" fill="{hue}"/>'
        room = box.width - TEXT_LEFT - TEXT_RIGHT + 2
        if ref.is_outside and ref.kind != OUTSIDE:
            name = fitted(label(ref), NAME_SIZE, room - 14)
            yield from self._globe(box.x + 17, box.middle)
            yield _line(left + 14, box.middle + 4.4, NAME_SIZE, theme.text, name, weight="500")
        else:
            name = fitted(label(ref), NAME_SIZE, room / BOLD)
            kind = fitted(legend.subtitle(ref.kind, node.stands_for), KIND_SIZE, room)
            yield _line(left, box.y + 18.5, NAME_SIZE, theme.text, name, weight="600")
            yield _line(left, box.y + 32.5, KIND_SIZE, theme.muted, kind)
        if node.dead and ref.kind != NAMESPACE:
            yield f'<circle cx="{box.right - 9:g}" cy="{box.y + 9:g}" r="3" fill="{theme.warning}"/>'
        yield "</g>"

    def _globe(self, x: float, y: float) -> Iterator[str]:
        yield (
            f'<g fill="none" stroke="{self._theme.outside}" stroke-width="1.1"><circle cx="{x:g}" cy="{y:g}" r="5.5"/>'
            f'<ellipse cx="{x:g}" cy="{y:g}" rx="2.4" ry="5.5"/><path d="M{x - 5.5:g} {y:g}h11"/></g>'
        )

    def _link(self, link: Link, route: Route) -> str:
        line = legend.line_of(link)
        is_behind = link.relation is Relation.BEHIND
        hue = self._theme.muted if is_behind else self._hues[link.client.namespace]
        dashes = f' stroke-dasharray="{_DASHES[line]}"' if line in _DASHES else ""
        width = 1.1 if is_behind else min(1.5 + 0.25 * (link.stands_for - 1) ** 0.5, 4.0)
        opacity = 0.32 if legend.is_faded(link) else 0.85
        path = f"M{route.start[0]:g} {route.start[1]:g}" + "".join(
            f"C{ax:g} {ay:g} {bx:g} {by:g} {x:g} {y:g}" for (ax, ay), (bx, by), (x, y) in route.curves
        )
        return (
            f'<g opacity="{opacity:g}"><title>{_text(legend.link_words(link))}</title>'
            f'<path d="{path}" stroke="{hue}" stroke-width="{width:.2g}"{dashes}/>'
            f"{_head(route, hue) if has_head(link) else ''}</g>"
        )

    def _legend_words(self) -> Iterator[tuple[str, str, float]]:
        for line in legend.lines(self._map):
            yield line, legend.MEANINGS[line], 38 + text_width(legend.MEANINGS[line], 11) + 22
        if legend.has_faded(self._map):
            yield "faded", legend.FADED, 38 + text_width(legend.FADED, 11) + 22
        if any(node.dead for node in self._map.nodes):
            text = "asks for names that never resolve"
            yield "dot", text, 14 + text_width(text, 11) + 22

    def _foot(self) -> Iterator[str]:
        theme = self._theme
        x, y = _MARGIN, self._height - _MARGIN + 2
        yield f'<g font-size="11" fill="{theme.muted}">'
        for line, text, width in self._words:
            if line == "dot":
                yield f'<circle cx="{x + 4:g}" cy="{y - 4:g}" r="3" fill="{theme.warning}"/>'
                yield f'<text x="{x + 14:g}" y="{y:g}">{_text(text)}</text>'
            else:
                dashes = f' stroke-dasharray="{_DASHES[line]}"' if line in _DASHES else ""
                opacity = ' opacity="0.35"' if line == "faded" else ""
                stroke = f'stroke="{theme.text}" stroke-width="1.5"{dashes}{opacity}'
                yield f'<path d="M{x:g} {y - 4:g}h30" fill="none" {stroke}/>'
                yield f'<text x="{x + 38:g}" y="{y:g}">{_text(text)}</text>'
            x += width
        yield "</g>"


def _head(route: Route, hue: str) -> str:
    """Return an arrow's head, from its tip back to where the line ends."""
    (x, y), (back_x, back_y) = route.tip, route.curves[-1][2]
    back_x, back_y = back_x + (back_x - x) * 0.2, back_y + (back_y - y) * 0.2
    side_x, side_y = (3.6, 0.0) if back_x == x else (0.0, 3.6)
    corners = f"L{back_x - side_x:g} {back_y - side_y:g}L{back_x + side_x:g} {back_y + side_y:g}z"
    return f'<path d="M{x:g} {y:g}{corners}" fill="{hue}"/>'


def _line(x: float, y: float, size: float, fill: str, text: str, weight: str = "") -> str:
    bold = f' font-weight="{weight}"' if weight else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}"{bold} fill="{fill}">{_text(text)}</text>'


def _text(text: str) -> str:
    """Return text for an element or an attribute; nothing in it is markup."""
    return escape(shown(text))
