"""The two objects written by name: what a real API server does too seldom; the rest is in tests/integration."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from grapevine.kube.named_objects import ATTEMPTS, NamedConfigMap, NamedSecret
from grapevine.kube.session import Session
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.identity import ObjectName

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]

SECRET = ObjectName("grapevine-system", "grapevine-serving")
CONFIGMAP = ObjectName("grapevine-capture", "grapevine-ca")


class Server:
    """One object, or none, and what was asked for."""

    def __init__(self, held: dict[str, Any] | None, status: int = 200) -> None:
        self.held = held
        self.status = status
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        if request.method == "GET":
            return web.json_response(self.held) if self.held is not None else web.json_response({}, status=404)
        if self.status == 200:
            self.held = await request.json()
        return web.json_response(self.held, status=self.status)


def an_object(**data: str) -> dict[str, Any]:
    metadata = {"name": "x", "resourceVersion": "7", "labels": {"owner": "gitops"}}
    return {"kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}


async def test_a_secret_is_read_and_written_back_with_all_that_others_put_there(serve: Serve) -> None:
    server = Server(an_object(a="aGVsbG8=", b="no base64!"))
    async with await Session.open(await serve(server.answer)) as session:
        secret = NamedSecret(session, SECRET)
        assert await secret.read() == ({"a": b"hello", "b": b""}, "7")
        assert await secret.write({"c": b"\x00"}, "7")

    assert server.held == an_object(c="AA==")
    assert server.asked == [
        f"{m} /api/v1/namespaces/grapevine-system/secrets/grapevine-serving" for m in ("GET", "PUT")
    ]


@pytest.mark.parametrize("held", [{"metadata": {}, "data": None}, {}])
async def test_a_secret_shipped_empty_has_no_data(serve: Serve, held: dict[str, Any]) -> None:
    async with await Session.open(await serve(Server(held).answer)) as session:
        assert await NamedSecret(session, SECRET).read() == ({}, "")


async def test_of_two_writers_the_second_is_told(serve: Serve) -> None:
    server = Server(an_object(), status=409)
    async with await Session.open(await serve(server.answer)) as session:
        secret = NamedSecret(session, SECRET)
        await secret.read()
        assert not await secret.write({}, "7")
        assert not await secret.write({}, "6"), "what was read is another version"


async def test_a_missing_secret_is_named_and_never_made(serve: Serve) -> None:
    server = Server(None)
    async with await Session.open(await serve(server.answer)) as session:
        with pytest.raises(
            PermanentInputError, match=r"Secret grapevine-system/grapevine-serving is not there: .*empty"
        ):
            await NamedSecret(session, SECRET).read()

    assert [each.split()[0] for each in server.asked] == ["GET"]


async def test_a_configmap_is_made_then_changed_then_left_alone(serve: Serve) -> None:
    server = Server(None)
    async with await Session.open(await serve(server.answer)) as session:
        configmap = NamedConfigMap(session, CONFIGMAP)
        await configmap.publish({"ca.crt": "one"})
        await configmap.publish({"ca.crt": "one"})
        await configmap.publish({"ca.crt": "two"})

    assert [each.split()[0] for each in server.asked] == ["GET", "POST", "GET", "GET", "PUT"]
    assert server.held is not None
    assert (server.held["metadata"], server.held["data"]) == (
        {"name": "grapevine-ca", "namespace": "grapevine-capture"},
        {"ca.crt": "two"},
    )


async def test_a_missing_namespace_and_a_race_are_named(serve: Serve) -> None:
    async with await Session.open(await serve(Server(None, status=404).answer)) as session:
        with pytest.raises(PermanentInputError, match="namespace grapevine-capture is not there"):
            await NamedConfigMap(session, CONFIGMAP).publish({})
    for held in (None, an_object()):
        server = Server(held, status=409)
        async with await Session.open(await serve(server.answer)) as session:
            with pytest.raises(RetryableError, match="grapevine-capture/grapevine-ca keeps changing"):
                await NamedConfigMap(session, CONFIGMAP).publish({"ca.crt": "x"})
        assert len(server.asked) == 2 * ATTEMPTS
