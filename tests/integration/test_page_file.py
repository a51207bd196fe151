"""`grapevine visualize -o map.html` in a real browser, opened from the disk: what works without an operator."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bench.layout import random_map
from tests.support.axe import violations
from tests.support.browser import Page, browsing
from tests.support.maps import HOSTILE, a_map, call
from tests.support.objects import SHOP

from grapevine.cli.main import main
from grapevine.view.html import to_html
from grapevine.view.servicemap import DOMAIN, Link, NodeRef, ServiceMap
from grapevine.web.pagefiles import DIRECTORY

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

FILES = {path.name: path.read_text() for path in DIRECTORY.iterdir()}
INPUTS = ("--pcap", "capture.pcap"), ("--cluster", "cluster.json"), ("--pod-events", "pod-events.jsonl")
CHECKOUT = "orders/Deployment/checkout"
MOST_OF_1_000 = 6 << 20


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    async with browsing(tmp_path) as page:
        await page.look(width=1400, height=900)
        yield page
        assert page.errors == []


def written(found: ServiceMap, path: Path) -> str:
    """Write a map and return its URL."""
    path.write_text(to_html(found, "<b>map</b>", FILES, "2026-01-01 00:00"))
    return path.as_uri()


async def drawn(page: Page, url: str) -> None:
    await page.open(url)
    await page.until("document.querySelector('.node') && !document.body.ariaBusy")


async def count(page: Page, selector: str) -> int:
    return int(await page.run(f"document.querySelectorAll({json.dumps(selector)}).length"))


async def test_the_shop_is_looked_at_without_an_operator(tmp_path: Path, page: Page) -> None:
    flags = [word for flag, name in INPUTS for word in (flag, str(SHOP / name))]
    snapshot, file = tmp_path / "shop.json", tmp_path / "map.html"
    made = await asyncio.to_thread(main, ["run", *flags, "--out", str(tmp_path / "out"), "--snapshot", str(snapshot)])
    assert [0, 0] == [made, await asyncio.to_thread(main, ["visualize", "-f", str(snapshot), "-o", str(file)])]
    await drawn(page, file.as_uri())
    assert (21, 21) == (await count(page, ".node"), await count(page, "#table tbody tr"))
    assert await violations(page) == []

    await page.click(f".node[data-id='{CHECKOUT}']")
    await page.until("document.querySelectorAll('#panel h3').length >= 2")
    said = await page.run("document.querySelector('#panel').innerText")
    assert "Called by 1\nbatch/worker" in said
    assert "are not in a file" in said
    await page.run(
        "[...document.querySelectorAll('#panel ul button')].find((b) => b.innerText == 'orders/cart').click()"
    )
    await page.until("document.querySelector('#panel dl')")
    assert "75 %" in await page.run("document.querySelector('#panel dl').innerText")

    await page.run("document.querySelector('#panel .close').click()")
    await page.click("#outside")
    await page.until("document.querySelectorAll('#table tbody tr').length == 7")
    assert "outside=1" in await page.run("location.hash")
    await page.run("history.back()")
    await page.until("document.querySelectorAll('#table tbody tr').length == 21")
    await page.run("document.activeElement.blur()")
    await page.key("/")
    await page.type("checko")
    await page.until("document.querySelectorAll('#search-found [role=option]').length == 1")
    await page.key("ArrowDown")
    await page.key("Enter")
    await page.until("location.hash.includes('focus=') && document.querySelectorAll('.node').length < 21")
    before = await page.run("document.getElementById('drawn').style.transform")
    await page.click("#zoom-in")
    await page.until(f"document.getElementById('drawn').style.transform != {json.dumps(before)}")


async def test_a_large_map_is_opened_namespace_by_namespace(tmp_path: Path, page: Page) -> None:
    url = await asyncio.to_thread(written, random_map(1_000, 5_000), tmp_path / "map.html")
    assert (tmp_path / "map.html").stat().st_size < MOST_OF_1_000
    await drawn(page, url)
    assert 34 == await count(page, ".node")

    await page.click(".node[data-id='team-001/Namespace/team-001']")
    await page.until("document.querySelector('#panel .heading button:not(.close)')")
    await page.click("#panel .heading button:not(.close)")
    await page.until("document.querySelectorAll('.node').length > 34")
    assert 30 == await count(page, ".node[data-id^='team-001/Deployment/']")


async def test_names_are_text_in_a_file_too(tmp_path: Path, page: Page) -> None:
    hostile = [*(name for name in HOSTILE if name and "\ud800" not in name), "</script><img src=x>", "a\u2028b"]
    client = NodeRef("front", "Deployment", "web")
    links = [Link(client, NodeRef("", DOMAIN, name), ("dns",), 75) for name in hostile]
    links += [Link(NodeRef("front", "Deployment", name), client, ("dns",), 75) for name in hostile]
    await drawn(page, written(a_map(*links), tmp_path / "map.html") + "#node=front/Deployment/web&expand=1")
    await page.until("document.querySelector('#panel h3')")

    assert 2 * len(hostile) + 1 == await count(page, ".node")
    assert 0 == await count(page, "img, b, iframe, main script")
    text = await page.run("document.querySelector('#table').innerText")
    assert "</script><img src=x>" in text
    assert "a\\u2028b" in text


def test_nothing_is_fetched_and_no_other_script_runs(tmp_path: Path) -> None:
    written(a_map(call("front/web", "orders/cart")), tmp_path / "map.html")
    text = (tmp_path / "map.html").read_text()

    assert "default-src 'none'; script-src 'sha256-" in text
    assert "<title>&lt;b&gt;map&lt;/b&gt;</title>" in text
    assert [] == [line for line in text.splitlines() if line.startswith(("import ", "export ", "<link"))]
    assert "fetch(" not in text
