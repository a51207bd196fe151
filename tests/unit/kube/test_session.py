"""Configuration and a server that is not there; what a real one says is in tests/integration."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from grapevine.kube.session import Session, preflight
from grapevine.model.errors import PermanentInputError, RetryableError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.mark.parametrize("content", [None, "", "hello", "{", "current-context: nope\n"])
async def test_a_kubeconfig_that_is_none_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)

    with pytest.raises(PermanentInputError) as refused:
        await Session.open(str(path))

    assert str(refused.value).startswith(f"kubeconfig {path} cannot be used: ")
    assert str(refused.value).endswith("; name a kubeconfig with --kubeconfig or KUBECONFIG")


async def test_a_server_that_is_not_there_is_named_with_the_kubeconfig(kubeconfig: Callable[[str], str]) -> None:
    path = kubeconfig("http://127.0.0.1:1")

    async with await Session.open(path) as session:
        with pytest.raises(PermanentInputError) as refused:
            await preflight(session)

    text = str(refused.value)
    assert text.startswith("GET /version: http://127.0.0.1:1 is unreachable: ")
    assert text.endswith(f"(from kubeconfig {path}); is the server up, and is it the right one?")


async def test_something_else_at_that_address_is_no_api_server(serve: Serve) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>welcome</html>")

    async with await Session.open(await serve(page)) as session:
        with pytest.raises(PermanentInputError, match="is no Kubernetes API server"):
            await preflight(session)


async def test_sends_token_agent_and_type_and_gives_up_in_time(serve: Serve) -> None:
    seen: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append({**request.headers, "body": await request.text(), "query": request.query_string})
        if request.path == "/slow":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"half")
            assert request.transport is not None
            request.transport.abort()
            return response
        return web.Response(status=201, body=b"made")

    async with await Session.open(await serve(answer)) as session:
        apply = "application/apply-patch+yaml"
        assert await session.request("PATCH", "/x", {"force": "true"}, body={"a": 1}, content_type=apply) == b"made"
        with pytest.raises(RetryableError, match="unreachable"):
            await session.request("GET", "/slow")
        assert (await session.credentials())["token"] == "t0ken"  # noqa: S105 - the test's own

    assert seen[0]["Authorization"] == "Bearer t0ken"
    assert seen[0]["User-Agent"].startswith("grapevine/")
    assert (seen[0]["Content-Type"], seen[0]["body"], seen[0]["query"]) == (apply, '{"a": 1}', "force=true")
