"""The map's page: the files in `page/`, as they are, at `/` and `/page/NAME`.

Read once at start; what is not among them does not exist, so no path leads anywhere else. A browser keeps them and asks
by their ETag, which is of their bytes: after an upgrade it has the new ones at once. docs/guide/map.md is for people.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from grapevine.web.tagged import tagged

DIRECTORY = Path(__file__).parent / "page"
ROOT = "/"
_INDEX = "index.html"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Source: RFC 9239 for JavaScript; a module of any other type is refused by browsers."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page."""

    body: bytes
    content_type: str


def page_files(directory: Path = DIRECTORY) -> Mapping[str, PageFile]:
    """Return path → file; files of other types than a page's are left out."""
    found = {
        f"/page/{path.name}": PageFile(path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(directory.iterdir())
        if path.suffix in _TYPES
    }
    return {ROOT: found.pop(f"/page/{_INDEX}"), **found}


def page_routes(
    files: Mapping[str, PageFile],
) -> Mapping[str, Callable[[web.Request], Awaitable[web.Response]]]:
    """Return what answers each path."""
    return {path: _handler(file) for path, file in files.items()}


def _handler(file: PageFile) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        return tagged(request, file.body, file.content_type)

    return handle
