"""The JSON API over real sockets on loopback: what it answers, and what it refuses."""

import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from tests.support.builders import a_workload
from tests.support.web import an_api

from grapevine import __version__
from grapevine.insight.explain import Explanation, Verdict
from grapevine.model.account import Account
from grapevine.model.errors import PermanentInputError
from grapevine.model.finding import Finding, Level
from grapevine.web.api import ApiServer


class FakeViews:
    """Answers every question with itself."""

    def __init__(self) -> None:
        self.is_broken = False

    def explain(self, namespace: str, name: str, kind: str, asked: str) -> Explanation:
        if self.is_broken:
            raise ZeroDivisionError("by design")
        return Explanation(Verdict.NOT_SEEN, a_workload(name, namespace=namespace, kind=kind), asked)

    def findings(self) -> list[Finding]:
        return [Finding("ClockSkew", Level.WARNING, "clocks are off")]

    def accounts(self) -> dict[str, Account]:
        return {"lookups": Account(5, 1, {"edge": 4, "reverse": 2})}


@pytest.fixture
def views() -> FakeViews:
    return FakeViews()


@pytest.fixture
async def server(views: FakeViews) -> AsyncIterator[ApiServer]:
    server = an_api(views)
    await server.start("127.0.0.1", 0)
    yield server
    await server.stop()


async def ask(
    server: ApiServer, path: str, method: str = "GET", host: str = "", **query: str
) -> tuple[int, dict[str, Any]]:
    headers = {"Host": host} if host else {}
    url = f"http://127.0.0.1:{server.port}{path}"
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, url, params=query, headers=headers) as answer,
    ):
        assert answer.content_type == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in answer.headers
        return answer.status, json.loads(await answer.text())


async def test_answers_with_the_fields_of_the_view(server: ApiServer) -> None:
    status, answer = await ask(server, "/api/v1/explain", client="shop/web", kind="Job", target="cart")

    assert status == 200
    assert answer["verdict"] == "not-seen"
    assert answer["client"] == {"namespace": "shop", "kind": "Job", "name": "web"}
    assert answer["asked"] == "cart"
    assert answer["edges"] == []


async def test_tells_its_version(server: ApiServer) -> None:
    assert await ask(server, "/api/v1/version") == (200, {"version": __version__})


async def test_tells_what_the_doctor_found(server: ApiServer) -> None:
    finding = {"check": "ClockSkew", "level": "warning", "found": "clocks are off", "means": "", "remedy": ""}

    account = {"taken_in": 5, "restored": 1, "booked": {"edge": 4, "reverse": 2}, "missing": 0}
    answer = {"version": __version__, "findings": [finding], "accounts": {"lookups": account}}
    assert await ask(server, "/api/v1/doctor") == (200, answer)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"target": "cart"}, "client: is missing"),
        ({"client": "shop/web"}, "target: is missing"),
        ({"client": "web", "target": "cart"}, "client: give NAMESPACE/NAME"),
        ({"client": "shop/Job/web", "target": "cart"}, "client: give NAMESPACE/NAME"),
        ({"client": "shop/web", "target": "x" * 601}, "target: is longer than 600 characters"),
    ],
)
async def test_says_what_is_wrong_with_a_question(server: ApiServer, query: dict[str, str], reason: str) -> None:
    assert await ask(server, "/api/v1/explain", **query) == (400, {"error": reason})


async def test_errors_are_json_too(server: ApiServer) -> None:
    assert await ask(server, "/api/v1/nothing") == (404, {"error": "Not Found"})
    assert await ask(server, "/api/v1/version", "POST") == (405, {"error": "Method Not Allowed"})


async def test_a_defect_is_logged_and_not_told(
    server: ApiServer, views: FakeViews, caplog: pytest.LogCaptureFixture
) -> None:
    views.is_broken = True

    status, answer = await ask(server, "/api/v1/explain", client="shop/web", target="cart")

    assert (status, answer) == (500, {"error": "a defect: the operator's log says more"})
    assert "a question failed" in caplog.text


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8082", 200), ("[::1]:8082", 200), ("127.0.0.1", 200), ("rebound.example.com", 403), ("10.0.0.1", 403)],
)
async def test_a_page_that_has_bound_its_name_to_loopback_is_refused(server: ApiServer, host: str, status: int) -> None:
    assert (await ask(server, "/api/v1/version", host=host))[0] == status


async def test_an_address_that_is_taken_is_named(views: FakeViews) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = an_api(views)
        with pytest.raises(PermanentInputError, match=rf"cannot listen on 127\.0\.0\.1:{port} for the API: .*--api"):
            await server.start("127.0.0.1", port)
        await server.stop()


@pytest.mark.parametrize(
    ("elsewhere", "statuses", "error"),
    [
        (None, (200, 200, 200), None),
        ("operator-b", (200, 421, 421), "this replica follows, operator-b leads: ask that pod"),
        ("", (200, 421, 200), "no replica leads now"),
    ],
)
async def test_questions_are_the_leaders(
    views: FakeViews, elsewhere: str | None, statuses: tuple[int, ...], error: str | None
) -> None:
    server = an_api(views, elsewhere=lambda: elsewhere)
    await server.start("127.0.0.1", 0)
    try:
        version, _ = await ask(server, "/api/v1/version")
        explain, said = await ask(server, "/api/v1/explain", client="shop/web", target="cart")
        doctor, _ = await ask(server, "/api/v1/doctor")
    finally:
        await server.stop()

    assert (statuses, error) == ((version, explain, doctor), said.get("error"))
