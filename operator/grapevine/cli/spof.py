"""`grapevine spof`: workloads, Services and names outside by how much depends on each."""

import argparse

from grapevine.cli.map_source import add_confidence_argument, add_map_source_arguments, percent, read_map
from grapevine.cli.table import format_table
from grapevine.model.errors import PermanentInputError
from grapevine.model.visible import visible

_DESCRIPTION = """\
Rank what is called by how much depends on it: who calls it, and who reaches it in any
number of calls. What many depend on and one place serves is a single point of failure.

A workload that is one of several behind a Service is no single point: there the
Service is ranked. How many pods a workload has, and whether its callers live without
it, is not in DNS: `grapevine blast WORKLOAD --down` shows the chains.
"""
_EPILOG = """\
exit codes: 0 done, also where nothing is called; 2 wrong input, or the cluster cannot be asked

examples:
  grapevine spof
  grapevine spof -f monday.json --top 5 --min-confidence 90
"""
TOP = 20
_COLUMNS = ("DEPENDENTS", "CALLERS", "NAMESPACES", "KIND", "NAME")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "spof",
        help="rank what is called by how much depends on it",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_ranking_arguments(parser)
    add_map_source_arguments(parser)


def add_ranking_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every ranking takes."""
    parser.add_argument("--top", type=int, default=TOP, metavar="N", help="so many, 0 for all (%(default)s)")
    add_confidence_argument(parser)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form (%(default)s)")


def top_of(args: argparse.Namespace) -> int | None:
    """Return how many are wanted, None for all.

    Raises:
        PermanentInputError: `--top` is negative.
    """
    if args.top < 0:
        raise PermanentInputError(f"--top: {args.top} is less than nothing")
    return args.top or None


def run(args: argparse.Namespace) -> int:
    """Print the ranking and return 0.

    Raises:
        PermanentInputError: a flag, a file or the cluster cannot be used.
        RetryableError: the API server does not answer.
    """
    from grapevine.kube.manifests import to_json  # the help needs none of it
    from grapevine.view.ranking import dependences
    from grapevine.view.wire import dependence_fields

    most, least = top_of(args), percent(args)
    found = dependences(read_map(args), least)[:most]
    if args.output == "json":
        print(to_json([dependence_fields(each) for each in found]), end="")
        return 0
    rows = [
        (str(each.dependents), str(each.callers), str(each.namespaces), each.ref.kind, each.ref.words) for each in found
    ]
    print(format_table(_COLUMNS, ([visible(cell) for cell in row] for row in rows)))
    return 0
