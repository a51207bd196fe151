"""Colours can be seen: WCAG 2.2, "Contrast (Minimum)" for text and "Non-text Contrast" for lines."""

import pytest

from grapevine.view.theme import THEMES, Theme, hues_of


def luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_text_and_lines_stand_out_from_what_is_behind_them(theme: Theme) -> None:
    text = [(theme.text, theme.node), (theme.muted, theme.node), (theme.muted, theme.page), (theme.warning, theme.page)]
    titles = [(hue, theme.island) for hue in (*theme.hues, theme.outside)]

    assert {pair: contrast(*pair) for pair in (*text, *titles) if contrast(*pair) < 4.0} == {}
    assert {pair: contrast(*pair) for pair in text if contrast(*pair) < 4.5} == {}


def test_a_namespace_keeps_its_colour_when_others_come() -> None:
    few = hues_of(["orders", "payments", "storefront"], THEMES["light"])
    more = hues_of(["orders", "payments", "storefront", "tools"], THEMES["light"])

    assert few.items() <= more.items()
    assert len(set(more.values())) == len(more)


def test_there_may_be_more_namespaces_than_colours() -> None:
    assert 51 == len(hues_of([f"team-{n}" for n in range(50)], THEMES["dark"]))
