"""`grapevine list`: who calls whom, from a cluster or from files."""

import argparse
import time
from collections.abc import Sequence

from grapevine.cli.duration import parse_duration_s
from grapevine.cli.selecting import add_selection_arguments, selection_of
from grapevine.cli.source import Resource, add_source_arguments, read_source, warn
from grapevine.model.visible import visible

FORMS = ("text", "table", "wide", "json", "yaml", "name")

_DESCRIPTION = """\
Say who calls whom: what was observed, and of an object nothing was observed for yet,
or of a file, what it declares.

By default as text, one client after the other; as a table it is that of
`kubectl get clientintents -A`. JSON and YAML are whole objects.
"""
_EPILOG = """\
exit codes: 0 done, also where there is nothing; 2 wrong input, or the cluster cannot be asked

examples:
  # Who calls whom in the cluster of the current context
  grapevine list

  # What one workload calls, what calls another, what calls a domain
  grapevine list --client storefront/web
  grapevine list --server redis.orders
  grapevine list --server api.example.com

  # What was seen in two namespaces within a day, in another cluster
  grapevine list -n storefront,orders --since 24h --context staging

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
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_source_arguments(parser)
    add_selection_arguments(parser)
    parser.add_argument("--since", metavar="DURATION", help="calls seen within it alone: 90s, 15m, 24h, 7d")
    parser.add_argument("-o", "--output", choices=FORMS, default="text", help="form (%(default)s)")
    parser.add_argument("--no-headers", action="store_true", help="no heading above a table")


def run(args: argparse.Namespace) -> int:
    """Print who calls whom and return 0.

    Raises:
        PermanentInputError: a flag, a file or the cluster cannot be used.
        RetryableError: the API server does not answer.
    """
    from grapevine.cli.calls_text import call_lines  # the help needs none of it
    from grapevine.intents.selection import select_calls

    now_ms = time.time_ns() // 1_000_000
    since_ms = now_ms - parse_duration_s(args.since, "--since") * 1_000 if args.since else 0
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


def _objects(resources: Sequence[Resource], args: argparse.Namespace, now_ms: int) -> str:
    """Return the objects in one of the forms kubectl has."""
    from grapevine.cli.intents_table import intents_table
    from grapevine.intents import resource as names
    from grapevine.kube.manifests import to_json, to_yaml

    if args.output in ("json", "yaml"):
        content = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": list(resources)}
        return to_json(content) if args.output == "json" else to_yaml(content)
    if args.output == "name":
        return "".join(f"{names.PLURAL}.{names.GROUP}/{visible(each['metadata']['name'])}\n" for each in resources)
    if not resources:
        return ""
    return intents_table(resources, now_ms, is_wide=args.output == "wide", has_header=not args.no_headers) + "\n"
