"""`grapevine advise tracing`: where to begin with instrumenting."""

import argparse

from grapevine.cli.map_source import add_map_source_arguments, percent, read_map
from grapevine.cli.spof import add_ranking_arguments, top_of
from grapevine.cli.table import format_table
from grapevine.model.visible import visible

_DESCRIPTION = """\
Say which workloads to instrument first. Each is the one that shows the most calls that
those above it do not; SHOWS is the part of all calls in the map that are seen once it
and those above it are traced. BETWEEN counts the pairs of one that reaches it and one
it reaches: traces that can go through it.

A call counts the same however often it is made: DNS does not know.
"""
_EPILOG = """\
exit codes: 0 done, also where nothing is called; 2 wrong input, or the cluster cannot be asked

examples:
  grapevine advise tracing
  grapevine advise tracing -f monday.json --top 5
"""
_COLUMNS = ("SHOWS", "ADDS", "CALLERS", "CALLEES", "BETWEEN", "KIND", "WORKLOAD")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser("advise", help="say where to begin with tracing")
    about = parser.add_subparsers(title="about", metavar="WHAT", required=True)
    tracing = about.add_parser(
        "tracing",
        help="which workloads to instrument first",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_ranking_arguments(tracing)
    add_map_source_arguments(tracing)


def run(args: argparse.Namespace) -> int:
    """Print the order and return 0.

    Raises:
        PermanentInputError: a flag, a file or the cluster cannot be used.
        RetryableError: the API server does not answer.
    """
    from grapevine.kube.manifests import to_json  # the help needs none of it
    from grapevine.view.ranking import tracing_steps
    from grapevine.view.wire import tracing_fields

    most, least = top_of(args), percent(args)
    steps = tracing_steps(read_map(args), least)[:most]
    if args.output == "json":
        print(to_json([tracing_fields(each) for each in steps]), end="")
        return 0
    rows = [
        (f"{each.shows:.0f} %", each.adds, each.callers, each.callees, each.between, each.ref.kind, each.ref.words)
        for each in steps
    ]
    print(format_table(_COLUMNS, ([visible(str(cell)) for cell in row] for row in rows)))
    return 0
