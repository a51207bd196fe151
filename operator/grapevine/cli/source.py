"""Where a command reads ClientIntents from: a cluster, as kubectl finds it, or files."""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grapevine.model.errors import PermanentInputError

if TYPE_CHECKING:
    from grapevine.kube.session import Session

Resource = Mapping[str, Any]

CLUSTER = "cluster:"
DEFAULT_NAMESPACE = "default"


def add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--kubeconfig` and `--context`."""
    parser.add_argument("--kubeconfig", metavar="FILE", help="credentials; by default kubectl's")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig; by default its current one")


def add_namespace_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `-n` and `-A`."""
    parser.add_argument(
        "-n",
        "--namespace",
        "--namespaces",
        action="append",
        default=[],
        metavar="NAME",
        help="clients of this namespace alone; again, or with commas, for more. In files, one name is also that of "
        f"objects that have none, which otherwise are in {DEFAULT_NAMESPACE!r}",
    )
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="clients of every namespace; the default")


def add_filename_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `-f`, which reads `what` instead of a cluster."""
    text = f"read {what} or - instead of a cluster; again for more"
    parser.add_argument("-f", "--filename", action="append", type=Path, default=[], metavar="PATH", help=text)


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all there is to say about where from, for a command with one source."""
    add_filename_argument(parser, "a file, a directory's tree")
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="objects with these labels alone")
    add_namespace_arguments(parser)
    add_cluster_arguments(parser)


def namespaces_of(args: argparse.Namespace) -> tuple[str, ...]:
    """Return the namespaces asked for, none for all.

    Raises:
        PermanentInputError: some and all were asked for.
    """
    named = tuple(name for text in args.namespace for name in text.split(",") if name)
    if named and args.all_namespaces:
        raise PermanentInputError("-n and -A: give one of them")
    for name in named:
        cluster, colon, own = name.rpartition(":")  # a merged map's namespaces have their cluster before them
        parts = [each.replace("-", "") for each in ((cluster, own) if colon else (own,))]
        if not all(each.isalnum() and each.isascii() for each in parts):
            raise PermanentInputError(f"-n: {name!r} is no name of a namespace")
    return tuple(dict.fromkeys(named))


def read_source(args: argparse.Namespace) -> list[Resource]:
    """Return the ClientIntents that `add_source_arguments` lets a person ask for; of files, those of every namespace.

    Raises:
        PermanentInputError: a flag, a file or the cluster cannot be used.
        RetryableError: the API server does not answer.
    """
    namespaces = namespaces_of(args)
    if not args.filename:
        return read_cluster(args.kubeconfig, args.context, namespaces, args.selector)
    if args.selector:
        raise PermanentInputError("-l selects in a cluster: of files, name those that are meant")
    return [resource for path in args.filename for resource in read_files(path, namespaces)]


def read_files(path: Path, namespaces: Sequence[str]) -> list[Resource]:
    """Return the ClientIntents of a file, a directory's tree or `-`; what was lost of old ones is said on stderr.

    Raises:
        PermanentInputError: a file or an object in it cannot be used.
    """
    from grapevine.kube.intents_files import read_intents_files  # the help needs none of it

    default = namespaces[0] if len(namespaces) == 1 else DEFAULT_NAMESPACE
    found = read_intents_files(path, default)
    for each in found:
        for remark in each.remarks:
            warn(remark)
    if not found:
        warn(f"{path}: no ClientIntents in it")
    return [each.resource for each in found]


def read_cluster(
    kubeconfig: str | None, context: str | None, namespaces: Sequence[str] = (), selector: str = ""
) -> list[Resource]:
    """Return the ClientIntents of a cluster.

    Raises:
        PermanentInputError: it cannot be asked, does not know the resource, or forbids to list it.
        RetryableError: it does not answer.
    """
    return asyncio.run(_list(kubeconfig, context, namespaces, selector))


async def _list(
    kubeconfig: str | None, context: str | None, namespaces: Sequence[str], selector: str
) -> list[Resource]:
    from grapevine.kube.errors import ForbiddenError
    from grapevine.kube.intents_list import list_intents

    async with await open_cluster(kubeconfig, context) as session:
        try:
            listed = await list_intents(session, namespaces, selector=selector)
        except ForbiddenError as error:
            remedy = "" if namespaces else ", or name a namespace you may read with -n"
            raise PermanentInputError(f"{error}{remedy}") from error
        return [each for each in listed if is_usable(each)]


async def open_cluster(kubeconfig: str | None, context: str | None) -> "Session":
    """Return a session with a cluster that answers, and knows the resource.

    Raises:
        PermanentInputError: it cannot be asked, or does not know the resource.
        RetryableError: it does not answer.
    """
    from grapevine.kube.session import Session, preflight

    session = await Session.open(kubeconfig, context)
    try:
        await preflight(session)
    except BaseException:
        await session.close()
        raise
    return session


def is_usable(resource: Resource) -> bool:
    """Tell whether an object of a cluster names a workload; the API server takes one without a spec."""
    from grapevine.intents.read import read_intents

    try:
        read_intents(resource)
    except PermanentInputError as error:
        warn(f"{error}; it is left out")
        return False
    return True


def warn(text: str) -> None:
    """Say something on stderr, on one line."""
    from grapevine.model.visible import visible

    print(f"grapevine: {visible(text)}", file=sys.stderr)
