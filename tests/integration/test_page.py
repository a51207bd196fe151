"""The map's page as a person sees it: a real browser, a real operator that has taken in the shop's capture.

What the browser showed is kept as pictures in `out/page/`, to be looked at.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from bench.layout import random_map
from tests.support.axe import violations
from tests.support.browser import TIMEOUT_S, Page, browsing
from tests.support.maps import HOSTILE, a_map, call, ref
from tests.support.processes import Operator
from tests.support.web import FixedMap, NoViews, an_api, served

from grapevine.model.finding import Finding, Level
from grapevine.view.servicemap import DOMAIN, Link, NodeRef
from grapevine.web.api import Views
from grapevine.web.changes import ChangeStreams

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PICTURES = Path(__file__).parents[2] / "out" / "page"
CHECKOUT = "orders/Deployment/checkout"
SIZES = {"wide": (1400, 900), "tablet": (820, 1100), "phone": (360, 780)}


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """A browser of this test's own, in which nothing went wrong at the end either."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with browsing(tmp_path) as page:
        await page.look(width=1400, height=900)
        yield page
        assert page.errors == []


@pytest.fixture
def shown() -> FixedMap:
    return FixedMap()


@pytest.fixture
def url(shown: FixedMap, views: Views) -> Iterator[str]:
    """A page of a map that the test chooses."""
    with served(lambda: an_api(views, maps=shown)) as url:
        yield url


@pytest.fixture
def views() -> Views:
    return NoViews()


async def drawn(page: Page, url: str, *, of: str = "") -> None:
    """Open the page, and wait until it has drawn something."""
    await page.open(url + of)
    await page.until("document.querySelector('.node') && !document.body.ariaBusy")


async def until_listening(streams: ChangeStreams, shown: FixedMap, number: int) -> None:
    """Wait until so many streams are open, with changes: who has gone is noticed when something is written."""
    async with asyncio.timeout(TIMEOUT_S):
        while streams.listening != number:
            shown.changes += 1
            await asyncio.sleep(0.2)


async def nodes(page: Page) -> set[str]:
    found: list[str] = await page.run("[...document.querySelectorAll('.node')].map((node) => node.dataset.id)")
    return set(found)


async def rows(page: Page) -> list[list[str]]:
    """Return the table, which is shown after the map."""
    await page.until("!document.body.ariaBusy")
    found: list[list[str]] = await page.run(
        "[...document.querySelectorAll('#table tbody tr')].map((row) => [...row.cells].map((cell) => cell.innerText))"
    )
    return found


async def lines(page: Page) -> set[str]:
    """Return the kinds of lines that the map has."""
    found: list[str] = await page.run("[...document.querySelectorAll('.lines > *')].map((line) => line.classList[0])")
    return {kind for kind in found if kind.startswith("line-")}


async def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(await page.run("location.href")).query)


async def text_of(page: Page, selector: str) -> str:
    return str(await page.run(f"document.querySelector({json.dumps(selector)}).innerText"))


async def change(page: Page, control: str, to: str) -> None:
    await page.run(f"document.getElementById({json.dumps(control)}).value = {json.dumps(to)}")
    await page.run(f"document.getElementById({json.dumps(control)}).dispatchEvent(new Event('change'))")


def at(node: str) -> str:
    return f".node[data-id={json.dumps(node)}]"


