"""A real browser without a window: Debian's Chromium, told what to do over its DevTools.

Source: Chrome DevTools Protocol, the domains Page, Runtime, Emulation, Input and Log.
"""

import asyncio
import base64
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from tests.support.missing import give_up

TIMEOUT_S = 60.0
"""For a start, an answer, and what is waited for: generous, for other tests may run beside."""
_POLL_S = 0.05
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # the tests may run as root, in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--remote-debugging-port=0",
)


class Page:
    """The one page of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.errors: list[str] = []
        """What the page's console was told as an error, exceptions and what the browser refused among it."""

    async def read(self) -> None:
        """Take in what the browser says, until it ends."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._asked.pop(said["id"]).set_result(said)
            else:
                self._note(said["method"], said["params"])

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Have the browser do something, and return its answer."""
        number = max(self._asked, default=0) + 1
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        said = await asyncio.wait_for(answer, TIMEOUT_S)
        assert "error" not in said, (method, said)
        return dict(said["result"])

    async def open(self, url: str) -> None:
        """Go to an address."""
        await self.send("Page.navigate", url=url)

    async def run(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        said = await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, (script, said["exceptionDetails"])
        return said["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until an expression in the page is true."""
        is_true = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT_S):
                while not (is_true := await self.run(f"Boolean({script})")):  # noqa: ASYNC110 - the state is the page's
                    await asyncio.sleep(_POLL_S)
        shown = "" if is_true else await self.run("document.body.innerText.slice(0, 2000)")
        assert is_true, f"never true: {script}\nerrors: {self.errors}\nthe page: {shown}"

    async def click(self, selector: str) -> None:
        """Click in the middle of the first element of a selector."""
        found = f"document.querySelector({json.dumps(selector)})"
        await self.run(f"{found}.scrollIntoView({{block: 'nearest'}})")
        box = await self.run(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({found}.getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    async def key(self, key: str) -> None:
        """Press a key."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        await self.send("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        await self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def type(self, text: str) -> None:
        """Type text where the focus is."""
        await self.send("Input.insertText", text=text)

    async def look(self, *, width: int, height: int, scheme: str = "light", media: str = "") -> None:
        """Show the page on a screen of this size, `light` or `dark`, or as another medium than a screen."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        await self.send("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.send("Emulation.setEmulatedMedia", media=media, features=features)

    async def picture(self, path: Path) -> None:
        """Keep what is seen as a PNG file."""
        said = await self.send("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(said["data"]))

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.errors.append(str(params["args"]))


@contextlib.asynccontextmanager
async def browsing(directory: Path) -> AsyncIterator[Page]:
    """Start a browser with a profile of its own, yield its page, and end it; skips the test without one."""
    program = shutil.which("chromium") or give_up("no Chromium here: apt-get install chromium")
    profile = directory / "profile"
    with (directory / "chromium.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, *_FLAGS, f"--user-data-dir={profile}", "about:blank", stdout=log, stderr=log
        )
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            url = next(each["webSocketDebuggerUrl"] for each in await answer.json() if each["type"] == "page")
            async with session.ws_connect(url, max_msg_size=64 << 20) as socket:
                page = Page(socket)
                reader = asyncio.create_task(page.read())
                for domain in ("Page", "Runtime", "Log"):
                    await page.send(f"{domain}.enable")
                yield page
                reader.cancel()
    finally:
        process.terminate()
        await process.wait()


async def _port(path: Path) -> int:
    """Return the port of the DevTools, which the browser writes into a file of its profile."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            with contextlib.suppress(OSError, ValueError, IndexError):
                return int((await asyncio.to_thread(path.read_text)).splitlines()[0])
            await asyncio.sleep(_POLL_S)
