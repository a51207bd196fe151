"""`grapevine list`: who calls whom, from a cluster or from files."""

import argparse
import time
from collections.abc import Sequence

from grapevine.cli.duration import parse_duration_s
from grapevine.cli.forms import TEXT_FORMS, add_form_argument, add_header_argument, as_data
from grapevine.cli.selecting import add_selection_arguments, selection_of
from grapevine.cli.source import Resource, add_source_arguments, read_source, warn
from grapevine.model.errors import PermanentInputError

_DESCRIPTION = """\
Say who calls whom: what was observed, and of an object nothing was observed for yet,
or of a file, what it declares.

By default as text, one client after the other; as a table it is that of
`kubectl get clientintents -A`. JSON and YAML are whole objects.
"""
_EPILOG = """\
exit codes: 0 done, also where there is nothing; 2 wrong input, or the cluster cannot be asked; 130 interrupted

examples:
  # Who calls whom in the cluster of the current context
  grapevine list

  # What one workload calls, what calls another, what calls a domain
  grapevine list --client storefront/web
  grapevine list --server redis.orders
  grapevine list --server api.example.com

  # What was seen in two namespaces within a day, in another cluster
  grapevine list -n storefront,orders --since 24h --context staging

  # And what changes from now on
  grapevine list -n storefront --watch

  # Manifests in Git
  grapevine list -f intents/
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "list",
        help="say who calls whom, from a cluster or from files",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add_source_arguments(parser)
    add_selection_arguments(parser)
    parser.add_argument("--since", metavar="DURATION", help="calls seen within it alone: 90s, 15m, 24h, 7d")
    add_form_argument(parser, TEXT_FORMS)
    add_header_argument(parser)
    parser.add_argument(
        "-w", "--watch", action="store_true", help="go on, and say each client again when its calls are others"
    )


def run(args: argparse.Namespace) -> int:
    """Print who calls whom and return 0.

    Raises:
        PermanentInputError: a flag, a file or the cluster cannot be used.
        RetryableError: the API server does not answer.
    """
    from grapevine.cli.calls_text import call_lines  # the help needs none of it
    from grapevine.intents.selection import select_calls

    since_s = parse_duration_s(args.since, "--since") if args.since else 0
    if args.watch:
        return _watch(args, since_s)
    now_ms = time.time_ns() // 1_000_000
    since_ms = now_ms - since_s * 1_000 if since_s else 0
    selection = selection_of(args)
    found = select_calls(read_source(args), selection, since_ms)
    if undated := sum(not calls.is_dated for _, calls in found) if since_ms else 0:
        warn(f"--since leaves out {undated} objects whose status does not say when anything was seen")
    if selection.server or since_ms:
        found = [(resource, calls) for resource, calls in found if calls.targets]
    if args.output == "text":
        print("".join(f"{line}\n" for _, calls in found for line in call_lines(calls.client, calls.targets)), end="")
    else:
        print(_objects([resource for resource, _ in found], args, now_ms), end="")
    if not any(calls.targets for _, calls in found):
        warn("No connections found.")
    return 0


def _watch(args: argparse.Namespace, since_s: int) -> int:
    from grapevine.cli.list_watch import watch

    if args.filename:
        raise PermanentInputError("--watch follows a cluster, and -f names a file: leave one of them out")
    watch(args, since_s)
    return 0


def _objects(resources: Sequence[Resource], args: argparse.Namespace, now_ms: int) -> str:
    """Return the objects in one of the forms kubectl has."""
    from grapevine.cli.intents_table import intents_table, object_names

    if args.output in ("json", "yaml"):
        content = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": list(resources)}
        return as_data(content, args.output)
    if args.output == "name":
        return object_names(resources)
    if not resources:
        return ""
    return intents_table(resources, now_ms, is_wide=args.output == "wide", has_header=not args.no_headers) + "\n"
