"""Probes and metrics over real sockets on loopback."""

import socket

import aiohttp
import pytest

from grapevine.model.errors import PermanentInputError
from grapevine.web.health import HealthServer


async def get(server: HealthServer, path: str, method: str = "GET") -> tuple[int, str, str]:
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, f"http://127.0.0.1:{server.port}{path}") as answer,
    ):
        return answer.status, await answer.text(), answer.headers["Content-Type"]


async def test_is_alive_at_once_and_ready_when_nothing_is_missing() -> None:
    missing = ["informer Pod", "ingest"]
    server = HealthServer(lambda: missing, lambda: b"grapevine_x 1\n")
    await server.start("127.0.0.1", 0)
    try:
        assert (await get(server, "/healthz"))[:2] == (200, "ok\n")
        assert (await get(server, "/readyz"))[:2] == (503, "waiting for informer Pod\nwaiting for ingest\n")
        missing.clear()
        assert (await get(server, "/readyz"))[:2] == (200, "ok\n")
        assert await get(server, "/metrics") == (200, "grapevine_x 1\n", "text/plain; version=0.0.4; charset=utf-8")
        assert (await get(server, "/"))[0] == 404
        assert (await get(server, "/metrics", "POST"))[0] == 405
    finally:
        await server.stop()


async def test_an_address_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = HealthServer(list, bytes)
        with pytest.raises(PermanentInputError, match=rf"cannot listen on 127\.0\.0\.1:{port} for health: .*--health"):
            await server.start("127.0.0.1", port)
        await server.stop()
