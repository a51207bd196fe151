"""`grapevine migrate`: from Otterize's CRDs to Grapevine's, in an order that loses nothing; planned, and resumable."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grapevine.cli.source import add_cluster_arguments
from grapevine.model.errors import GrapevineError, PermanentInputError, RetryableError
from grapevine.model.visible import visible

if TYPE_CHECKING:
    from grapevine.insight.migration import Otterize
    from grapevine.kube.migration import Migration

EXIT_BLOCKED = 1

_DESCRIPTION = """\
Take over ClientIntents from Otterize: rewrite its objects in the version that stays
while its webhook still answers, stop its operator, put Grapevine's CRD in the place of
its own, and take off the finalizers that nobody else would. Every object stays, and so
does every NetworkPolicy.

Says what it will do and asks; --dry-run only says. Writes a backup before the first
change. Cut short, it goes on where it was when it is run again.
"""
_EPILOG = """\
exit codes: 0 done, or nothing to do; 1 something is in the way, nothing was changed; 2 wrong input, or
a step failed (one line says which; run the same again)

examples:
  grapevine migrate --from-otterize --dry-run
  grapevine migrate --from-otterize --context staging --backup staging.json
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "migrate",
        help="take over ClientIntents from Otterize",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("--from-otterize", action="store_true", required=True, help="must be given: there is no other")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--backup", type=Path, default=Path("otterize-backup.json"), metavar="FILE", help="written first (%(default)s)"
    )
    parser.add_argument(
        "--accept-policies",
        action="store_true",
        help="stop Otterize although its NetworkPolicies are in force, which shut out pods that start later",
    )
    add_cluster_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Migrate; return 0, or 1 where something is in the way.

    Raises:
        PermanentInputError: a flag or the backup cannot be used, or the cluster refuses a step.
        RetryableError: the API server does not answer, or what was waited for did not come.
    """
    return asyncio.run(_migrate(args))


async def _migrate(args: argparse.Namespace) -> int:
    from grapevine.insight.migration import blockers, plan  # the help needs none of it
    from grapevine.kube.migration import Migration
    from grapevine.kube.session import Session

    async with await Session.open(args.kubeconfig, args.context) as session:
        migration = Migration(session)
        found = await migration.read()
        steps = plan(found)
        print(f"{session.server} ({session.origin})\n")
        if not steps:
            print("Nothing of Otterize's is left to take over.", *_afterwards(found), sep="\n")
            return 0
        in_the_way = blockers(found, accepts_policies=args.accept_policies)
        print(f"   0. write a backup to {args.backup}")
        print(*(visible(f"  {number:>2}. {step.says}") for number, step in enumerate(steps, 1)), sep="\n", end="\n\n")
        if in_the_way:
            print(*(f"In the way: {each}" for each in in_the_way), sep="\n")
            return EXIT_BLOCKED
        if args.dry_run:
            print("Nothing was changed.")
            return 0
        _ask(args)
        _write_backup(migration, args.backup)
        for number, step in enumerate(steps, 1):
            try:
                await migration.do(step)
            except GrapevineError as error:
                remedy = "what is done stays done; run the same again to go on"
                family = RetryableError if isinstance(error, RetryableError) else PermanentInputError
                raise family(f"step {number} ({step.action} {step.subject}): {error}; {remedy}") from error
            print(visible(f"  {number:>2}. done: {step.action} {step.subject}"), flush=True)
    print("", *_afterwards(found), sep="\n")
    return 0


def _ask(args: argparse.Namespace) -> None:
    if args.yes:
        return
    if not sys.stdin.isatty():
        raise PermanentInputError("nobody is there to ask: say --yes to do it, or --dry-run to look")
    print("Do it? [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise PermanentInputError("nothing was changed")


def _write_backup(migration: "Migration", file: Path) -> None:
    """Write the backup, unless an earlier run has: what that one found is what there was.

    Raises:
        PermanentInputError: the file is there and is of another cluster, or it cannot be written.
    """
    from grapevine.kube.manifests import read_bytes, to_json, write_text
    from grapevine.kube.migration import read_backup_uid

    if not file.exists():
        write_text(file, to_json(migration.backup()))
        print(f"   0. done: backup in {file}", flush=True)
    elif read_backup_uid(read_bytes(file)) == migration.cluster_uid != "":
        print(f"   0. {file} is there from an earlier run, and stays as it is", flush=True)
    else:
        raise PermanentInputError(f"{file} is there and no backup of this cluster: name another with --backup")


def _afterwards(found: "Otterize") -> list[str]:
    lines = ["Next: grapevine doctor --preflight says what to apply."]
    if found.policies:
        lines.append(
            f"{found.policies:,} NetworkPolicies of Otterize's stay in force; they admit by labels on pods that nobody "
            "puts there any more."
        )
    return lines
