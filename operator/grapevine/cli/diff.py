"""`grapevine diff`: what two sets of ClientIntents say differently; for a person, and for CI."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grapevine.cli.selecting import add_selection_arguments, selection_of
from grapevine.cli.source import (
    CLUSTER,
    Resource,
    add_cluster_arguments,
    add_namespace_arguments,
    namespaces_of,
    read_cluster,
    read_files,
    warn,
)
from grapevine.model.errors import PermanentInputError
from grapevine.model.visible import visible

if TYPE_CHECKING:
    from grapevine.intents.difference import Difference

EXIT_DIFFERENT = 1

_GREEN, _RED, _BOLD, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[0m"

_DESCRIPTION = """\
Say what two sets of ClientIntents say differently: per workload, which targets the
second has and the first has not (+), and the other way round (-).

A and B are each a file, a directory's tree, `-`, or a cluster: `cluster:` is that of
the current context, `cluster:NAME` that of another. What is compared is what the
objects mean: order, names, labels and status are not, and `name.namespace` in the
same namespace is `name`.
"""
_EPILOG = """\
exit codes, as diff(1) has them: 0 the same, 1 different, 2 wrong input or a cluster that cannot be asked

examples:
  # Is what is declared in Git what the cluster has?
  grapevine diff intents/ cluster:

  # Two clusters, one namespace
  grapevine diff -n storefront cluster:staging cluster:production

  # Two days, for a script
  grapevine diff monday/ tuesday/ -o json
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "diff",
        help="say what two sets of ClientIntents say differently",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("before", metavar="A", help="file, directory, -, cluster: or cluster:CONTEXT")
    parser.add_argument("after", metavar="B", help="the same")
    add_namespace_arguments(parser)
    add_selection_arguments(parser)
    add_cluster_arguments(parser)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="form (%(default)s)")
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colours; auto: on a terminal"
    )


def run(args: argparse.Namespace) -> int:
    """Print the differences; return 0 where there are none, else 1.

    Raises:
        PermanentInputError: a flag, a file or a cluster cannot be used.
        RetryableError: an API server does not answer.
    """
    from grapevine.intents.difference import compare, doubles  # the help needs none of it
    from grapevine.intents.selection import select
    from grapevine.kube.manifests import to_json

    if args.before == args.after == "-":
        raise PermanentInputError("A and B: only one of them can be -")
    selection = selection_of(args)
    before, after = (select(_read(place, args), selection) for place in (args.before, args.after))
    for place, resources in ((args.before, before), (args.after, after)):
        for client in doubles(resources):
            warn(f"{place}: several objects about {client.namespace}/{client.name} count as one")
    found = compare(before, after)
    if args.output == "json":
        print(to_json({"a": args.before, "b": args.after, "workloads": [_as_json(each) for each in found]}), end="")
    elif found:
        print(*_lines(args.before, args.after, found, is_coloured=_is_coloured(args.color)), sep="\n")
    return EXIT_DIFFERENT if found else 0


def _read(place: str, args: argparse.Namespace) -> list[Resource]:
    namespaces = namespaces_of(args)
    if not place.startswith(CLUSTER):
        return read_files(Path(place), namespaces)
    return read_cluster(args.kubeconfig, place.removeprefix(CLUSTER) or args.context, namespaces)


def _as_json(difference: "Difference") -> dict[str, Any]:
    fields = asdict(difference)
    return {**fields.pop("client"), **fields}


def _lines(a: str, b: str, found: Sequence["Difference"], *, is_coloured: bool) -> Iterator[str]:
    def painted(colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if is_coloured else text

    yield painted(_BOLD, visible(f"--- {a}"))
    yield painted(_BOLD, visible(f"+++ {b}"))
    for each in found:
        kind = f" ({each.client.kind})" if each.client.kind else ""
        yield painted(_BOLD, visible(f"{each.client.namespace}/{each.client.name}{kind}: {each.change}"))
        yield from (painted(_RED, f"  - {_words(target)}") for target in each.removed)
        yield from (painted(_GREEN, f"  + {_words(target)}") for target in each.added)


def _words(target: Resource) -> str:
    """Return one target on one line, as it would stand in the resource."""
    import yaml

    flow = yaml.safe_dump(dict(target), default_flow_style=True, sort_keys=False, allow_unicode=True, width=1 << 30)
    return visible(flow.rstrip("\n").removeprefix("{").removesuffix("}"))


def _is_coloured(wanted: str) -> bool:
    return wanted == "always" or (wanted == "auto" and sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
