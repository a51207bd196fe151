"""`grapevine blast`: what a workload can reach if it is taken over, and whom it may hit if it is down."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from grapevine.cli.forms import TEXT_FORMS, add_form_argument, add_header_argument, as_data, as_names, as_table
from grapevine.cli.map_source import add_confidence_argument, add_map_source_arguments, percent, read_map
from grapevine.cli.table import format_table
from grapevine.model.errors import PermanentInputError
from grapevine.model.visible import visible

if TYPE_CHECKING:
    from grapevine.view.reach import Blast, Reached
    from grapevine.view.servicemap import Link, NodeRef, ServiceMap

_MAX_DEPTH = 100
_DESCRIPTION = """\
Say what WORKLOAD can reach if it is taken over (--compromised), and whom it may hit if
it is down (--down); without either, both. Each with the surest chain of calls there
and what each call was seen by, the surest first.

A chain is as sure as all of its calls together. A call that was seen is not a need:
whether a caller lives without what it calls is not in DNS, and who never asks DNS is
not seen. Behind a Service with several workloads, the others may still answer.
"""
_EPILOG = """\
exit codes: 0 done, also where nothing is reached; 2 wrong input, or the cluster cannot be asked

examples:
  # Who is hit when the database is down
  grapevine blast orders/redis --down

  # What a taken-over web server reaches in two calls that were seen to connect
  grapevine blast storefront/Deployment/web --compromised --depth 2 --min-confidence 90

  # From a snapshot, for a script
  grapevine blast -f monday.json orders/redis -o json
"""
_COLUMNS = ("CAUSE", "SURE", "CALLS", "KIND", "WHO", "BY")
"""Of a table; the last one is of a wide one."""
_MEANS = {
    "down": "is down: {number} may be hit",
    "compromised": "is taken over: {number} can be reached",
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "blast",
        help="say what a workload reaches if taken over, and whom it hits if down",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "workload",
        metavar="WORKLOAD",
        help="NAME, NAME.NAMESPACE, NAMESPACE/NAME, NAMESPACE/KIND/NAME, or a name outside the cluster",
    )
    cause = parser.add_mutually_exclusive_group()
    cause.add_argument(
        "--compromised", dest="causes", action="store_const", const=["compromised"], help="what it reaches"
    )
    cause.add_argument("--down", dest="causes", action="store_const", const=["down"], help="whom it may hit")
    parser.set_defaults(causes=["down", "compromised"])
    parser.add_argument("--depth", type=int, default=_MAX_DEPTH, metavar="N", help="calls away, at most (%(default)s)")
    add_confidence_argument(parser)
    add_form_argument(parser, TEXT_FORMS)
    add_header_argument(parser)
    add_map_source_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print what is reached and return 0.

    Raises:
        PermanentInputError: a flag, a file or the cluster cannot be used, or WORKLOAD names nothing or several.
        RetryableError: the API server does not answer.
    """
    from grapevine.view.reach import Cause, blast  # the help needs none of it

    if not 1 <= args.depth <= _MAX_DEPTH:
        raise PermanentInputError(
            f"--depth: {args.depth} is not between 1 and {_MAX_DEPTH}: leave it out for as far as calls lead"
        )
    least = percent(args)
    found = read_map(args)
    root = named(found, args.workload)
    blasts = [blast(found, root, Cause(cause), depth=args.depth, min_confidence=least) for cause in args.causes]
    if args.output in ("json", "yaml"):
        from grapevine.view.wire import blast_fields

        text = as_data([blast_fields(each) for each in blasts], args.output)
    elif args.output == "name":
        text = as_names(each.ref for found in blasts for each in found.reached)
    elif args.output == "text":
        text = "\n\n".join("\n".join(_lines(each)) for each in blasts) + "\n"
    else:
        text = as_table(_COLUMNS, (row for each in blasts for row in _rows(each)), args, narrow=len(_COLUMNS) - 1)
    print(text, end="")
    return 0


def named(found: "ServiceMap", text: str) -> "NodeRef":
    """Return the one node that a person names.

    Raises:
        PermanentInputError: it names nothing, or several.
    """
    from grapevine.view.selection import nodes_called

    refs = nodes_called(found, text, "WORKLOAD")
    if len(refs) == 1:
        return refs[0]
    if not refs:
        raise PermanentInputError(f"WORKLOAD: nothing in the map is called {text!r}: grapevine list")
    raise PermanentInputError(f"WORKLOAD: {text!r} names several: {', '.join(map(str, refs))}: say which")


def _rows(found: "Blast") -> Iterator[tuple[str, ...]]:
    for each in found.reached:
        yield found.cause.value, _sure(each), str(each.calls), each.ref.kind, each.ref.words, _chain(each)


def _lines(found: "Blast") -> Iterator[str]:
    yield f"{_node(found.root)} {_MEANS[found.cause.value].format(number=len(found.reached))}"
    if found.circle:
        yield f"  in a circle with {', '.join(map(_node, found.circle))}"
    if found.reached:
        rows = [(_sure(each), str(each.calls), _node(each.ref), _chain(each)) for each in found.reached]
        yield from (f"  {line}" for line in format_table(("SURE", "CALLS", "WHO", "BY"), rows).splitlines())


def _sure(each: "Reached") -> str:
    return f"{each.sure:.0f} %" + (", in part" if each.is_partial else "")


def _chain(each: "Reached") -> str:
    return ", ".join(map(_link, each.chain))


def _link(link: "Link") -> str:
    ends = f"{visible(link.client.words)} → {visible(link.target.words)}"
    if not link.evidence:
        return f"{ends} ({'declared, not seen' if link.state == 'declared' else 'behind the Service'})"
    stale = ", stale" if link.state == "stale" else ""
    return f"{ends} ({'+'.join(map(visible, link.evidence))} {link.confidence} %{stale})"


def _node(ref: "NodeRef") -> str:
    return visible(f"{ref.words} ({ref.kind})" if ref.kind and not ref.is_outside else ref.words)
