"""The map over real sockets on loopback: parts of it, ETags, bounds, changes as they come, and what is refused."""

import asyncio
import csv
import io
import json
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from bench.layout import random_map
from tests.support.maps import a_map, behind, call
from tests.support.web import FixedMap, NoViews, an_api

from grapevine.view.layout import lay_out
from grapevine.view.servicemap import ServiceMap
from grapevine.view.wire import graph_fields
from grapevine.web import changes, graph
from grapevine.web.api import ApiServer
from grapevine.web.graph import GraphAnswers

SHOP = a_map(
    call("front/web", "orders/cart", "connection", "dns", confidence=95),
    call("front/web", "cdn.example.net"),
    call("orders/cart", "orders/redis", state="stale"),
    call("orders/cart", "pay/Service/pay"),
    behind("pay/pay", "pay/v1", 60),
)
LARGE = random_map(1_000, 20_000)
LARGE = ServiceMap(LARGE.nodes, tuple(replace(link, first_ms=1, last_ms=2) for link in LARGE.links))


@pytest.fixture
def maps() -> FixedMap:
    return FixedMap(SHOP)


@pytest.fixture
async def server(maps: FixedMap) -> AsyncIterator[ApiServer]:
    server = an_api(NoViews(), maps=maps)
    await server.start("127.0.0.1", 0)
    yield server
    await server.stop()


async def ask(server: ApiServer, path: str, **query: str) -> tuple[int, str, Any]:
    url = f"http://127.0.0.1:{server.port}/api/v1/{path}"
    async with aiohttp.ClientSession() as client, client.get(url, params=query) as answer:
        return answer.status, await answer.text(), answer.headers


async def fields(server: ApiServer, path: str, **query: str) -> dict[str, Any]:
    status, text, _ = await ask(server, path, **query)
    assert status == 200, text
    answer: dict[str, Any] = json.loads(text)
    return answer


def ends(answer: dict[str, Any]) -> set[str]:
    return {f"{link['client']} → {link['target']}" for link in answer["links"]}


async def test_the_graph_comes_with_its_places(server: ApiServer) -> None:
    answer = await fields(server, "graph")

    assert (6, 5, 4) == (len(answer["nodes"]), len(answer["links"]), answer["calls"])
    assert {"", "front", "orders", "pay"} == {island["namespace"] for island in answer["islands"]}
    (web,) = (node for node in answer["nodes"] if node["id"] == "front/Deployment/web")
    (link,) = (link for link in answer["links"] if link["target"] == "orders/Deployment/cart")
    assert link["path"][0] == web["x"] + web["width"], "it begins at the node's right side"
    assert ("solid", 95, "active") == (link["line"], link["confidence"], link["state"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            {"namespace": "front"},
            {"front/Deployment/web → orders/Deployment/cart", "front/Deployment/web → /Domain/cdn.example.net"},
        ),
        ({"outside": "1"}, {"front/Deployment/web → /Domain/cdn.example.net"}),
        ({"confidence": "90"}, {"front/Deployment/web → orders/Deployment/cart"}),
        ({"state": "stale"}, {"orders/Deployment/cart → orders/Deployment/redis"}),
        (
            {"kind": "Service"},
            {"orders/Deployment/cart → pay/Service/pay", "pay/Service/pay → pay/Deployment/v1"},
        ),
        ({"kind": "Domain,CronJob"}, {"front/Deployment/web → /Domain/cdn.example.net"}),
        ({"new_since_ms": "1001"}, set()),
        ({"line": "solid"}, {"front/Deployment/web → orders/Deployment/cart"}),
        ({"focus": "orders/Deployment/redis"}, {"orders/Deployment/cart → orders/Deployment/redis"}),
        ({"focus": "/Domain/cdn.example.net", "depth": "3"}, {"front/Deployment/web → /Domain/cdn.example.net"}),
        ({"search": "REDIS"}, {"orders/Deployment/cart → orders/Deployment/redis"}),
        ({"since_ms": "2001"}, set()),
    ],
)
async def test_a_part_is_the_same_in_graph_table_and_csv(
    query: dict[str, str], expected: set[str], server: ApiServer
) -> None:
    assert expected == ends(await fields(server, "graph", **query))
    assert expected == ends(await fields(server, "edges", **query))
    _, text, headers = await ask(server, "edges.csv", **query)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(expected) == len(rows)
    assert 'attachment; filename="map.csv"' == headers["Content-Disposition"]


