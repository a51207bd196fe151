"""Text from outside, shown: nothing a terminal would act upon is left."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.model.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("web-1.example", "web-1.example"),
        ("bücher.example", "bücher.example"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("\x9b31m", "\\u009b31m"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("a\nb\r\u2028", "a\\u000ab\\u000d\\u2028"),
        ("\ud800\U000e0001", "\\ud800\\udb40\\udc01"),
    ],
)
def test_writes_out_what_cannot_be_seen(text: str, shown: str) -> None:
    assert shown == visible(text)


def test_keeps_what_it_is_told_to() -> None:
    assert "a\nb" == visible("a\nb", keep="\n")


@given(st.text())
def test_means_the_same_in_json(text: str) -> None:
    assert text == json.loads(visible(json.dumps(text, ensure_ascii=False)))
