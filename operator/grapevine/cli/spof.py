"""`grapevine spof`: workloads, Services and names outside by how much depends on each."""

import argparse

from grapevine.cli.map_source import percent, read_map
from grapevine.cli.rankings import add_ranking_arguments, print_ranking, top_of

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
_COLUMNS = ("DEPENDENTS", "CALLERS", "NAMESPACES", "KIND", "NAME")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "spof",
        help="rank what is called by how much depends on it",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add_ranking_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the ranking and return 0.

    Raises:
        PermanentInputError: a flag, a file or the cluster cannot be used.
        RetryableError: the API server does not answer.
    """
    from grapevine.view.ranking import Dependence, dependences  # the help needs none of it
    from grapevine.view.wire import dependence_fields

    def row(of: Dependence) -> tuple[object, ...]:
        return of.dependents, of.callers, of.namespaces, of.ref.kind, of.ref.words

    most, least = top_of(args), percent(args)
    found = dependences(read_map(args), least)[:most]
    print_ranking(args, found, _COLUMNS, row, dependence_fields)
    return 0
