"""Where a command that looks at the whole map reads it from, and the flags that say which part is meant."""

import argparse
import time
from typing import TYPE_CHECKING

from grapevine.cli.duration import parse_duration_s
from grapevine.cli.source import (
    add_cluster_arguments,
    add_filename_argument,
    namespaces_of,
    read_cluster,
    read_files,
    warn,
)
from grapevine.model.errors import PermanentInputError

if TYPE_CHECKING:
    from grapevine.view.selection import Part
    from grapevine.view.servicemap import ServiceMap

_PERCENT = range(101)
_DEPTHS = range(1, 101)


def add_map_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the map is read from."""
    add_filename_argument(parser, "a snapshot, a file or directory of ClientIntents,")
    add_cluster_arguments(parser)


def add_part_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which part of the map is meant."""
    parser.add_argument(
        "-n",
        "--namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="calls with either end in this namespace; again, or with commas, for more",
    )
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="calls of every namespace; the default")
    parser.add_argument(
        "--focus",
        default="",
        metavar="WORKLOAD",
        help="this one, what it calls and what calls it: NAME, NAME.NAMESPACE, NAMESPACE/NAME, NAMESPACE/KIND/NAME, or "
        "a name outside the cluster",
    )
    parser.add_argument("--depth", type=int, default=1, metavar="N", help="calls away from --focus (%(default)s)")
    parser.add_argument("--since", metavar="DURATION", help="calls seen within it alone: 90s, 15m, 24h, 7d")
    add_confidence_argument(parser)
    parser.add_argument(
        "--state",
        action="append",
        default=[],
        choices=("active", "idle", "stale", "declared"),
        help="calls in this state alone; again for more",
    )
    parser.add_argument("--external", action="store_true", help="calls to names outside the cluster alone")
    parser.add_argument("--search", default="", metavar="TEXT", help="calls with this in a name of either end")


def add_confidence_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--min-confidence`."""
    parser.add_argument(
        "--min-confidence",
        type=int,
        default=0,
        metavar="PERCENT",
        help="calls at least this sure: 75 looked up, 90 connected, 95 both (%(default)s)",
    )


def read_map(args: argparse.Namespace) -> "ServiceMap":
    """Return the whole map.

    Raises:
        PermanentInputError: a file or the cluster cannot be used.
        RetryableError: the API server does not answer.
    """
    from grapevine.view.reading import map_of_intents  # the help needs none of it

    if not args.filename:
        return map_of_intents(read_cluster(args.kubeconfig, args.context))
    return map_of_intents([resource for path in args.filename for resource in read_files(path, ())])


def part_asked_for(args: argparse.Namespace, whole: "ServiceMap") -> "Part":
    """Return what the flags ask for of a map.

    Raises:
        PermanentInputError: one of them cannot be used, or nothing is called as `--focus` has it.
    """
    from grapevine.view.selection import Part, nodes_called

    focus = nodes_called(whole, args.focus, "--focus") if args.focus else []
    if args.focus and not focus:
        raise PermanentInputError(f"--focus: nothing in the map is called {args.focus!r}: grapevine list")

    since_ms = 0
    if args.since:
        since_ms = time.time_ns() // 1_000_000 - parse_duration_s(args.since, "--since") * 1_000
    if args.depth not in _DEPTHS:
        raise PermanentInputError(
            f"--depth: {args.depth} is not between {_DEPTHS[0]} and {_DEPTHS[-1]}: give how many calls away"
        )
    return Part(
        namespaces=namespaces_of(args),
        focus=tuple(focus),
        depth=args.depth,
        since_ms=since_ms,
        min_confidence=percent(args),
        states=frozenset(args.state),
        outside_only=args.external,
        search=args.search,
    )


def percent(args: argparse.Namespace) -> int:
    """Return `--min-confidence`.

    Raises:
        PermanentInputError: it is no percent.
    """
    if args.min_confidence not in _PERCENT:
        raise PermanentInputError(
            f"--min-confidence: {args.min_confidence} is no percent: give 0 to 100, as 75 for what was looked up"
        )
    return int(args.min_confidence)


def selected(args: argparse.Namespace) -> "ServiceMap":
    """Return the part of the map that the flags ask for; where nothing is left of it, that is said on stderr.

    Raises:
        PermanentInputError: a flag, a file or the cluster cannot be used, or nothing is called as `--focus` has it.
        RetryableError: the API server does not answer.
    """
    from grapevine.view.selection import part_of

    whole = read_map(args)
    found = part_of(whole, part_asked_for(args, whole))
    if not found.nodes:
        warn("nothing in the map is as asked for" if whole.nodes else "No connections found.")
    return found
