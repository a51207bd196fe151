"""`grapevine diff`: what is different between two sets of ClientIntents, two maps, or two moments of one map."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grapevine.cli.duration import parse_moment_ms
from grapevine.cli.forms import (
    TEXT_FORMS,
    add_colour_argument,
    add_form_argument,
    add_header_argument,
    as_data,
    as_names,
    as_table,
    painter,
)
from grapevine.cli.selecting import add_selection_arguments, selection_of
from grapevine.cli.source import (
    CLUSTER,
    Resource,
    add_cluster_arguments,
    add_filename_argument,
    add_namespace_arguments,
    namespaces_of,
    read_cluster,
    read_files,
    warn,
)
from grapevine.model.errors import PermanentInputError

if TYPE_CHECKING:
    from grapevine.cli.differences import Entry

EXIT_DIFFERENT = 1

_DESCRIPTION = """\
Say what is different: between two maps (A and B), or in one map since a moment.

A and B are each a file, a directory's tree, `-`, or a cluster: `cluster:` is that of
the current context, `cluster:NAME` that of another. Where both record what was seen
(snapshots, clusters), calls are compared: which are there (+), which no more (-), and
which are known by other evidence or ports (~). A call is there until it is stale.
Otherwise the manifests are: what the objects mean; order, names, labels and status
are nothing, and `name.namespace` in the same namespace is `name`. --compare decides.

With --since it is one map, a cluster's or that of -f, against itself: what it
remembers. Neither evidence nor ports are dated, a call that was silent and came back
was there all the time, and what went silent weeks ago may be forgotten: it is said.
"""
_EPILOG = """\
exit codes, as diff(1) has them: 0 the same, 1 different, 2 wrong input or a cluster that cannot be asked

