"""What commands that rank the map's nodes have in common: their flags, and how a ranking is printed."""

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from grapevine.cli.forms import TABLE_FORMS, add_form_argument, add_header_argument, as_data, as_names, as_table
from grapevine.cli.map_source import add_confidence_argument, add_map_source_arguments
from grapevine.cli.source import warn
from grapevine.model.errors import PermanentInputError

if TYPE_CHECKING:
    from grapevine.view.servicemap import NodeRef

_TOP = 20


class _Ranked(Protocol):
    @property
    def ref(self) -> "NodeRef":
        """The node."""


_T = TypeVar("_T", bound=_Ranked)


def add_ranking_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every ranking takes, and where the map is read from."""
    parser.add_argument("--top", type=int, default=_TOP, metavar="N", help="so many, 0 for all (%(default)s)")
    add_confidence_argument(parser)
    add_form_argument(parser, TABLE_FORMS)
    add_header_argument(parser)
    add_map_source_arguments(parser)


def top_of(args: argparse.Namespace) -> int | None:
    """Return how many are wanted, None for all.

    Raises:
        PermanentInputError: `--top` is negative.
    """
    if args.top < 0:
        raise PermanentInputError(f"--top: {args.top} is less than nothing: give how many are wanted, or 0 for all")
    return args.top or None


def print_ranking(
    args: argparse.Namespace,
    ranked: Sequence[_T],
    columns: Sequence[str],
    row: Callable[[_T], Sequence[object]],
    fields: Callable[[_T], dict[str, Any]],
) -> None:
    """Print what is ranked in one of the forms; wide with the id that `--focus` and the API take."""
    if args.output in ("json", "yaml"):
        text = as_data([fields(each) for each in ranked], args.output)
    elif args.output == "name":
        text = as_names(each.ref for each in ranked)
    else:
        rows = ((*row(each), each.ref) for each in ranked)
        text = as_table((*columns, "ID"), rows, args, narrow=len(columns))
    print(text, end="")
    if not ranked:
        warn("No connections found.")
