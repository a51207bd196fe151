"""Which schema is served, read from a server that changes it, does not tell, or tells nonsense."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from tests.support.loop import until
from tests.support.otterize_schema import INTENTS_SCHEMAS

from grapevine.intents.kept import KeptStatus, kept_status
from grapevine.kube import served_schema as module
from grapevine.kube.served_schema import ServedSchema
from grapevine.kube.session import Session

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]
KIND = "x-kubernetes-group-version-kind"
THEIRS = INTENTS_SCHEMAS["v2beta1"]
ANY = {"type": "object", "properties": {"status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}


class Server:
    """An API server that publishes a schema, or answers `broken`."""

    def __init__(self) -> None:
        self.schema = THEIRS
        self.hash = "1"
        self.broken: dict[str, web.Response] = {}
        self.documents = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path in self.broken:
            return self.broken[request.path]
        if request.path == "/openapi/v3":
            url = f"/openapi/v3/apis/k8s.otterize.com/v2beta1?hash={self.hash}"
            return web.json_response({"paths": {"apis/k8s.otterize.com/v2beta1": {"serverRelativeURL": url}}})
        self.documents += 1
        schemas = {
            "a.List": {KIND: [{"kind": "ClientIntentsList"}]},
            "a.Time": {"type": "string"},
            "a.One": {**self.schema, KIND: [{"group": "k8s.otterize.com", "kind": "ClientIntents"}]},
        }
        return web.json_response({"components": {"schemas": schemas}})


@pytest.fixture
def server() -> Server:
    return Server()


@contextlib.asynccontextmanager
async def looking(serve: Serve, server: Server) -> AsyncIterator[tuple[ServedSchema, list[KeptStatus]]]:
    told: list[KeptStatus] = []
    async with await Session.open(await serve(server.answer)) as session:
        yield ServedSchema(session, told.append), told


async def test_is_read_once_and_again_when_it_is_another(
    serve: Serve, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    async with looking(serve, server) as (schema, told):
        await schema.look()
        await schema.look()
        assert ([kept_status(THEIRS)], 1, "") == (told, server.documents, schema.unread)
        assert [6] == [metric.samples[""] for metric in schema.metrics()]

        server.schema, server.hash = ANY, "2"
        running = asyncio.create_task(schema.run())
        await until(lambda: told[-1] == KeptStatus())
        running.cancel()
        assert 2 == server.documents
        assert [0] == [metric.samples[""] for metric in schema.metrics()]


DOCUMENT = "/openapi/v3/apis/k8s.otterize.com/v2beta1"


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("/openapi/v3", web.Response(status=403), "403"),
        ("/openapi/v3", web.Response(text="no JSON"), "cannot be read"),
        ("/openapi/v3", web.Response(text='{"paths": {}}'), "not listed yet"),
        (DOCUMENT, web.Response(status=404), "404"),
        (DOCUMENT, web.Response(text='{"components": {"schemas": {}}}'), "no schema"),
    ],
)
async def test_what_cannot_be_read_is_said_and_changes_nothing(
    serve: Serve,
    server: Server,
    path: str,
    answer: web.Response,
    said: str,
) -> None:
    server.broken[path] = answer
    async with looking(serve, server) as (schema, told):
        await schema.look()

        assert said in schema.unread
        assert [] == told
