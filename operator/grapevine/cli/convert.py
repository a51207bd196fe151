"""`grapevine convert`: Otterize's older manifests as v2beta1, and what does not go over."""

import argparse
import sys
from pathlib import Path

from grapevine.cli.source import Resource, warn
from grapevine.model.errors import PermanentInputError

EXIT_LOSSES = 1

_DESCRIPTION = """\
Write Otterize's manifests (v1alpha2, v1alpha3, v1beta1, v2alpha1) as v2beta1, and say
on stderr what does not go over as it was. Objects of other groups stay as they are;
comments do not survive.

list, export and diff read old manifests by themselves; this is to bring files, or Git,
to the version that stays.
"""
_EPILOG = """\
exit codes: 0 everything went over, 1 written, but something is lost or will be refused (the lines on
stderr that say `lost`), 2 wrong input, and nothing is written

examples:
  grapevine convert intents-v1.yaml > intents.yaml
  grapevine convert manifests/ -o converted/        # each file under its own name
  kubectl get clientintents.v1alpha3.k8s.otterize.com -A -o yaml | grapevine convert -
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "convert",
        help="bring Otterize's older manifests to v2beta1",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="file, directory or -")
    parser.add_argument("-o", "--output", metavar="PATH", default="", help="file or directory/; by default to stdout")
    parser.add_argument("--format", choices=("yaml", "json"), default="yaml", help="%(default)s by default")


def run(args: argparse.Namespace) -> int:
    """Write the manifests; return 1 where something was lost, else 0.

    Raises:
        PermanentInputError: a file or an object in it cannot be used, or the output cannot be written.
    """
    from grapevine.cli.export import is_directory, stream  # the help needs none of it
    from grapevine.kube.intents_files import convert_manifest
    from grapevine.kube.manifests import find_files, read_manifests, write_text

    by_name: dict[Path, list[Resource]] = {}
    losses = 0
    for path in args.paths:
        for file in find_files(path):
            name = (file.relative_to(path) if path.is_dir() else Path(file.name)).with_suffix(f".{args.format}")
            if name in by_name:
                raise PermanentInputError(f"{file}: another file becomes {name} as well: convert them one by one")
            conversions = [convert_manifest(each) for each in read_manifests(file)]
            by_name[name] = [each.resource for each in conversions]
            for remark in (remark for each in conversions for remark in each.remarks):
                losses += remark.is_loss
                warn(f"{'lost: ' if remark.is_loss else ''}{remark.text}")
    everything = [each for resources in by_name.values() for each in resources]
    if not args.output:
        sys.stdout.write(stream(everything, args.format))
    elif is_directory(args.output, None):
        for name, resources in by_name.items():
            write_text(Path(args.output) / name, stream(resources, args.format))
    else:
        write_text(Path(args.output), stream(everything, args.format))
    return EXIT_LOSSES if losses else 0