async def test_the_table_comes_in_pages(server: ApiServer) -> None:
    first = await fields(server, "edges", limit="2")
    rest = await fields(server, "edges", offset="2")

    assert (5, 2, 3) == (first["total"], len(first["links"]), len(rest["links"]))
    assert ends(first) | ends(rest) == ends(await fields(server, "edges"))


async def test_the_table_comes_in_the_order_asked_for(server: ApiServer) -> None:
    surest = await fields(server, "edges", sort="sure", calls="1")
    by_target = await fields(server, "edges", sort="-target", calls="1")

    assert (4, 95) == (surest["total"], surest["links"][0]["confidence"])
    assert ["pay", "redis", "cart", "cdn.example.net"] == [link["target"].split("/")[2] for link in by_target["links"]]
    assert 400 == (await ask(server, "edges", sort="age"))[0]


async def test_says_what_can_be_chosen_whatever_the_part(server: ApiServer) -> None:
    answer = await fields(server, "graph", namespace="pay")

    assert {"namespaces": ["front", "orders", "pay"], "kinds": ["Deployment", "Domain", "Service"]} == answer["choices"]


async def test_a_small_change_moves_little_and_who_looks_again_sees_the_same(server: ApiServer, maps: FixedMap) -> None:
    whole = random_map(300, 700)
    maps.put(whole)
    before = await fields(server, "graph")
    again = await fields(server, "graph")
    new = [call("team-001/a-new-one", f"{node.ref.namespace}/{node.ref.name}") for node in whole.nodes[40:44]]
    grown = a_map(*whole.links, *new, nodes=whole.nodes)
    maps.put(grown)
    after = await fields(server, "graph")
    anew = graph_fields(grown, lay_out(grown))

    assert before == again
    assert moved(before, after) < moved(before, anew) / 3
    assert moved(before, after) < 0.02


def moved(before: dict[str, Any], after: dict[str, Any]) -> float:
    """Return how far nodes moved on average, as a part of the picture's diagonal."""
    places = {node["id"]: (node["x"], node["y"]) for node in after["nodes"]}
    ways = [math.dist((node["x"], node["y"]), places[node["id"]]) for node in before["nodes"]]
    return sum(ways) / len(ways) / math.hypot(before["width"], before["height"])


async def test_who_has_it_already_is_told_so(server: ApiServer, maps: FixedMap) -> None:
    _, _, headers = await ask(server, "graph")
    url = f"http://127.0.0.1:{server.port}/api/v1/graph"

    async def again(tag: str) -> int:
        async with aiohttp.ClientSession() as client, client.get(url, headers={"If-None-Match": tag}) as answer:
            return answer.status

    assert 304 == await again(headers["ETag"])
    assert 304 == await again(f'"other", W/{headers["ETag"]}')
    assert 200 == await again('"other"')
    maps.put(a_map(call("front/web", "orders/cart")))
    assert 200 == await again(headers["ETag"])


async def test_finds_names_those_that_begin_so_first(server: ApiServer) -> None:
    answer = await fields(server, "search", q="R")

    assert "orders/Deployment/redis" == answer["nodes"][0]["id"]
    assert answer["total"] == len(answer["nodes"]) == 3


async def test_tells_a_blast_radius_with_its_chains(server: ApiServer) -> None:
    answer = await fields(server, "blast", workload="redis.orders", cause="down")

    assert ["orders/Deployment/cart", "front/Deployment/web"] == [each["id"] for each in answer["reached"]]
    assert [1, 2] == [len(each["chain"]) for each in answer["reached"]]
    near = await fields(
        server, "blast", workload="front/Deployment/web", cause="compromised", depth="1", confidence="90"
    )
    assert (1, ["orders/Deployment/cart"]) == (near["total"], [each["id"] for each in near["reached"]])


