"""`grapevine doctor`: what a running operator does not see, or what stands in the way of the first apply.

Reads, asks about the person's own rights, and changes nothing.
"""

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from grapevine.cli.findings import finding_lines
from grapevine.cli.operator_api import add_operator_arguments, ask
from grapevine.model.errors import PermanentInputError
from grapevine.model.finding import Finding, Level

if TYPE_CHECKING:
    from grapevine.kube.session import Session

EXIT_BLOCKED = 1
EXIT_UNKNOWN = 2

_DESCRIPTION = """\
Ask a running operator what its map does not see, what that means, and what to do.

With --preflight, look at a cluster before the first `kubectl apply`: the API server's version, whose
ClientIntents are there, what else maps or enforces them, network and DNS, policies,
and whether you may apply what deploy/ holds. Changes nothing.
"""
_EPILOG = """\
exit codes: 0 nothing stands in the way, 1 something does, 2 could not look at everything

examples:
  # A running operator
  grapevine doctor

  # The cluster of the current kubectl context
  grapevine doctor --preflight

  # Without a cluster, from files
  grapevine run --pcap dns.pcap --cluster cluster.json --out intents/ --doctor

  # Another one, for a script
  grapevine doctor --preflight --context staging -o json
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what is not seen, or what is in the way of the first apply",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("--preflight", action="store_true", help="look at a cluster before the first apply instead")
    add_operator_arguments(parser)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="form (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Print the findings; return 0, or 1 where one is a blocker, or else 2 where something could not be looked at.

    Raises:
        PermanentInputError: the API server, or the operator, cannot be asked anything.
        RetryableError: no operator answers.
    """
    if not args.preflight:
        return _running(args)
    return asyncio.run(_preflight(args))


def _running(args: argparse.Namespace) -> int:
    """Print what a running operator finds."""
    reply = ask(args, "/api/v1/doctor", {})
    answer = reply.fields
    if args.output == "json":
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    try:
        findings = [Finding(**{**each, "level": Level(each["level"])}) for each in answer["findings"]]
    except (KeyError, TypeError, ValueError) as error:
        raise PermanentInputError(f"{reply.source}: what answers there is no operator of this version") from error
    if args.output == "text":
        bad = sum(finding.level in (Level.WARNING, Level.BLOCKER) for finding in findings)
        last = f"{bad} of {len(findings)} want something done." if bad else "Nothing wants anything done."
        print(
            *[f"{reply.source} (Grapevine {answer.get('version', '')})", "", *finding_lines(findings), "", last],
            sep="\n",
        )
    return _code(findings)


def _code(findings: Sequence[Finding]) -> int:
    levels = {finding.level for finding in findings}
    if Level.BLOCKER in levels:
        return EXIT_BLOCKED
    return EXIT_UNKNOWN if Level.UNKNOWN in levels else 0


async def _preflight(args: argparse.Namespace) -> int:
    from grapevine.cli.preflight import command, judge  # the help needs none of it
    from grapevine.kube.preflight import read_cluster
    from grapevine.kube.session import Session

    async with await Session.open(args.kubeconfig, args.context) as session:
        facts = await read_cluster(session)
    findings, then = judge(facts), command(facts)
    print(_as_json(session, findings, then) if args.output == "json" else _as_text(session, findings, then))
    return _code(findings)


def _as_json(session: "Session", findings: Sequence[Finding], then: str) -> str:
    content = {"server": session.server, "findings": [asdict(finding) for finding in findings], "apply": then}
    return json.dumps(content, indent=2, ensure_ascii=False)


def _as_text(session: "Session", findings: Sequence[Finding], then: str) -> str:
    lines = [f"{session.server} ({session.origin})", "", *finding_lines(findings)]
    counts = Counter(str(finding.level) for finding in findings)
    blockers, unknown = counts["blocker"], counts["unknown"]
    if blockers:
        in_order = ", to be ended in this order" if blockers > 1 else ""
        last = f"Do not apply yet: {blockers} in the way{in_order}. Then: {then}"
    elif unknown:
        last = f"{unknown} could not be looked at; nothing else stands in the way of: {then}"
    else:
        last = f"Nothing stands in the way: {then}"
    return "\n".join([*lines, "", last])