async def test_shows_the_shop_and_what_is_known_of_it(heard_shop: Operator, page: Page) -> None:
    await drawn(page, heard_shop.api_url)

    assert len(await nodes(page)) == 21
    table = await rows(page)
    assert len(table) == 21
    assert ["batch/migrate", "orders/redis", "looked up only", "75 %", "active"] == table[0][:5]
    assert await page.run("document.querySelectorAll('.link').length") >= 21
    assert await lines(page) == {"line-dashed", "line-thin"}

    await page.click(at(CHECKOUT))
    await page.until("document.querySelectorAll('#panel h3').length >= 4")
    said = await text_of(page, "#panel")
    assert "Called by 1\nbatch/worker" in said
    assert "If it is down 1" in said
    assert "If it is taken over 8" in said
    await page.run("document.querySelector('[data-key=intents]').open = true")
    await page.until("document.querySelector('#panel pre').innerText.includes('kind: ClientIntents')")

    await page.run(
        "[...document.querySelectorAll('#panel ul button')].find((b) => b.innerText == 'orders/cart').click()"
    )
    await page.until("document.querySelector('#panel .asked')")
    said = await text_of(page, "#panel")
    assert "75 % sure: " in said
    assert "cart.orders.svc.cluster.local looked up" in said
    assert await page.run("document.querySelectorAll('.timeline svg .hollow').length") >= 1
    assert "cart" in said
    assert {"node": [CHECKOUT], "to": ["orders/Deployment/cart"]} == await query(page)


async def test_every_choice_is_in_the_address_and_back_takes_it_back(heard_shop: Operator, page: Page) -> None:
    await drawn(page, heard_shop.api_url)
    everything = await nodes(page)

    await page.click(".title[data-namespace=payments]")
    await page.until("document.querySelectorAll('.node').length < 21")
    assert {"namespace": ["payments"]} == await query(page)
    of_payments = await nodes(page)
    await page.run("history.back()")
    await page.until("document.querySelectorAll('.node').length == 21")
    await page.run("history.forward()")
    await page.until("document.querySelectorAll('.node').length < 21")
    await drawn(page, await page.run("location.href"))
    assert of_payments == await nodes(page)
    assert "payments" == await page.run("document.querySelector('#namespaces input:checked').value")

    await page.click("#clear")
    await page.until("document.querySelectorAll('.node').length == 21")
    assert everything == await nodes(page)
    await page.click("#outside")
    await page.until("document.querySelectorAll('#table tbody tr').length == 7")
    assert {"outside": ["1"]} == await query(page)
    await page.run("document.querySelector('#table thead th:nth-child(2) button').click()")
    await page.until("document.querySelector('th[aria-sort]').innerText.startsWith('Target')")
    targets = [row[1] for row in await rows(page)]
    assert sorted(targets) == targets
    assert {"outside": ["1"], "sort": ["target"]} == await query(page)

    await page.click("#clear")
    await page.until("document.querySelectorAll('.node').length == 21")
    await page.click("#kinds summary")
    await page.click("#kinds input[value=CronJob]")
    await page.until("document.querySelectorAll('.node').length < 21")
    assert {"batch/CronJob/report"} == {each for each in await nodes(page) if "/CronJob/" in each}
    assert "Kind: CronJob" == await text_of(page, "#kinds summary")
    await change(page, "new", "1h")
    await page.until("!document.getElementById('empty').hidden")
    assert {"kind": ["CronJob"], "new": ["1h"], "sort": ["target"]} == await query(page)
    assert "Nothing in the map is so" in await text_of(page, "#empty")