async def test_tells_what_came_and_what_went_silent_since(server: ApiServer, maps: FixedMap) -> None:
    was, is_new = call("front/web", "orders/cart"), replace(call("front/web", "cdn.example.net"), first_ms=1_500)
    silent = replace(call("orders/cart", "orders/redis", state="stale"), silent_ms=1_600)
    maps.put(replace(a_map(was, is_new, silent), remembered_ms=1 << 50))

    answer = await fields(server, "diff", since="1400")
    before = await fields(server, "diff", since="1400", until="1550")
    elsewhere = await fields(server, "diff", since="1400", namespace="orders")

    assert ["/Domain/cdn.example.net"] == [link["target"] for link in answer["added"]]
    assert [("orders/Deployment/redis", 1_600)] == [(link["target"], link["silent_ms"]) for link in answer["gone"]]
    assert (["/Domain/cdn.example.net"], ["orders/Deployment/redis"]) == tuple(
        [ref["id"] for ref in answer[key]] for key in ("came", "left")
    )
    assert {"came": 1, "left": 1, "added": 1, "gone": 1, "changed": 0} == answer["total"]
    assert (1_400, 0, []) == (answer["since_ms"], answer["until_ms"], answer["notes"])
    assert (1, 0) == (before["total"]["added"], before["total"]["gone"])
    assert (0, 1) == (elsewhere["total"]["added"], elsewhere["total"]["gone"])


async def test_what_is_different_has_an_etag_too(server: ApiServer) -> None:
    _, _, headers = await ask(server, "diff", since="1400")
    url = f"http://127.0.0.1:{server.port}/api/v1/diff?since=1400"

    async with aiohttp.ClientSession() as client, client.get(url, headers={"If-None-Match": headers["ETag"]}) as answer:
        assert 304 == answer.status


async def test_shows_the_intents_of_a_client(server: ApiServer, maps: FixedMap) -> None:
    maps.intents["shop", "Deployment", "web"] = "kind: ClientIntents\n"

    status, text, headers = await ask(server, "intents", client="shop/Deployment/web")

    assert (200, "kind: ClientIntents\n") == (status, text)
    assert "application/yaml" in headers["Content-Type"]
    assert 404 == (await ask(server, "intents", client="shop/Job/web"))[0]


@pytest.mark.parametrize(
    ("path", "query", "status", "said"),
    [
        ("graph", {"depth": "0"}, 400, "depth: give a number from 1 to 100"),
        ("graph", {"confidence": "101"}, 400, "confidence: give a whole number from 0 to 100"),
        ("graph", {"state": "alive"}, 400, "state: give some of active"),
        ("graph", {"line": "thin"}, 400, "line: give some of dashed, dotted, solid"),
        ("graph", {"outside": "yes"}, 400, "outside: give a whole number from 0 to 1"),
        ("graph", {"focus": "nobody"}, 404, "focus: nothing in the map is called so"),
        ("graph", {"focus": "a/b/c/d"}, 400, "names no workload"),
        ("graph", {"search": "x" * 601}, 400, "search: is longer than 600 characters"),
        ("edges", {"limit": "2001"}, 400, "limit: give a whole number from 0 to 2000"),
        ("search", {}, 400, "q: is missing"),
        ("blast", {"workload": "web"}, 400, "cause: is missing"),
        ("blast", {"workload": "web", "cause": "fire"}, 400, "cause: give one of compromised, down"),
        ("diff", {}, 400, "since: is missing"),
        ("diff", {"since": "24h"}, 400, "since: give a whole number from 0 to"),
        ("diff", {"since": "9", "until": "8"}, 400, "until: is before since"),
        ("blast", {"workload": "e", "cause": "down"}, 404, "workload: nothing in the map is called so"),
        ("intents", {"client": "shop/web"}, 400, "client: give NAMESPACE/KIND/NAME"),
    ],
)
async def test_says_what_is_wrong_with_a_question(
    path: str, query: dict[str, str], status: int, said: str, server: ApiServer
) -> None:
    answer = await ask(server, path, **query)

    assert status == answer[0]
    assert said in json.loads(answer[1])["error"]


