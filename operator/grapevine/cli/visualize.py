"""`grapevine visualize`: the map as a picture, as a diagram's source, as a graph or as a table."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from grapevine.cli.map_source import add_map_source_arguments, add_part_arguments, selected
from grapevine.cli.source import warn
from grapevine.model.errors import PermanentInputError

if TYPE_CHECKING:
    from grapevine.view.servicemap import ServiceMap

FORMATS = ("svg", "png", "pdf", "dot", "mmd", "d2", "graphml", "csv", "html")
_TITLE = "Who calls whom"
_MAX_SCALE = 8.0

_DESCRIPTION = """\
Draw the map, or a part of it. A line is solid where a connection was seen, dashed
where a name was looked up and no more is known, dotted where it is declared and was
not seen, and faint where it was not seen for long.

Namespaces are islands; many names outside the cluster are one node (--expand draws
each). Above 600 nodes the picture is of namespaces, and says so. DOT, Mermaid, D2,
GraphML and CSV have all of what was asked for. HTML is one file with the map as the
operator shows it in a browser, to be sent to others: it needs no network.
"""
_EPILOG = """\
exit codes: 0 done, also where there is nothing; 2 wrong input, or the cluster cannot be asked

examples:
  # The whole cluster of the current context
  grapevine visualize -o map.svg

  # One workload, what it calls and what calls it, two calls away, for a slide
  grapevine visualize --focus storefront/web --depth 2 --theme dark -o web.png

  # What leaves the cluster, from a snapshot
  grapevine visualize -f monday.json --external --expand -o outside.pdf

  # One file that a browser opens, to be sent to others
  grapevine visualize -o map.html

  # For a page in Git
  grapevine visualize -n storefront -o - --format mmd
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "visualize",
        help="draw the map: SVG, PNG, PDF, HTML, DOT, CSV and more",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="where to; its ending says the format. - for stdout"
    )
    parser.add_argument("--format", choices=FORMATS, help="what it is, whatever FILE is called; of stdout, svg")
    add_map_source_arguments(parser)
    add_part_arguments(parser)
    parser.add_argument("--expand", action="store_true", help="draw each name outside the cluster")
    parser.add_argument("--theme", choices=("light", "dark"), default="light", help="of pictures (%(default)s)")
    parser.add_argument("--title", default=_TITLE, metavar="TEXT", help="above the picture (%(default)s)")
    parser.add_argument("--scale", type=float, default=2.0, metavar="N", help="of PNG: pixels a unit (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Write the map and return 0.

    Raises:
        PermanentInputError: a flag, a file or the cluster cannot be used, a library for PNG and PDF is missing, or the
            output cannot be written.
        RetryableError: the API server does not answer.
    """
    from grapevine.kube.manifests import write_bytes  # the help needs none of it

    form = args.format or _format_of(args.output)
    if not 0.1 <= args.scale <= _MAX_SCALE:
        raise PermanentInputError(f"--scale: {args.scale} is not between 0.1 and {_MAX_SCALE}")
    content = _content(selected(args), form, args)
    if args.output == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_bytes(Path(args.output), content)
    return 0


def _format_of(output: str) -> str:
    """Return the format a file's name ends in.

    Raises:
        PermanentInputError: it ends in none.
    """
    if output == "-":
        return "svg"
    ending = Path(output).suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise PermanentInputError(f"-o: {output!r} ends in none of {', '.join(FORMATS)}; --format says which it is")
    return ending


def _content(found: "ServiceMap", form: str, args: argparse.Namespace) -> bytes:
    from grapevine.view.d2 import to_d2
    from grapevine.view.dot import to_dot
    from grapevine.view.graphml import to_graphml
    from grapevine.view.mermaid import to_mermaid
    from grapevine.view.table import to_csv

    texts: Mapping[str, Callable[[], str]] = {
        "dot": lambda: to_dot(found, args.title),
        "mmd": lambda: to_mermaid(found, args.title),
        "d2": lambda: to_d2(found, args.title),
        "graphml": lambda: to_graphml(found, args.title),
        "csv": lambda: to_csv(found),
        "html": lambda: _page(found, args.title),
    }
    if form in texts:
        return texts[form]().encode()
    svg = _picture(found, args)
    if form == "svg":
        return svg.encode()
    from grapevine.cli.raster import to_pdf, to_png

    return to_png(svg, args.scale) if form == "png" else to_pdf(svg)


def _page(found: "ServiceMap", title: str) -> str:
    from grapevine.view.html import to_html

    directory = files("grapevine.web") / "page"
    page = {each.name: each.read_text(encoding="utf-8") for each in directory.iterdir()}
    written = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    return to_html(found, title, page, written)


def _picture(found: "ServiceMap", args: argparse.Namespace) -> str:
    from grapevine.view.selection import MAX_NODES, MAX_OUTSIDE, drawable
    from grapevine.view.svg import to_svg
    from grapevine.view.theme import THEMES

    drawn = drawable(found, most_outside=MAX_NODES if args.expand else MAX_OUTSIDE)
    for note in drawn.notes:
        warn(note)
    return to_svg(drawn, args.title, THEMES[args.theme])
