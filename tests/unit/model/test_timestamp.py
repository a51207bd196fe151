"""Milliseconds ↔ RFC 3339."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.model.timestamp import format_ms, format_s, try_parse_ms


@given(st.integers(0, 253_402_300_799_999))
def test_a_time_written_reads_back_without_loss(ms: int) -> None:
    assert try_parse_ms(format_ms(ms)) == ms


@given(st.integers(0, 253_402_300_799_999))
def test_a_time_cut_to_the_second_reads_back_as_that_second(ms: int) -> None:
    assert try_parse_ms(format_s(ms)) == ms - ms % 1_000


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:01Z", 1_000),
        ("1970-01-01T00:00:01.001999Z", 1_001),
        ("1970-01-01T02:00:01+02:00", 1_000),
    ],
)
def test_reads_every_form_the_api_may_hold(text: str, ms: int) -> None:
    assert try_parse_ms(text) == ms


@pytest.mark.parametrize("text", [None, 3, "", "yesterday", "1970-01-01T00:00:01", "9999-99-99T00:00:00Z", [], {}])
def test_what_is_no_time_is_none(text: object) -> None:
    assert try_parse_ms(text) is None
