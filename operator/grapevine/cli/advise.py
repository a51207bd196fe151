"""`grapevine advise tracing`: where to begin with instrumenting."""

import argparse

from grapevine.cli.map_source import percent, read_map
from grapevine.cli.rankings import add_ranking_arguments, print_ranking, top_of

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
    parser = subparsers.add_parser(
        "advise", help="say where to begin with tracing", epilog="example: grapevine advise tracing --top 5"
    )
    about = parser.add_subparsers(title="about", metavar="WHAT", required=True)
    tracing = about.add_parser(
        "tracing",
        help="which workloads to instrument first",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add_ranking_arguments(tracing)


def run(args: argparse.Namespace) -> int:
    """Print the order and return 0.

    Raises:
        PermanentInputError: a flag, a file or the cluster cannot be used.
        RetryableError: the API server does not answer.
    """
    from grapevine.view.ranking import TracingStep, tracing_steps  # the help needs none of it
    from grapevine.view.wire import tracing_fields

    def row(of: TracingStep) -> tuple[object, ...]:
        return f"{of.shows:.0f} %", of.adds, of.callers, of.callees, of.between, of.ref.kind, of.ref.words

    most, least = top_of(args), percent(args)
    steps = tracing_steps(read_map(args), least)[:most]
    print_ranking(args, steps, _COLUMNS, row, tracing_fields)
    return 0
