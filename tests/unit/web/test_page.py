"""The page's files over real sockets: what is served, as what, and what they may not do."""

import re
from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest
from tests.support.web import NoViews, an_api

from grapevine.view.theme import THEMES, Theme
from grapevine.web.api import ApiServer
from grapevine.web.pagefiles import DIRECTORY, page_files

SCRIPTS = sorted(DIRECTORY.glob("*.js"))
MAX_BYTES = 128 << 10
"""Of all files: a page that is loaded through a port that is forwarded."""


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    server = an_api(NoViews())
    await server.start("127.0.0.1", 0)
    yield server
    await server.stop()


async def ask(
    server: ApiServer, path: str, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes, Mapping[str, str]]:
    url = f"http://127.0.0.1:{server.port}{path}"
    async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/page/main.js", "text/javascript; charset=utf-8"),
        ("/page/page.css", "text/css; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml; charset=utf-8"),
    ],
)
async def test_each_file_has_its_type_and_loads_nothing_from_elsewhere(
    path: str, content_type: str, server: ApiServer
) -> None:
    status, body, headers = await ask(server, path)

    assert (200, content_type) == (status, headers["Content-Type"])
    assert page_files()[path].body == body
    assert headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert headers["X-Content-Type-Options"] == "nosniff"


async def test_who_has_a_file_already_is_told_so(server: ApiServer) -> None:
    _, _, headers = await ask(server, "/page/main.js")
    status, body, _ = await ask(server, "/page/main.js", {"If-None-Match": headers["ETag"]})

    assert (304, b"") == (status, body)


@pytest.mark.parametrize("path", ["/page/", "/page/index.html", "/page/../pagefiles.py", "/page/%2e%2e/pagefiles.py"])
async def test_nothing_else_is_served(path: str, server: ApiServer) -> None:
    status, _, _ = await ask(server, path)

    assert status == 404


async def test_a_replica_that_follows_has_the_page_to_say_so() -> None:
    server = an_api(NoViews(), elsewhere=lambda: "grapevine-operator-1")
    await server.start("127.0.0.1", 0)
    try:
        assert [200, 421] == [(await ask(server, path))[0] for path in ("/", "/api/v1/graph")]
    finally:
        await server.stop()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_markup_or_code_of_text(script: str) -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|srcdoc|javascript:"
    )

    assert re.findall(forbidden, (DIRECTORY / script).read_text()) == []


@pytest.mark.parametrize("path", sorted(page_files()))
def test_every_file_that_a_file_names_is_served_and_none_is_elsewhere(path: str) -> None:
    text = page_files()[path].body.decode()
    named = re.findall(r"""(?:from |src=|href=)["'](?:\./|page/)([\w.-]+)["']""", text)

    assert {f"/page/{each}" for each in named} <= page_files().keys()
    assert re.findall(r"https?://(?!www\.w3\.org/)", text) == []


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_its_colours_are_the_pictures(theme: Theme) -> None:
    style = page_files()["/page/page.css"].body.decode()
    dark = style.index("prefers-color-scheme: dark")
    part = style[:dark] if theme.name == "light" else style[dark : style.index(".hue-0 {")]
    names = ("page", "island", "island_edge", "node", "node_edge", "text", "muted", "outside", "warning")
    wanted = {name.replace("_", "-"): getattr(theme, name) for name in names}
    wanted |= {f"hue-{number}": hue for number, hue in enumerate(theme.hues)}

    found = dict(re.findall(r"--([\w-]+): (#\w{6});", part))
    assert wanted == found


def test_all_of_it_is_small() -> None:
    assert sum(len(file.body) for file in page_files().values()) < MAX_BYTES
