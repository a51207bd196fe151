"""Events over a real socket: written once, tried again where that may help, and never in the way."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from tests.support.builders import T0, a_new_edge, an_object
from tests.support.loop import until

from grapevine.insight.news import NewsLog
from grapevine.intents.read import read_intents
from grapevine.kube import event_writer
from grapevine.kube.event_writer import EventWriter
from grapevine.kube.fence import FencedSession
from grapevine.kube.session import Session

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


class ApiServer:
    """Answers with one status after another, then with 201."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.asked: list[dict[str, Any]] = []

    async def answer(self, request: web.Request) -> web.Response:
        assert (request.method, request.path) == ("POST", "/apis/events.k8s.io/v1/namespaces/shop/events")
        self.asked.append(json.loads(await request.read()))
        status = self.statuses.pop(0) if self.statuses else 201
        return web.json_response({"message": "by design"}, status=status)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_writer, "_BACKOFF_S", 0.0)


@asynccontextmanager
async def writing(
    serve: Serve, server: ApiServer, *, left_s: float = 10.0, is_on: bool = True
) -> AsyncIterator[EventWriter]:
    async with await Session.open(await serve(server.answer)) as session:
        writer = EventWriter(FencedSession(session, lambda: left_s), "pod-a", lambda: T0, is_on=is_on)
        task = asyncio.create_task(writer.run())
        yield writer
        task.cancel()
        await asyncio.wait([task])


def tell(writer: EventWriter, name: str = "cart") -> None:
    writer.tell_new_edge(NewsLog().add(a_new_edge(name), T0), read_intents(an_object("web")))


def results(writer: EventWriter) -> dict[str, float]:
    counts, _ = writer.metrics()
    return {result: count for result, count in counts.samples.items() if count}


async def test_writes_each_once_under_a_name_of_its_own(serve: Serve) -> None:
    server = ApiServer()
    async with writing(serve, server) as writer:
        for name in ("cart", "catalog", "cart"):
            tell(writer, name)
        await until(lambda: results(writer) == {"written": 2, "repeated": 1})

    assert len({event["metadata"]["name"] for event in server.asked}) == 2
    assert [event["reportingInstance"] for event in server.asked] == ["pod-a", "pod-a"]


async def test_tries_again_under_the_same_name(serve: Serve) -> None:
    server = ApiServer(503, 429)
    async with writing(serve, server) as writer:
        tell(writer)
        await until(lambda: results(writer) == {"written": 1})

    assert len(server.asked) == 3
    assert len({event["metadata"]["name"] for event in server.asked}) == 1


async def test_one_that_is_there_already_was_written(serve: Serve) -> None:
    server = ApiServer(500, 409)
    async with writing(serve, server) as writer:
        tell(writer)
        await until(lambda: results(writer) == {"written": 1})


async def test_one_that_is_refused_is_counted_said_and_not_in_the_way(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = ApiServer(403, 422)
    async with writing(serve, server) as writer:
        for name in ("cart", "catalog", "payment"):
            tell(writer, name)
        await until(lambda: results(writer) == {"refused": 2, "written": 1})

    assert caplog.text.count("an Event was refused") == 1, "once a minute"


async def test_gives_up_after_a_while(serve: Serve) -> None:
    async with writing(serve, ApiServer(500, 500, 500, 500)) as writer:
        tell(writer)
        tell(writer, "catalog")
        await until(lambda: results(writer) == {"gave-up": 1, "written": 1})


async def test_a_replica_that_does_not_lead_writes_none(serve: Serve) -> None:
    server = ApiServer()
    async with writing(serve, server, left_s=0.0) as writer:
        tell(writer)
        await until(lambda: results(writer) == {"gave-up": 1})

    assert server.asked == []


async def test_without_an_object_there_is_nothing_to_say_it_of(serve: Serve) -> None:
    async with writing(serve, ApiServer()) as writer:
        writer.tell_new_edge(NewsLog().add(a_new_edge(), T0), None)

        assert results(writer) == {"no-object": 1}


async def test_says_nothing_where_that_is_off(serve: Serve) -> None:
    async with writing(serve, ApiServer(), is_on=False) as writer:
        tell(writer)
        writer.tell_new_edge(NewsLog().add(a_new_edge(), T0), None)

        assert results(writer) == {}
        assert writer.metrics()[1].samples == {"": 0}
