"""The map's page in headless Chromium, from the operator's own server: until it is painted, frames, choices.

The server answers in this process, the browser draws without a graphics card: a person's machine is faster. Needs
Chromium.
"""

import asyncio
import gc
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

from tests.support.browser import Page, browsing
from tests.support.large_map import api_of, large_pipeline
from tests.support.web import FixedMap, NoViews, an_api, served

from bench.cluster import EXTERNAL, TARGETS, observations
from bench.layout import random_map
from grapevine.view.selection import MAX_NODES
from grapevine.view.servicemap import ServiceMap
from grapevine.web.api import ApiServer

_TIMES = 5
_MOVES_S = 2.0
_REST_S = 1.5

_PAINTED = """
new MutationObserver((_, observer) => {
  if (!document.querySelector(".node")) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => (window.paintedMs = performance.now())));
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
"""Runs before the page's own: `paintedMs` is after the first frame that has the map, since the navigation began."""
_COUNT = """
(() => {
  const counted = (window.counted = { frames: 0, sinceMs: performance.now() });
  const count = () => void (counted.frames++, window.counted === counted && requestAnimationFrame(count));
  requestAnimationFrame(count);
})()
"""
_COUNTED = "(({ frames, sinceMs }) => frames / (performance.now() - sinceMs) * 1000)(window.counted)"
"""Frames a second since `_COUNT`; a screen has 60 at most."""
_CHOSEN = """
(async () => {
  const box = document.querySelector("#namespaces input:not(:checked)") ?? document.querySelector("#namespaces input");
  const start = performance.now();
  const painted = (what, isDone) => new Promise((resolve) => {
    new MutationObserver((_, observer) => {
      if (!isDone()) return;
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
    }).observe(what, { attributes: true, childList: true });
  });
  const drawn = document.querySelector("#drawn");
  const shown = [painted(drawn, () => drawn.childElementCount), painted(document.body, () => !document.body.ariaBusy)];
  box.click();
  return Promise.all(shown);
})()
"""
"""Milliseconds from a choice of a namespace until its part of the map is painted, and until the table is too."""


def run() -> list[tuple[str, str]]:
    """Return what each map takes."""
    figures: list[tuple[str, str]] = []
    for name, prepare in (
        ("1,000 workloads, 5,000 calls, drawn by namespace", partial(_fixed, random_map(1_000, 5_000))),
        (f"{MAX_NODES} workloads, 3,000 calls, each drawn", partial(_fixed, random_map(MAX_NODES, 3_000))),
        ("1,000 workloads, 5,000 calls, read out of a running graph", _running),
    ):
        figures += asyncio.run(_measure(name, prepare()))
    return figures


def _fixed(found: ServiceMap) -> Callable[[], ApiServer]:
    return lambda: an_api(NoViews(), maps=FixedMap(found))


def _running() -> Callable[[], ApiServer]:
    """Return what makes the API of a graph that nobody has asked for yet: 5 calls a workload, one of them outside.

    A namespace of it is 50 workloads and 400 others that call them or are called.
    """
    kept = {0, *range(EXTERNAL, EXTERNAL + 4)}
    pipeline = asyncio.run(large_pipeline([each for n, each in enumerate(observations()) if n % TARGETS in kept]))
    gc.freeze()  # as the operator does when it has read the cluster
    return lambda: api_of(pipeline)


async def _measure(name: str, api: Callable[[], ApiServer]) -> list[tuple[str, str]]:
    # A browser that has been ended still writes for a moment
    kept = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with kept as directory, served(api) as url:
        async with browsing(Path(directory)) as page:
            await page.look(width=1400, height=900)
            await page.send("Page.addScriptToEvaluateOnNewDocument", source=_PAINTED)
            painted = [await _painted_ms(page, f"{url}/") for _ in range(_TIMES)]
            rates = {kind: [await _rate(page, kind) for _ in range(2)] for kind in ("pan", "zoom")}
            chosen: list[list[float]] = []
            for _ in range(_TIMES):
                await _painted_ms(page, f"{url}/")
                await asyncio.sleep(_REST_S)  # a person looks before they choose
                chosen.append(await page.run(_CHOSEN))
            assert page.errors == []
    return list(_figures(name, painted, rates, chosen))


def _figures(
    name: str, painted: list[float], rates: dict[str, list[float]], chosen: list[list[float]]
) -> Iterator[tuple[str, str]]:
    yield f"{name}: until it is painted, with an empty cache", f"{painted[0]:.0f} ms"
    yield f"{name}: painted again, best of {_TIMES}", f"{min(painted):.0f} ms"
    for kind, found in rates.items():
        first, then = found
        yield f"{name}: {kind}, frames a second (60 at most), and in the first two seconds", f"{then:.0f}, {first:.0f}"
    for what, each in zip(("its map is", "its table is too"), zip(*chosen, strict=True), strict=True):
        label = f"{name}: from the choice of a namespace until {what} painted, best of {_TIMES}"
        yield label, f"{min(each):.0f} ms ({', '.join(f'{ms:.0f}' for ms in sorted(each)[1:])})"


async def _painted_ms(page: Page, url: str) -> float:
    await page.open(url)
    await page.until("window.paintedMs && !document.body.ariaBusy")
    return float(await page.run("window.paintedMs"))


async def _rate(page: Page, kind: str) -> float:
    """Return frames a second while a person drags the map, or turns the wheel over it."""
    at = {"x": 500, "y": 350}
    if kind == "pan":
        await page.send("Input.dispatchMouseEvent", type="mousePressed", button="left", clickCount=1, **at)
    await page.run(_COUNT)
    until = time.monotonic() + _MOVES_S
    for number in count():
        if kind == "pan":
            to = {"x": 500 + 100 * math.sin(number / 10), "y": 350 + 50 * math.cos(number / 10)}
            await page.send("Input.dispatchMouseEvent", type="mouseMoved", button="left", buttons=1, **to)
        else:
            turn = -40 if number % 40 < 20 else 40
            await page.send("Input.dispatchMouseEvent", type="mouseWheel", deltaX=0, deltaY=turn, **at)
        if time.monotonic() > until:
            break
    rate = float(await page.run(_COUNTED))
    await page.send("Input.dispatchMouseEvent", type="mouseReleased", button="left", clickCount=1, **at)
    return rate
