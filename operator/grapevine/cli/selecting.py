"""The flags that say which clients and which targets a person means."""

import argparse
from typing import TYPE_CHECKING

from grapevine.cli.source import namespaces_of

if TYPE_CHECKING:
    from grapevine.intents.selection import Selection

_FORMS = "NAME, NAME.NAMESPACE, NAMESPACE/NAME or NAMESPACE/KIND/NAME"


def add_selection_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--client`, `--server` and `--exclude-services`."""
    parser.add_argument("--client", default="", metavar="WORKLOAD", help=f"calls of this one alone: {_FORMS}")
    parser.add_argument(
        "--server", default="", metavar="TARGET", help="calls to this one alone: as --client, or a domain or address"
    )
    parser.add_argument(
        "--exclude-services",
        action="append",
        default=[],
        metavar="NAME,…",
        help="leave out workloads of these names, as clients and as targets",
    )


def selection_of(args: argparse.Namespace) -> "Selection":
    """Return what these flags, and `-n`, ask for.

    Raises:
        PermanentInputError: one of them names no workload.
    """
    from grapevine.intents.selection import Selection, parse_pattern

    if args.server:
        parse_pattern(args.server, "--server")
    return Selection(
        namespaces=namespaces_of(args),
        client=parse_pattern(args.client, "--client") if args.client else None,
        server=args.server,
        excluded=tuple(name for text in args.exclude_services for name in text.split(",") if name),
    )
