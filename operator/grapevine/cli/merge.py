"""`grapevine merge`: the maps of several clusters in one file, which every other command reads."""

import argparse
import re
from pathlib import Path

from grapevine.cli.snapshot import write_snapshot
from grapevine.cli.source import CLUSTER, Resource, read_cluster, read_files, warn
from grapevine.model.errors import PermanentInputError

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DESCRIPTION = """\
Write the maps of several clusters as one, which `visualize`, `blast`, `spof`, `list` and
`diff` read with -f. A namespace has its cluster before it: `production:orders`.

Calls stay within their cluster. A name outside is the same name for all of them, and
stays outside: that it leads to a workload of another of these clusters is in no map.
--join says so, where a person knows.
"""
_EPILOG = """\
exit codes: 0 done; 2 wrong input, or a cluster that cannot be asked

examples:
  # Two snapshots, and who is hit in both clusters when one database is down
  grapevine merge eu=eu.json us=us.json -o both.json
  grapevine blast eu:orders/StatefulSet/redis --down -f both.json

  # From the clusters themselves; what us asks for under this name is eu's web
  grapevine merge eu=cluster:eu us=cluster:us --join shop.example.com=eu:front/Deployment/web -o both.json
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "merge",
        help="join the maps of several clusters in one file",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "places", metavar="NAME=FILE", nargs="+", help="a cluster's name, and a snapshot, directory or cluster:CONTEXT"
    )
    parser.add_argument(
        "--join",
        action="append",
        default=[],
        metavar="DOMAIN=NAME:NAMESPACE/KIND/NAME",
        help="this name outside is that workload, or Service, of a cluster; again for more",
    )
    parser.add_argument("--kubeconfig", metavar="FILE", help="credentials; by default kubectl's")
    parser.add_argument("-o", "--output", metavar="FILE", default="", help="by default to stdout")


def run(args: argparse.Namespace) -> int:
    """Write the file and return 0.

    Raises:
        PermanentInputError: a flag, a file or a cluster cannot be used, or the output cannot be written.
        RetryableError: an API server does not answer.
    """
    from grapevine.intents.merging import in_cluster, parse_join  # the help needs none of it
    from grapevine.kube.manifests import require_directory

    places = _places(args.places)
    joins = dict(parse_join(text, frozenset(places)) for text in args.join)
    if args.output:
        require_directory(Path(args.output))
    found = [in_cluster(each, name, joins) for name, place in places.items() for each in _read(place, args.kubeconfig)]
    unused = joins.keys() - {name for each in found for name in each.joined}
    for domain in sorted(unused):
        warn(f"--join: nothing calls {domain}")
    write_snapshot([each.resource for each in found], args.output)
    return 0


def _places(words: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        name, _, place = word.partition("=")
        if not _NAME.fullmatch(name) or not place:
            raise PermanentInputError(f"{word!r} names no cluster: give NAME=FILE, NAME of small letters, digits and -")
        if name in found:
            raise PermanentInputError(f"{name!r} is given twice: each cluster has a name of its own")
        found[name] = place
    return found


def _read(place: str, kubeconfig: str | None) -> list[Resource]:
    if place.startswith(CLUSTER):
        return read_cluster(kubeconfig, place.removeprefix(CLUSTER) or None)
    return read_files(Path(place), ())
