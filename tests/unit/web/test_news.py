"""`/api/v1/news` over a real socket: what was new, waiting for it, and going on where one was."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from tests.support.builders import a_new_edge, a_workload
from tests.support.loop import until
from tests.support.web import NoViews, an_api

from grapevine.pipeline.newsroom import Newsroom
from grapevine.web import news as news_module
from grapevine.web.api import ApiServer
from grapevine.web.news import NewsAnswers


@pytest.fixture
def newsroom() -> Newsroom:
    return Newsroom(lambda: 1_000)


@pytest.fixture
def answers(newsroom: Newsroom) -> NewsAnswers:
    return NewsAnswers(newsroom, "i1")


@pytest.fixture
async def server(answers: NewsAnswers) -> AsyncIterator[ApiServer]:
    server = an_api(NoViews(), answers=answers)
    await server.start("127.0.0.1", 0)
    yield server
    await server.stop()


async def ask(server: ApiServer, **query: str) -> tuple[int, dict[str, Any]]:
    url = f"http://127.0.0.1:{server.port}/api/v1/news"
    async with aiohttp.ClientSession() as client, client.get(url, params=query) as answer:
        return answer.status, json.loads(await answer.text())


def tell(newsroom: Newsroom, name: str, namespace: str = "shop") -> None:
    newsroom.tell([a_new_edge(name, client=a_workload(namespace=namespace))], None)


def targets(answer: dict[str, Any]) -> list[str]:
    return [item["target"]["name"] for item in answer["items"]]


async def test_tells_what_is_remembered_at_once(server: ApiServer, newsroom: Newsroom) -> None:
    tell(newsroom, "cart")
    status, answer = await ask(server, wait="60")

    assert (status, answer["instance"], answer["next"], answer["missed"]) == (200, "i1", 1, 0)
    (item,) = answer["items"]
    assert item["client"] == {"namespace": "shop", "kind": "Deployment", "name": "web"}
    assert item["target"] == {"type": "workload", "namespace": "shop", "kind": "Deployment", "name": "cart"}
    assert (item["seq"], item["told_ms"], item["evidence"]) == (1, 1_000, ["dns"])


async def test_waits_for_what_was_asked_for(server: ApiServer, newsroom: Newsroom, answers: NewsAnswers) -> None:
    tell(newsroom, "cart")
    waiting = asyncio.create_task(ask(server, after="1", instance="i1", namespace="billing,tools", wait="60"))
    await until(lambda: answers.waiting == 1)
    tell(newsroom, "catalog")
    assert answers.metrics()[0].samples == {"": 1}

    tell(newsroom, "payment", "billing")
    async with asyncio.timeout(10):
        _, answer = await waiting
    assert (targets(answer), answer["next"], answers.waiting) == (["payment"], 3, 0)


async def test_a_wait_in_vain_ends_with_the_number_to_go_on_from(server: ApiServer, newsroom: Newsroom) -> None:
    tell(newsroom, "cart")

    assert (await ask(server, after="1", wait="0"))[1] == {"instance": "i1", "items": [], "next": 1, "missed": 0}


async def test_a_number_of_another_process_counts_for_nothing(server: ApiServer, newsroom: Newsroom) -> None:
    tell(newsroom, "cart")

    assert targets((await ask(server, after="1", instance="i0"))[1]) == ["cart"]
    assert targets((await ask(server, after="1", instance="i1"))[1]) == []


@pytest.mark.parametrize("query", [{"after": "-1"}, {"after": "x"}, {"wait": "1.5"}, {"after": "9" * 16}])
async def test_says_what_is_wrong_with_a_question(server: ApiServer, query: dict[str, str]) -> None:
    (key,) = query
    status, answer = await ask(server, **query)
    assert status == 400
    assert answer["error"].startswith(f"{key}: give a whole number from 0 to ")


async def test_one_too_many_is_told_to_come_again(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news_module, "MAX_WAITING", 0)

    assert await ask(server) == (503, {"error": "0 others wait for news: come again"})


async def test_news_is_the_leaders(answers: NewsAnswers) -> None:
    server = an_api(NoViews(), answers=answers, elsewhere=lambda: "operator-b")
    await server.start("127.0.0.1", 0)
    try:
        assert await ask(server) == (421, {"error": "this replica follows, operator-b leads: ask that pod"})
    finally:
        await server.stop()
