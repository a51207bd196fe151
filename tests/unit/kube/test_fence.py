"""Writes that are let through while this process leads, and at no other moment."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from aiohttp import web

from grapevine.kube.fence import FencedSession
from grapevine.kube.session import Session
from grapevine.model.errors import RetryableError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


class Server:
    """Takes everything, and remembers what had arrived whole."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.taken.append((request.method, await request.read()))
        return web.json_response({})


async def ask(serve: Serve, server: Server, method: str, left_s: Iterator[float]) -> None:
    async with await Session.open(await serve(server.answer)) as session:
        body = None if method == "GET" else {"a": 1}
        await FencedSession(session, lambda: next(left_s)).request(method, "/x", body=body)


@pytest.mark.parametrize("method", ["PATCH", "POST", "PUT", "DELETE"])
async def test_a_write_goes_out_while_it_leads(serve: Serve, method: str) -> None:
    server = Server()
    await ask(serve, server, method, iter((5.0, 4.9)))

    assert [(method, b'{"a": 1}')] == server.taken


@pytest.mark.parametrize("method", ["PATCH", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("left_s", [(0.0,), (5.0, 0.0)], ids=["before", "while it was about to be sent"])
async def test_no_write_goes_out_once_it_does_not(serve: Serve, method: str, left_s: tuple[float, ...]) -> None:
    server = Server()
    with pytest.raises(RetryableError, match="not sent"):
        await ask(serve, server, method, iter(left_s))

    assert [] == server.taken


async def test_reading_needs_no_lead(serve: Serve) -> None:
    server = Server()
    await ask(serve, server, "GET", iter(()))

    assert [("GET", b"")] == server.taken


async def test_a_write_gets_no_more_time_than_is_left(serve: Serve) -> None:
    class Slow(Server):
        async def answer(self, request: web.Request) -> web.Response:
            await asyncio.Event().wait()
            return await super().answer(request)

    with pytest.raises(RetryableError, match="no answer in time"):
        await ask(serve, Slow(), "PATCH", iter((0.05, 0.04)))
