"""`grapevine watch`: what workloads reach for the first time, as it happens. Asks the operator, again and again."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grapevine.cli.operator_api import add_operator_arguments, ask
from grapevine.cli.source import add_namespace_arguments, namespaces_of, warn
from grapevine.model.errors import GrapevineError, PermanentInputError
from grapevine.model.timestamp import format_s
from grapevine.model.visible import visible

WAIT_S = 25
"""For one answer: well under the minute after which proxies cut what is silent."""
_MIN_BACKOFF_S, _MAX_BACKOFF_S = 1.0, 30.0
_RECENT_MS = 3_600_000
"""Who has listened for less than this is said to: the edge may have been there unheard."""

_DESCRIPTION = """Say when a workload reaches something for the first time after its learning period:
what the operator remembers, and then what comes, until interrupted.

A line says when it was first seen, who, what, and what it was seen by. New is what
nobody has heard before: where the operator, or what it hears by, was away shortly
before, the line says since when it has listened.
"""
_EPILOG = """exit codes: 0 done (--once), 2 the operator could not be asked, 130 interrupted

examples:
  # All that is new in the cluster
  grapevine watch

  # In two namespaces, as one JSON object a line
  grapevine watch -n shop,billing -o json

  # What is remembered after the last that was seen, and then no more
  grapevine watch --after 3f2a90c1d0e4b867/41 --once -o json
"""


@dataclass(frozen=True, slots=True)
class _Position:
    """What was seen last."""

    instance: str
    """The operator process that gave the number; empty for any."""
    seq: int


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "watch",
        help="say when a workload reaches something for the first time",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add_namespace_arguments(parser)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="form (%(default)s)")
    parser.add_argument(
        "--after", default="0", metavar="ID", help="what came after this one alone, by its `id` in JSON"
    )
    parser.add_argument("--once", action="store_true", help="print what is remembered, and end")
    add_operator_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print news until interrupted, or with `--once` what there is, and return 0.

    Raises:
        PermanentInputError: a flag is wrong, or the operator could not be asked the first time.
        RetryableError: the operator did not answer the first time.
    """
    namespaces = ",".join(namespaces_of(args))
    for page in _pages(args, _parse_position(args.after), namespaces):
        for item in page["items"]:
            print(_json_line(item, page["instance"]) if args.output == "json" else _text_line(item))
        sys.stdout.flush()
    return 0


def _pages(args: argparse.Namespace, at: _Position, namespaces: str) -> Iterator[Mapping[str, Any]]:
    """Yield answer upon answer; once there was one, a failure is waited out."""
    backoff_s = 0.0
    was_answered = False
    while True:
        wait_s = 0 if args.once else WAIT_S
        query = {"after": str(at.seq), "instance": at.instance, "wait": str(wait_s), "namespace": namespaces}
        try:
            page = ask(args, "/api/v1/news", query, patience_s=wait_s).fields
            now = _Position(str(page["instance"]), int(page["next"]))
        except (GrapevineError, LookupError, ValueError) as error:
            if not was_answered:
                raise _first_failure(error) from error
            if not backoff_s:
                warn(f"{error}; asking again until it answers")
            backoff_s = min(max(2 * backoff_s, _MIN_BACKOFF_S), _MAX_BACKOFF_S)
            time.sleep(backoff_s)
            continue
        if at.instance not in ("", now.instance):
            warn("another operator process answers now: what was new before it took over is in the objects' status")
        if page["missed"]:
            warn(f"{page['missed']} new edges came and were forgotten before they were asked for")
        was_answered, backoff_s = True, 0.0
        yield page
        if args.once and not page["items"]:
            return
        at = now


def _first_failure(error: Exception) -> GrapevineError:
    if isinstance(error, GrapevineError):
        return error
    return PermanentInputError("what answers tells no news: it is no operator, or another version")


def _parse_position(text: str) -> _Position:
    instance, _, number = text.rpartition("/")
    if not (number.isascii() and number.isdigit() and len(number) < 16 and (instance.isalnum() or not instance)):
        raise PermanentInputError(f"--after: {text!r} is no id: give one as `grapevine watch -o json` prints it")
    return _Position(instance, int(number))


def _json_line(item: Mapping[str, Any], instance: str) -> str:
    return json.dumps({"id": f"{instance}/{item['seq']}", **item}, ensure_ascii=True)


def _text_line(item: Mapping[str, Any]) -> str:
    target = item["target"]
    parts = [
        format_s(item["first_ms"]),
        f"{_path(item['client'])} → {_path(target)}",
        f"{'+'.join(item['evidence'])} {item['confidence']} %",
    ]
    if item["ports"]:
        parts.append("port " + ",".join(map(str, item["ports"])))
    if item["listened_ms"] < _RECENT_MS:
        parts.append(f"(listened to since {format_s(item['told_ms'] - item['listened_ms'])})")
    return visible("  ".join(parts))


def _path(fields: Mapping[str, Any]) -> str:
    return "/".join(filter(None, (fields["namespace"], fields["kind"], fields["name"])))
