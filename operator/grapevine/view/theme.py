"""Colours, for people who see them differently too: a hue tells a namespace, and is never the only sign of anything.

Source of the hues: Okabe and Ito, "Color Universal Design", 2008, darkened to a contrast of 3:1 on white.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one look, as `#rrggbb`."""

    name: str
    page: str
    island: str
    island_edge: str
    node: str
    node_edge: str
    text: str
    muted: str
    outside: str
    """Of what is outside the cluster."""
    warning: str
    hues: tuple[str, ...]


LIGHT = Theme(
    name="light",
    page="#ffffff",
    island="#f4f6fa",
    island_edge="#dbe2ec",
    node="#ffffff",
    node_edge="#c3cddb",
    text="#17212e",
    muted="#5a687a",
    outside="#6b7788",
    warning="#a24a00",
    hues=("#0072b2", "#c05800", "#00815d", "#8a4fb0", "#8f6a00", "#0f8299", "#b8407f", "#4b62c4"),
)
DARK = Theme(
    name="dark",
    page="#0e1319",
    island="#151c25",
    island_edge="#263241",
    node="#1d2732",
    node_edge="#3a4858",
    text="#e8eef5",
    muted="#97a6b8",
    outside="#93a1b3",
    warning="#f0a356",
    hues=("#56b4e9", "#f0924a", "#3cc99a", "#c79ae6", "#dcbc4a", "#5fd0e0", "#f08cbd", "#9aabff"),
)
THEMES = {theme.name: theme for theme in (LIGHT, DARK)}
HUES = len(LIGHT.hues)
"""Of every theme: a namespace has the same number in each."""


def hues_of(namespaces: Iterable[str], theme: Theme) -> dict[str, str]:
    """Return the colour of each namespace in a theme; outside has its own."""
    numbers = hue_numbers(namespaces)
    return {"": theme.outside} | {namespace: theme.hues[hue] for namespace, hue in numbers.items()}


def hue_numbers(namespaces: Iterable[str]) -> dict[str, int]:
    """Return which hue of a theme each namespace has: by its name, the next free one where that is taken."""
    taken: dict[str, int] = {}
    free = set(range(HUES))
    for namespace in sorted(filter(None, set(namespaces))):
        free = free or set(range(HUES))
        wished = crc32(namespace.encode("utf-8", "surrogatepass")) % HUES
        taken[namespace] = min(free, key=lambda hue: (hue - wished) % HUES)
        free.discard(taken[namespace])
    return taken
