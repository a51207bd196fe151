"""Text as kubectl prints it."""

import pytest

from grapevine.cli.table import format_age, format_table


def test_columns_are_as_wide_as_their_content_and_lines_end_without_blanks() -> None:
    assert format_table(("A", "LONGER"), [("wide cell", "x"), ("y", "")]) == "A           LONGER\nwide cell   x\ny"


def test_no_rows_leave_the_header() -> None:
    assert format_table(("A", "B"), []) == "A   B"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (192, "3m12s"),
        (599, "9m59s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (18_420, "5h7m"),
        (28_800, "8h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (187_200, "2d4h"),
        (691_200, "8d"),
        (63_071_999, "729d"),
        (63_072_000, "2y"),
    ],
)
def test_ages_are_written_as_kubectl_writes_them(seconds: int, expected: str) -> None:
    assert format_age(seconds) == expected