examples:
  # What came, and what went silent, since yesterday; in a week of last year
  grapevine diff --since 24h
  grapevine diff --since 2026-03-01T00:00:00Z --until 2026-03-08T00:00:00Z -f snapshot.json

  # Is what is declared in Git what the cluster has?
  grapevine diff intents/ cluster:

  # Two clusters, one namespace
  grapevine diff -n storefront cluster:staging cluster:production

  # Two days, for a script
  grapevine diff monday.json tuesday.json -o json
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "diff",
        help="say what is different between two maps, or since a moment",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("before", metavar="A", nargs="?", help="file, directory, -, cluster: or cluster:CONTEXT")
    parser.add_argument("after", metavar="B", nargs="?", help="the same")
    parser.add_argument(
        "--since", metavar="WHEN", help="compare one map with itself: 90s, 24h, 7d ago, or 2026-11-25T08:00:00Z"
    )
    parser.add_argument("--until", metavar="WHEN", help="with --since, the later moment; by default now")
    parser.add_argument(
        "--compare", choices=("auto", "calls", "manifests"), default="auto", help="what of A and B (%(default)s)"
    )
    add_filename_argument(parser, "with --since, a snapshot, a file or directory of ClientIntents,")
    add_namespace_arguments(parser)
    add_selection_arguments(parser)
    add_cluster_arguments(parser)
    add_form_argument(parser, TEXT_FORMS)
    add_header_argument(parser)
    add_colour_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print the differences; return 0 where there are none, else 1.

    Raises:
        PermanentInputError: a flag, a file or a cluster cannot be used.
        RetryableError: an API server does not answer.
    """
    if args.since:
        return _since(args)
    if args.until or args.filename:
        raise PermanentInputError(f"{'--until' if args.until else '-f'} goes with --since: give that too, or A and B")
    if not args.before or not args.after:
        raise PermanentInputError("give two places to compare, or --since, as in: grapevine diff --since 24h")
    if args.before == args.after == "-":
        raise PermanentInputError("A and B: only one of them can be -")
    before, after = (_read(place, args) for place in (args.before, args.after))
    is_seen = args.compare == "calls" or (args.compare == "auto" and _is_recorded(before) and _is_recorded(after))
    return (_calls if is_seen else _manifests)(args, before, after)


def _since(args: argparse.Namespace) -> int:
    from grapevine.cli.differences import entries_of_maps  # the help needs none of it
    from grapevine.model.timestamp import format_s
    from grapevine.view.difference import blind_spots, compare_moments
    from grapevine.view.reading import map_of_intents
    from grapevine.view.selection import calls_selected
    from grapevine.view.wire import difference_fields

    if args.before:
        raise PermanentInputError("--since compares one map with itself: give it with -f, or none for the cluster")
    if args.compare == "manifests":
        raise PermanentInputError("--compare manifests: they have no past; leave out --since")
    now_ms = time.time_ns() // 1_000_000
    since_ms = parse_moment_ms(args.since, "--since", now_ms)
    until_ms = parse_moment_ms(args.until, "--until", now_ms) if args.until else None
    if until_ms is not None and until_ms < since_ms:
        raise PermanentInputError("--until: is before --since: give the earlier moment to --since")
    namespaces = namespaces_of(args)
    if args.filename:
        resources = [each for path in args.filename for each in read_files(path, namespaces)]
    else:
        resources = read_cluster(args.kubeconfig, args.context, namespaces)
    whole = map_of_intents(resources)
    for note in blind_spots(whole, since_ms, now_ms):
        warn(note)
    found = compare_moments(calls_selected(whole, selection_of(args)), since_ms, until_ms)
    names = format_s(since_ms), format_s(until_ms) if until_ms else "now"
    fields = {"since_ms": since_ms, "until_ms": until_ms or 0, **difference_fields(found)}
    return _print(args, names, entries_of_maps(found), fields)


def _calls(args: argparse.Namespace, before: Sequence[Resource], after: Sequence[Resource]) -> int:
    from grapevine.cli.differences import entries_of_maps
    from grapevine.view.difference import compare
    from grapevine.view.reading import map_of_intents
    from grapevine.view.selection import calls_selected
    from grapevine.view.wire import difference_fields

    selection = selection_of(args)
    maps = [map_of_intents(each) for each in (before, after)]
    for place, found in zip((args.before, args.after), maps, strict=True):
        for note in found.notes:
            warn(f"{place}: {note}")
    different = compare(*(calls_selected(each, selection) for each in maps))
    fields = {"a": args.before, "b": args.after, **difference_fields(different)}
    return _print(args, (args.before, args.after), entries_of_maps(different), fields)


def _manifests(args: argparse.Namespace, before: Sequence[Resource], after: Sequence[Resource]) -> int:
    from grapevine.cli.differences import entries_of_intents
    from grapevine.intents.difference import compare, doubles
    from grapevine.intents.selection import select

    selection = selection_of(args)
    sides = [select(each, selection) for each in (before, after)]
    for place, resources in zip((args.before, args.after), sides, strict=True):
        for client in doubles(resources):
            warn(f"{place}: several objects about {client.namespace}/{client.name} count as one")
    found = compare(*sides)
    workloads = []
    for each in found:
        of = asdict(each)
        workloads.append({**of.pop("client"), **of, "change": each.change.value})
    fields = {"a": args.before, "b": args.after, "workloads": workloads}
    return _print(args, (args.before, args.after), entries_of_intents(found), fields)


def _print(args: argparse.Namespace, names: tuple[str, str], found: Sequence["Entry"], fields: dict[str, Any]) -> int:
    from grapevine.cli.differences import COLUMNS, as_text, rows_of

    if args.output in ("json", "yaml"):
        text = as_data(fields, args.output)
    elif args.output == "name":
        text = as_names(each.client for each in found)
    elif args.output == "text":
        text = as_text(*names, found, painter(args))
    else:
        text = as_table(COLUMNS, rows_of(found), args, narrow=len(COLUMNS) - 1)
    print(text, end="")
    return EXIT_DIFFERENT if found else 0


def _read(place: str, args: argparse.Namespace) -> list[Resource]:
    namespaces = namespaces_of(args)
    if not place.startswith(CLUSTER):
        return read_files(Path(place), namespaces)
    return read_cluster(args.kubeconfig, place.removeprefix(CLUSTER) or args.context, namespaces)


def _is_recorded(resources: Sequence[Resource]) -> bool:
    """Tell whether anything says what was seen."""
    statuses = (resource.get("status") for resource in resources)
    return any(isinstance(status, dict) and "observed" in status for status in statuses)
