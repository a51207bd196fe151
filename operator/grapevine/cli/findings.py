"""Findings as text: one a paragraph, with what it means and what to do."""

import textwrap
from collections.abc import Sequence

from grapevine.model.finding import Finding

_WIDTH = 110


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """Return the findings, at least one, in their order."""
    lines: list[str] = []
    margin = max(len(finding.level) for finding in findings) + 2
    column = margin + max(len(finding.check) for finding in findings) + 2
    for finding in findings:
        head = f"{finding.level:<{margin}}{finding.check:<{column - margin}}"
        lines += _wrap(finding.found, head, column)
        lines += _wrap(finding.means, " " * column, column)
        lines += [" " * column + "→ " + finding.remedy] if finding.remedy else []  # never wrapped: it is copied
    return lines


def _wrap(text: str, head: str, column: int) -> list[str]:
    """Return the text's lines, none for an empty one, the first behind `head`, the others at `column`."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=" " * column,
        break_long_words=False,
        break_on_hyphens=False,
    )
