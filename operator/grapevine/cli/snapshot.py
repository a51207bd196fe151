"""`grapevine snapshot`: the map as it is now, with all that was seen, in one file that every other command reads."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from grapevine.cli.source import Resource, add_source_arguments, read_source, warn

_DESCRIPTION = """\
Write the map as it is now, ClientIntents with their status, as one JSON file: what
`list`, `diff`, `visualize`, `blast`, `spof` and `advise` read with -f. Written without
what only the API server needs. Equal maps give equal bytes.
"""
_EPILOG = """\
exit codes: 0 done, also where there is nothing; 2 wrong input, or the cluster cannot be asked

examples:
  # Today's map, and what is different a week later
  grapevine snapshot -o monday.json
  grapevine diff monday.json cluster:

  # A picture of it, without the cluster
  grapevine visualize -f monday.json -o monday.svg
"""
_METADATA = ("name", "namespace", "labels", "annotations")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "snapshot",
        help="keep the map as it is now in a file",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add_source_arguments(parser)
    parser.add_argument("-o", "--output", metavar="FILE", default="", help="by default to stdout")


def run(args: argparse.Namespace) -> int:
    """Write the file and return 0.

    Raises:
        PermanentInputError: a flag, a file or the cluster cannot be used, or the output cannot be written.
        RetryableError: the API server does not answer.
    """
    from grapevine.kube.manifests import require_directory  # the help needs none of it

    if args.output:
        require_directory(Path(args.output))
    write_snapshot(read_source(args), args.output)
    return 0


def write_snapshot(resources: Sequence[Resource], file: str) -> None:
    """Write the objects to a file, and say how many on stderr; to stdout where none is named.

    Raises:
        PermanentInputError: it cannot be written.
    """
    from grapevine.kube.manifests import write_text

    if file:
        write_text(Path(file), snapshot_text(resources))
        warn(f"{len(resources)} objects in {file}")
    else:
        print(snapshot_text(resources), end="")


def snapshot_text(resources: Sequence[Resource]) -> str:
    """Return the objects as a List, by namespace and name."""
    from grapevine.kube.manifests import to_json

    items = sorted(map(_kept, resources), key=lambda each: (each["metadata"]["namespace"], each["metadata"]["name"]))
    return to_json({"apiVersion": "v1", "kind": "List", "items": items})


def _kept(resource: Resource) -> Resource:
    metadata = {key: resource["metadata"][key] for key in _METADATA if key in resource["metadata"]}
    return {
        **{key: resource[key] for key in ("apiVersion", "kind") if key in resource},
        "metadata": metadata,
        **{key: resource[key] for key in ("spec", "status") if key in resource},
    }
