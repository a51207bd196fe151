"""What commands that rank the map's nodes have in common: their flags, and how a ranking is printed."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from grapevine.cli.map_source import add_confidence_argument, add_map_source_arguments
from grapevine.cli.table import format_table
from grapevine.model.errors import PermanentInputError
from grapevine.model.visible import visible

_TOP = 20
_T = TypeVar("_T")


def add_ranking_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every ranking takes, and where the map is read from."""
    parser.add_argument("--top", type=int, default=_TOP, metavar="N", help="so many, 0 for all (%(default)s)")
    add_confidence_argument(parser)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form (%(default)s)")
    add_map_source_arguments(parser)


def top_of(args: argparse.Namespace) -> int | None:
    """Return how many are wanted, None for all.

    Raises:
        PermanentInputError: `--top` is negative.
    """
    if args.top < 0:
        raise PermanentInputError(f"--top: {args.top} is less than nothing")
    return args.top or None


def print_ranking(
    ranked: Iterable[_T],
    columns: Sequence[str],
    row: Callable[[_T], Sequence[object]],
    fields: Callable[[_T], dict[str, Any]],
    *,
    is_json: bool,
) -> None:
    """Print a table of rows, or a JSON list of fields."""
    from grapevine.kube.manifests import to_json  # the help needs none of it

    if is_json:
        print(to_json([fields(each) for each in ranked]), end="")
    else:
        print(format_table(columns, ([visible(str(cell)) for cell in row(each)] for each in ranked)))
