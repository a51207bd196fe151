"""`grapevine promote`: a discovered ClientIntents becomes a person's."""

import argparse
import asyncio

from grapevine.cli.source import add_cluster_arguments
from grapevine.model.identity import ObjectName

_EXAMPLES = """\
examples:
  grapevine promote shop/web shop/cart
  kubectl get clientintents -n shop -o yaml        # then keep it in Git

To promote is to remove the label grapevine.dev/origin. To apply or edit the object by
other means does the same: whoever writes to its spec owns it.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "promote",
        help="make discovered ClientIntents yours",
        description="Make discovered ClientIntents yours: their spec stays as it is, whatever is seen from then on.\n"
        "What was seen and is not declared, and the other way round, is then in their status.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("objects", nargs="+", metavar="NAMESPACE/NAME", help="the ClientIntents objects")
    add_cluster_arguments(parser)
    parser.add_argument("--dry-run", action="store_true", help="only ask the API server whether it would")


def run(args: argparse.Namespace) -> int:
    """Promote each object in turn and return the exit code.

    Raises:
        PermanentInputError: a name is none, an object is missing or is a person's already, or it may not be changed.
        RetryableError: the API server does not answer.
    """
    from grapevine.settings import parse_name

    names = [parse_name(each, "promote") for each in args.objects]
    asyncio.run(_promote(names, args))
    return 0


async def _promote(names: list[ObjectName], args: argparse.Namespace) -> None:
    from grapevine.kube.promotion import promote
    from grapevine.kube.session import Session

    async with await Session.open(args.kubeconfig, args.context) as session:
        for name in names:
            await promote(session, name, dry_run=args.dry_run)
            print(f"clientintents {name.namespace}/{name.name} promoted{' (dry run)' if args.dry_run else ''}")