async def test_a_line_is_pointed_to_and_chosen(heard_shop: Operator, page: Page) -> None:
    await drawn(page, heard_shop.api_url)
    beside = await page.run(
        """(line => {
          const { x, y } = line.getPointAtLength(12).matrixTransform(line.getScreenCTM());
          return { x, y: y + 4 };
        })(document.querySelector(".link[data-target='default/Service/kubernetes']"))"""
    )

    await page.send("Input.dispatchMouseEvent", type="mouseMoved", **beside)
    await page.until("document.querySelector('.link > title')")
    for kind in ("mousePressed", "mouseReleased"):
        await page.send("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **beside)
    await page.until("document.querySelector('.marks > .line-dashed')")

    assert "tools/api-user → default/kubernetes" in await page.run(
        "document.querySelector('.link > title').textContent"
    )
    assert {"node": ["tools/Deployment/api-user"], "to": ["default/Service/kubernetes"]} == await query(page)
    assert ["default/Service/kubernetes"] == await page.run(
        "[...document.querySelectorAll('.marks > [data-target]')].map((line) => line.dataset.target)"
    )


async def test_is_reached_by_keys_alone(heard_shop: Operator, page: Page) -> None:
    await drawn(page, heard_shop.api_url)

    await page.key("/")
    await page.type("checko")
    await page.until("document.querySelectorAll('#search-found [role=option]').length == 1")
    await page.key("ArrowDown")
    await page.key("Enter")
    await page.until(f"new URLSearchParams(location.search).get('focus') == '{CHECKOUT}' && !document.body.ariaBusy")
    await page.until("document.querySelectorAll('.node').length < 21")
    assert {"focus": [CHECKOUT], "node": [CHECKOUT]} == await query(page)

    await page.run("document.getElementById('picture').focus()")
    await page.key("ArrowLeft")
    assert CHECKOUT == await page.run("document.activeElement.dataset.id")
    await page.key("ArrowLeft")
    assert "batch/Deployment/worker" == await page.run("document.activeElement.dataset.id")
    await page.key("Enter")
    await page.until("document.querySelector('#panel h2').innerText == 'worker'")
    await page.key("Escape")
    await page.until("document.querySelector('#panel').hidden")
    before = await page.run("document.getElementById('drawn').style.transform")
    await page.key("+")
    await page.until(f"document.getElementById('drawn').style.transform != {json.dumps(before)}")
    await page.until("location.search.includes('view=')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_fits_every_screen(scheme: str, heard_shop: Operator, page: Page) -> None:
    for name, (width, height) in SIZES.items():
        await page.look(width=width, height=height, scheme=scheme)
        await drawn(page, heard_shop.api_url, of=f"/?node={CHECKOUT}" if name == "wide" else "")
        await page.picture(PICTURES / f"{name}-{scheme}.png")

        assert await page.run("document.documentElement.scrollWidth <= innerWidth"), name
        controls = "[...document.querySelectorAll('button, select, summary')]"
        if name != "tablet":
            assert await violations(page) == [], name
        small = f"{controls}.filter((each) => each.offsetParent && each.offsetHeight < 24)"
        assert await page.run(f"{small}.map((each) => each.outerHTML)") == [], name
    await page.look(width=1000, height=1400, scheme=scheme, media="print")
    await page.picture(PICTURES / f"print-{scheme}.png")
    assert "rgb(255, 255, 255)" == await page.run("getComputedStyle(document.body).backgroundColor")


async def test_a_change_is_shown_without_being_asked_for(shown: FixedMap, url: str, page: Page) -> None:
    shown.put(a_map(call("front/web", "orders/cart")))
    await drawn(page, url)
    await page.until("document.getElementById('live').innerText.includes('live')")

    shown.put(
        a_map(call("front/web", "orders/cart", "dns", "connection", confidence=95), call("orders/cart", "pay/pay"))
    )
    await page.until("document.querySelectorAll('.node').length == 3")

    seen = {row[1]: row[2] for row in await rows(page)}
    assert {"orders/cart": "connection seen", "pay/pay": "looked up only"} == seen
    assert await lines(page) == {"line-solid", "line-dashed"}
    await page.run("document.getElementById('drawn').classList.add('many', 'far')")
    shade = "getComputedStyle(document.querySelector('.lines > .line-{}')).strokeOpacity"
    shades = [await page.run(shade.format(kind)) for kind in ("solid", "dashed")]
    assert ["0.85", "0.45"] == shades, "from afar what was looked up only is pale, and it alone"


async def test_a_page_that_nobody_sees_does_not_listen(shown: FixedMap, page: Page) -> None:
    streams = ChangeStreams(shown, "i1")
    shown.put(a_map(call("front/web", "orders/cart")))
    with served(lambda: an_api(NoViews(), maps=shown, changes=streams)) as url:
        for number in range(8):  # a browser keeps pages to go back to, and has six connections
            await drawn(page, url, of=f"/?compare={number + 1}h")
            await page.until("document.getElementById('live').innerText == 'live'")
        await until_listening(streams, shown, 1)

        await page.run("Object.defineProperty(document, 'hidden', { get: () => window.isAway, configurable: true })")
        turn = "document.dispatchEvent(new Event('visibilitychange'))"
        await page.run(f"window.isAway = true, {turn}")
        await until_listening(streams, shown, 0)
        shown.put(a_map(call("front/web", "orders/cart"), call("orders/cart", "pay/pay")))
        await page.run(f"window.isAway = false, {turn}")
        await page.until("document.querySelectorAll('.node').length == 3")
        await until_listening(streams, shown, 1)


async def test_each_choice_leaves_what_it_says(shown: FixedMap, url: str, page: Page) -> None:
    now_ms = time.time_ns() // 1_000_000
    seen = replace(call("front/web", "orders/cart", "dns", "connection", confidence=95), last_ms=now_ms)
    old = call("front/web", "orders/redis", state="stale")
    shown.put(a_map(seen, old, replace(call("front/web", "pay/pay", state="idle"), confidence=50)))
    await drawn(page, url)

    for menu, value, address, left in (
        ("lines", "solid", {"line": ["solid"]}, ["orders/cart"]),
        ("lines", "dashed", {"line": ["dashed"]}, ["orders/redis", "pay/pay"]),
        ("states", "stale", {"state": ["stale"]}, ["orders/redis"]),
        ("states", "idle", {"state": ["idle"]}, ["pay/pay"]),
    ):
        await page.click(f"#{menu} summary")
        await page.click(f"#{menu} input[value={value}]")
        await page.until(f"document.querySelectorAll('#table tbody tr').length == {len(left)}")
        assert left == [row[1] for row in await rows(page)]
        assert address == await query(page)
        await page.key("Escape")
        await page.click("#clear")
        await page.until("document.querySelectorAll('#table tbody tr').length == 3")
    for control, value, left in (("confidence", "90", ["orders/cart"]), ("since", "1h", ["orders/cart"])):
        await change(page, control, value)
        await page.until(f"document.querySelectorAll('#table tbody tr').length == {len(left)}")
        assert left == [row[1] for row in await rows(page)]
        assert {control: [value]} == await query(page)
        await page.click("#clear")
        await page.until("document.querySelectorAll('#table tbody tr').length == 3")


async def test_names_are_drawn_from_afar_too(shown: FixedMap, url: str, page: Page) -> None:
    shown.put(random_map(300, 600))
    await drawn(page, url)

    assert await page.run("document.getElementById('drawn').classList.contains('far')")
    assert await page.run("[...document.querySelectorAll('.node')].every((node) => node.querySelector('.name'))")


async def test_the_table_begins_short_and_shows_all_when_asked(shown: FixedMap, url: str, page: Page) -> None:
    shown.put(a_map(*(call("front/web", f"orders/s{number:03}") for number in range(150))))
    await drawn(page, url)

    assert len(await rows(page)) == 100
    assert "the first 100 of 150 calls" == await text_of(page, "#calls-said")
    await page.click("#table tfoot button")
    await page.until("document.querySelectorAll('#table tbody tr').length == 150")
    assert not await page.run("document.querySelector('#table tfoot')")


async def test_what_came_and_what_went_is_marked_and_listed(shown: FixedMap, url: str, page: Page) -> None:
    now_ms = time.time_ns() // 1_000_000
    long_ago, lately = now_ms - 90 * 86_400_000, now_ms - 60_000
    was = replace(call("front/web", "orders/cart"), first_ms=long_ago, last_ms=now_ms)
    new = replace(call("front/web", "pay/pay"), first_ms=lately, last_ms=now_ms)
    gone = replace(was, target=ref("orders/redis"), state="stale", silent_ms=lately)
    shown.put(replace(a_map(was, new, gone), remembered_ms=1 << 50))
    await drawn(page, url)
    await change(page, "compare", "24h")
    await page.until("document.querySelectorAll('.badge').length == 2")

    sign = "document.querySelector('.{} ~ .badge').textContent + document.querySelector('.{}').dataset.target"
    assert "+pay/Deployment/pay" == await page.run(sign.format("added", "added"))
    assert "×orders/Deployment/redis" == await page.run(sign.format("gone", "gone"))
    assert {"compare": ["24h"]} == await query(page)
    assert "1 call came, 1 went silent" in await text_of(page, "#difference")
    await page.click("#difference summary")
    assert await violations(page) == []
    await page.picture(PICTURES / "compared.png")
    assert await page.run("document.querySelector('main').getBoundingClientRect().bottom == innerHeight"), "it fills"
    await page.click("#difference li button")
    await page.until("new URLSearchParams(location.search).get('to') == 'pay/Deployment/pay'")


async def test_names_are_text_whatever_is_in_them(shown: FixedMap, url: str, page: Page) -> None:
    hostile = [name for name in HOSTILE if name and "\ud800" not in name]
    client = NodeRef("front", "Deployment", "web")
    inside = [NodeRef("front", "Deployment", name) for name in hostile]
    links = [Link(client, NodeRef("", DOMAIN, name), ("dns",), 75) for name in hostile]
    links += [Link(each, client, ("dns",), 75) for each in inside]
    shown.put(a_map(*links))
    await drawn(page, url, of="/?expand=1&node=front/Deployment/web")
    await page.until("document.querySelectorAll('#panel h3').length >= 4")

    assert await page.run("document.querySelectorAll('.node').length") == 2 * len(hostile) + 1
    assert await page.run("document.querySelectorAll('img, b, iframe, main script').length") == 0
    targets = {row[1] for row in await rows(page)}
    assert {"<script>alert(1)</script>", "\\u202etxt.exe\\u2066", "xn--bcher-kva.example", "مثال.إختبار"} <= targets
    widths = (
        "[...document.querySelectorAll('.node')].map((node) => ['rect', 'text'].map((tag) => node.querySelector(tag)))"
    )
    over = f"{widths}.filter(([rect, text]) => text.getBBox().width > rect.getBBox().width)"
    assert await page.run(f"{over}.map(([, text]) => text.textContent)") == []


async def test_a_large_map_is_drawn_by_namespace_and_opened_from_there(shown: FixedMap, url: str, page: Page) -> None:
    shown.put(random_map(1_000, 5_000))
    await drawn(page, url)

    assert "drawn by namespace" in await text_of(page, "#counts")
    found = sorted(node for node in await nodes(page) if "/Namespace/" in node)
    await page.click(at(found[0]))
    await page.until("document.querySelector('#panel .heading button:not(.close)')")
    await page.click("#panel .heading button:not(.close)")
    await page.until("new URLSearchParams(location.search).has('namespace') && !document.body.ariaBusy")
    await page.until("[...document.querySelectorAll('.node')].some((node) => node.dataset.id.includes('/Deployment/'))")


class Doctor(NoViews):
    def findings(self) -> list[Finding]:
        return [
            Finding(
                "NothingHeard", Level.WARNING, "no capture has sent anything", "the map stays empty", "grapevine doctor"
            ),
            Finding("ObjectsUnread", Level.OK, "all objects are read"),
        ]

    def accounts(self) -> dict[str, object]:
        return {}


class TestWithoutAnything:
    @pytest.fixture
    def views(self) -> Views:
        return Doctor()

    async def test_an_empty_map_says_why(self, url: str, page: Page) -> None:
        await page.open(url)
        await page.until("document.querySelector('#empty li')")

        said = await text_of(page, "#empty")
        assert "Nothing was seen yet" in said
        assert "no capture has sent anything. the map stays empty" in said
        assert "all objects are read" not in said
