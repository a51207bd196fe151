"""`grapevine dns`: have the cluster's DNS tell Grapevine what it answers. Prints what to do, and does none of it."""

import argparse
import asyncio
import difflib
import ipaddress
import json
import sys
from pathlib import Path
from typing import Any

from grapevine.cli.corefile import CorefileEdit, enable_dnstap
from grapevine.model.errors import PermanentInputError, RetryableError

DNSTAP_PORT = 6000
_KEY = "Corefile"

_DESCRIPTION = """\
Print the change to the cluster's DNS that has it tell Grapevine every response it
gives (dnstap). Nothing is applied: a cluster without DNS is a cluster down, so a
person looks at the change, applies it, and watches CoreDNS come back.
"""

_EXAMPLES = """\
examples:
  # The cluster of the current kubectl context
  grapevine dns enable --dry-run

  # Where the Corefile is somewhere else (k3s, AKS, a Helm chart's values)
  grapevine dns enable --dry-run --corefile Corefile --address 10.96.0.50
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "dns",
        help="print how to have the cluster's DNS report to Grapevine",
        epilog="example: grapevine dns enable --dry-run",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    enable = actions.add_parser(
        "enable",
        help="print the patch to the Corefile",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
    )
    enable.add_argument("--dry-run", action="store_true", help="must be given: nothing is ever applied")
    enable.add_argument(
        "--address", metavar="IP", help="where Grapevine listens; by default the ClusterIP of --service"
    )
    enable.add_argument(
        "--service",
        default="grapevine-system/grapevine-dnstap",
        metavar="NAMESPACE/NAME",
        help="Service of Grapevine's dnstap port (%(default)s)",
    )
    enable.add_argument(
        "--configmap",
        default="kube-system/coredns",
        metavar="NAMESPACE/NAME",
        help="where CoreDNS has its Corefile (%(default)s)",
    )
    enable.add_argument("--corefile", type=Path, metavar="FILE", help="read it from a file instead")
    enable.add_argument("--kubeconfig", metavar="FILE", help="credentials; by default kubectl's")


def run(args: argparse.Namespace) -> int:
    """Print the change and return 0, also where there is none to make.

    Raises:
        PermanentInputError: a flag, the Corefile or the cluster does not allow it; one line says what to do.
    """
    if not args.dry_run:
        raise PermanentInputError("Grapevine never changes the cluster's DNS: add --dry-run to see what to apply")
    address = None if args.address is None else _parse_address(args.address, "--address")
    before = None if args.corefile is None else _read_file(args.corefile)
    configmap: dict[str, Any] = {}
    if before is None or address is None:  # what the flags say is looked at first: it may be all that is needed
        configmap, address = asyncio.run(_ask_cluster(args, address))
    before = _corefile(configmap, args.configmap) if before is None else before
    endpoint = f"tcp://[{address}]:{DNSTAP_PORT}" if ":" in address else f"tcp://{address}:{DNSTAP_PORT}"
    edit = enable_dnstap(before, endpoint)
    for name in edit.imports:
        unseen = f"grapevine: what `import {name}` brings is not looked into; a server block in it needs"
        print(f"{unseen} `dnstap {endpoint} full` too", file=sys.stderr)
    if edit.text == before:
        print(f"Every server block already has `dnstap {endpoint} full`: nothing to do.")
        return 0
    print("".join(_diff(before, edit)))
    print(_command(args.configmap, configmap, edit) if args.corefile is None else _FILE_REMEDY)
    return 0


_FILE_REMEDY = """\
Bring this to where the Corefile comes from, and watch CoreDNS come back:
  kubectl -n kube-system rollout status deployment/coredns"""


async def _ask_cluster(args: argparse.Namespace, address: str | None) -> tuple[dict[str, Any], str]:
    """Return the ConfigMap, empty where a file is read instead, and the address Grapevine listens on."""
    from grapevine.kube.errors import NotFoundError  # a Corefile in a file needs none of it
    from grapevine.kube.session import Session

    async def get(kind: str, place: str, remedy: str) -> dict[str, Any]:
        namespace, _, name = place.partition("/")
        if not namespace or not name or "/" in name:
            raise PermanentInputError(f"{place!r}: give NAMESPACE/NAME")
        try:
            path = f"/api/v1/namespaces/{namespace}/{kind}/{name}"
            found: dict[str, Any] = json.loads(await session.request("GET", path))
        except NotFoundError as e:
            raise PermanentInputError(f"{place} is not among the {kind} of {session.server}: {remedy}") from e
        except RetryableError as e:
            remedy = f"is the server up, and is it the right one? {without}"
            raise PermanentInputError(f"{e} (from {session.origin}); {remedy}") from e
        return found

    flags = ["--corefile FILE"] * (args.corefile is None) + ["--address IP"] * (address is None)
    without = f"No cluster is asked with {' and '.join(flags)}"
    try:
        opened = await Session.open(args.kubeconfig)
    except PermanentInputError as e:
        raise PermanentInputError(f"{e}. {without}") from e
    async with opened as session:
        configmap = {}
        if args.corefile is None:
            remedy = "name CoreDNS's with --configmap, or give the Corefile with --corefile"
            configmap = await get("configmaps", args.configmap, remedy)
        if address is None:
            remedy = "install Grapevine first, or give its address with --address"
            service = await get("services", args.service, remedy)
            address = _parse_address(service["spec"].get("clusterIP", ""), f"ClusterIP of Service {args.service}")
    return configmap, address


def _parse_address(text: str, what: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as e:
        raise PermanentInputError(
            f"{what}: {text!r} is no IP address, and CoreDNS cannot look up names of the cluster it serves: "
            "give --address IP"
        ) from e


def _read_file(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as e:
        raise PermanentInputError(f"{file}: cannot be read: {e}") from e


def _corefile(configmap: dict[str, Any], place: str) -> str:
    text = (configmap.get("data") or {}).get(_KEY)
    if not isinstance(text, str):
        raise PermanentInputError(f"ConfigMap {place} has no {_KEY}: name CoreDNS's with --configmap")
    return text


def _diff(before: str, edit: CorefileEdit) -> list[str]:
    return list(
        difflib.unified_diff(
            before.splitlines(keepends=True), edit.text.splitlines(keepends=True), f"a/{_KEY}", f"b/{_KEY}"
        )
    )


def _command(place: str, configmap: dict[str, Any], edit: CorefileEdit) -> str:
    """Return the command that applies it, unless the ConfigMap has changed since."""
    namespace, _, name = place.partition("/")
    version = (configmap.get("metadata") or {}).get("resourceVersion", "")
    patch = json.dumps({"metadata": {"resourceVersion": version}, "data": {_KEY: edit.text}})
    return f"""\
To apply it (CoreDNS's `reload` takes it up within a minute; refused if somebody changes the ConfigMap before):

kubectl --namespace {namespace} patch configmap {name} --type merge --patch-file /dev/stdin <<'PATCH'
{patch}
PATCH

Then watch that CoreDNS stays up:  kubectl --namespace {namespace} logs --selector k8s-app=kube-dns --tail 5
Without `reload` in the Corefile:  kubectl --namespace {namespace} rollout restart deployment/coredns"""