async def test_every_answer_forbids_what_is_not_of_this_origin(server: ApiServer) -> None:
    for path in ("graph", "version", "nothing", "search"):
        _, _, headers = await ask(server, path)
        assert headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert ("nosniff", "DENY", "no-referrer", "same-origin") == tuple(
            headers[name]
            for name in ("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cross-Origin-Resource-Policy")
        )


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("graph", {}),
        ("graph", {"focus": "team-003/service-100", "depth": "2"}),
        ("edges", {}),
        ("edges.csv", {}),
        ("search", {"q": "s"}),
        ("blast", {"workload": "service-1", "cause": "down"}),
        ("diff", {"since": "0"}),
    ],
)
async def test_twenty_thousand_edges_are_answered_within_the_bounds(
    path: str, query: dict[str, str], server: ApiServer, maps: FixedMap
) -> None:
    maps.put(LARGE)

    status, text, _ = await ask(server, path, **query)

    assert (status, len(text) < 8 << 20) == (200, True)
    if path == "graph":
        assert len(json.loads(text)["nodes"]) <= 600
    if path == "diff":
        answer = json.loads(text)
        assert (20_000, 2_000) == (answer["total"]["added"], len(answer["added"]))


class SlowMap(FixedMap):
    """The shop, once it may be told."""

    def __init__(self) -> None:
        super().__init__()
        self.held = asyncio.Event()

    async def current(self) -> ServiceMap:
        await self.held.wait()
        return SHOP


async def test_only_so_many_questions_wait(maps: FixedMap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MAX_WAITING", 2)
    slow = SlowMap()
    answers = GraphAnswers(slow)
    first = [asyncio.create_task(answers._computed(graph.edges, {})) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(graph.RetryableError, match="2 other questions wait"):
        await answers._computed(graph.edges, {})
    slow.held.set()
    assert all(await asyncio.gather(*first))
    assert [{"": 0}, {"busy": 1}] == [metric.samples for metric in answers.metrics()]


async def test_what_takes_too_long_is_given_up_and_keeps_its_turn_until_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graph, "TIMEOUT_S", 0.05)
    slow = SlowMap()
    answers = GraphAnswers(slow)
    for _ in range(graph.MAX_AT_ONCE + 1):
        with pytest.raises(graph.RetryableError, match="no answer within"):
            await answers._computed(graph.edges, {})
    slow.held.set()
    monkeypatch.setattr(graph, "TIMEOUT_S", 20.0)
    assert {"timeout": graph.MAX_AT_ONCE + 1} == answers.metrics()[1].samples
    assert b'"total":5' in await answers._computed(graph.edges, {})


async def test_changes_are_told_as_they_come(
    server: ApiServer, maps: FixedMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "LOOK_S", 0.01)
    monkeypatch.setattr(changes, "HEARTBEAT_S", 0.05)
    url = f"http://127.0.0.1:{server.port}/api/v1/changes"
    async with aiohttp.ClientSession() as client, client.get(url) as stream:
        assert "text/event-stream" in stream.headers["Content-Type"]
        assert b"event: change\nid: i1-1\ndata: 1\n\n" == await stream.content.readuntil(b"\n\n")
        maps.put(a_map())
        event = await stream.content.readuntil(b"data: 2\n\n")
        assert event.endswith(b"event: change\nid: i1-2\ndata: 2\n\n")
        assert b": still here\n\n" == await stream.content.readuntil(b": still here\n\n")


async def test_only_so_many_listen(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_LISTENING", 0)

    status, text, _ = await ask(server, "changes")

    assert (503, "0 others listen for changes: come again") == (status, json.loads(text)["error"])
