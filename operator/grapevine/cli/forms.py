"""The forms of output that kubectl has, for every command that prints a list of things."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from grapevine.cli.table import format_table
from grapevine.model.visible import visible

TABLE_FORMS = ("table", "wide", "json", "yaml", "name")
TEXT_FORMS = ("text", *TABLE_FORMS)

GREEN, RED, YELLOW, BOLD = "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[1m"
_PLAIN = "\x1b[0m"
Painter = Callable[[str, str], str]
"""Colour, text → the text as it is printed."""


def add_form_argument(parser: argparse.ArgumentParser, forms: Sequence[str]) -> None:
    """Add `-o`; the first form is the default."""
    parser.add_argument("-o", "--output", choices=forms, default=forms[0], help="form (%(default)s)")


def add_header_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--no-headers`."""
    parser.add_argument("--no-headers", action="store_true", help="no heading above a table")


def add_colour_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--color`."""
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colours; auto: on a terminal"
    )


def painter(args: argparse.Namespace) -> Painter:
    """Return what paints, where `--color`, NO_COLOR and the terminal want it; else what leaves text as it is."""
    is_wanted = args.color == "auto" and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    if is_wanted or args.color == "always":
        return lambda colour, text: f"{colour}{text}{_PLAIN}"
    return lambda _colour, text: text


def as_data(content: Mapping[str, Any] | Sequence[Any], form: str) -> str:
    """Return JSON or YAML, for a script."""
    from grapevine.kube.manifests import to_json, to_yaml  # the help needs none of it

    return to_yaml(content) if form == "yaml" else to_json(content)


def as_table(columns: Sequence[str], rows: Iterable[Sequence[object]], args: argparse.Namespace, narrow: int) -> str:
    """Return a table, at `-o wide` with all columns, else with the first `narrow`; empty where there are no rows."""
    shown = len(columns) if args.output == "wide" else narrow
    cells = [[visible(str(cell)) for cell in row[:shown]] for row in rows]
    if not cells:
        return ""
    text = format_table(columns[:shown], cells)
    return (text.partition("\n")[2] if args.no_headers else text) + "\n"


def as_names(refs: Iterable[object]) -> str:
    """Return identities, `NAMESPACE/KIND/NAME`, one a line, each once."""
    return "".join(f"{visible(str(ref))}\n" for ref in dict.fromkeys(refs))
