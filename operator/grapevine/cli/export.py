"""`grapevine export`: ClientIntents as files for Git, for Kustomize, or for another cluster."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from grapevine.cli.selecting import add_selection_arguments, selection_of
from grapevine.cli.source import Resource, add_source_arguments, read_source, warn

_DESCRIPTION = """\
Write ClientIntents as manifests, from a cluster or from files: what Grapevine
discovered, and with --declared a person's objects too; of files, all of them. Equal
objects give equal bytes.

Written without the labels of Grapevine's own objects: whoever applies them declares
them. --keep-origin leaves the labels on, to move a map to another cluster, where
`kubectl apply --server-side --field-manager=grapevine` makes it Grapevine's again.

With --output-type dir, or -o naming a directory: one file a workload,
NAMESPACE/NAME.yaml, and a kustomization.yaml that lists them. --server and
--exclude-services leave out targets: such objects are for reading, not for applying.
"""
_EPILOG = """\
exit codes: 0 done, also where there is nothing; 2 wrong input, or the cluster cannot be asked

examples:
  # The map, as one file
  grapevine export > intents.yaml

  # One file a workload, for Git and Kustomize
  grapevine export -n storefront -o intents/
  kubectl apply -k intents/ --dry-run=server

  # Everything that calls one workload, as JSON
  grapevine export --server redis.orders --format json
"""
KUSTOMIZATION = "kustomization.yaml"
_MADE_BY = "# Written by `grapevine export`, which writes it anew.\n"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "export",
        help="write ClientIntents as manifests, from a cluster or from files",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add_source_arguments(parser)
    add_selection_arguments(parser)
    parser.add_argument("--declared", action="store_true", help="a person's objects too")
    parser.add_argument("--keep-origin", action="store_true", help="leave on the labels of discovered objects")
    parser.add_argument("--format", choices=("yaml", "json"), default="yaml", help="%(default)s by default")
    parser.add_argument(
        "--output-version", choices=("v2beta1", "v2alpha1"), default="v2beta1", help="%(default)s by default"
    )
    parser.add_argument("-o", "--output", metavar="PATH", default="", help="file or directory; by default to stdout")
    parser.add_argument(
        "--output-type",
        choices=("single-file", "dir"),
        help="what -o names; by default a directory where it is one or ends in /",
    )


def run(args: argparse.Namespace) -> int:
    """Write the manifests and return 0.

    Raises:
        PermanentInputError: a flag, a file or the cluster cannot be used, or the output cannot be written.
        RetryableError: the API server does not answer.
    """
    from grapevine.intents.manifest import manifest  # the help needs none of it
    from grapevine.intents.read import read_intents
    from grapevine.intents.selection import select
    from grapevine.kube.manifests import write_text
    from grapevine.model.errors import PermanentInputError

    if args.output_type and not args.output:
        raise PermanentInputError("--output-type needs -o PATH")
    selection = selection_of(args)
    found = select(read_source(args), selection)
    takes_all = args.declared or args.filename
    wanted = [each for each in found if takes_all or read_intents(each).discovered]
    if len(wanted) < len(found):
        warn(f"{len(found) - len(wanted)} objects of persons left out; --declared takes them in")
    if selection.cuts and wanted:
        warn("objects without all of their targets: to read, not to apply")
    manifests = [manifest(each, version=args.output_version, keep_origin=args.keep_origin) for each in wanted]
    if not args.output:
        sys.stdout.write(stream(manifests, args.format))
    elif is_directory(args.output, args.output_type):
        _write_directory(Path(args.output), manifests, args.format)
        warn(f"{len(manifests)} objects in {args.output}")
    else:
        write_text(Path(args.output), stream(manifests, args.format))
        warn(f"{len(manifests)} objects in {args.output}")
    return 0


def is_directory(output: str, output_type: str | None) -> bool:
    """Tell whether `-o` names a directory."""
    return output_type == "dir" or (output_type is None and (output.endswith("/") or Path(output).is_dir()))


def stream(manifests: Sequence[Resource], form: str) -> str:
    """Return the objects as one text: YAML documents, or a JSON array."""
    from grapevine.kube.manifests import to_json, to_yaml

    return to_json(list(manifests)) if form == "json" else "---\n".join(map(to_yaml, manifests))


def _write_directory(directory: Path, manifests: Sequence[Resource], form: str) -> None:
    """Write one file an object, and the list of them; what else is there is left alone and told.

    Raises:
        PermanentInputError: a name makes no file name, a `kustomization.yaml` is somebody else's, or writing fails.
    """
    from grapevine.kube.manifests import find_files, read_bytes, to_json, to_yaml, write_text
    from grapevine.model.errors import PermanentInputError

    kustomization = directory / KUSTOMIZATION
    if kustomization.exists() and not read_bytes(kustomization).startswith(_MADE_BY.encode()):
        remedy = "export to a directory of its own, and name that in yours"
        raise PermanentInputError(f"{kustomization} was not written by `grapevine export`: {remedy}")
    files = {_file_of(each, form): each for each in manifests}
    for file, resource in files.items():
        write_text(directory / file, to_json(resource) if form == "json" else to_yaml(resource))
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [file.as_posix() for file in sorted(files)],
    }
    write_text(kustomization, _MADE_BY + to_yaml(content))
    written = {directory / file for file in files} | {kustomization}
    if others := [file for file in find_files(directory) if file not in written]:
        warn(f"{len(others)} other files stay in {directory} and are not in {KUSTOMIZATION}, such as {others[0]}")


def _file_of(resource: Resource, form: str) -> Path:
    """Return where an object goes: an object that came from a file may have any name."""
    from grapevine.intents.resource import is_subdomain
    from grapevine.model.errors import PermanentInputError

    namespace, name = resource["metadata"]["namespace"], resource["metadata"]["name"]
    if not is_subdomain(namespace) or not is_subdomain(name):
        raise PermanentInputError(f"ClientIntents {namespace}/{name}: that is no name the API server takes")
    return Path(namespace) / f"{name}.{form}"
