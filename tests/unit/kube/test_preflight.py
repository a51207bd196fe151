"""Looking at a cluster through an API server that refuses, stalls, has too much, or is none."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

import pytest
from aiohttp import web

from grapevine.kube import preflight
from grapevine.kube.cluster_facts import ClusterFacts, IntentsCount, Nodes, Unread
from grapevine.kube.preflight import read_cluster
from grapevine.kube.session import Session
from grapevine.model.errors import PermanentInputError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


class ApiServer:
    """An empty cluster; answers by path what the test put in, and remembers how it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {"/version": {"gitVersion": "v1.37.2"}, "/apis": {"groups": []}, **answers}
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path, dict(request.query)))
        known = self.answers.get(request.path)
        if isinstance(known, web.Response):
            return known
        if request.method == "POST":
            return web.json_response({"status": {"allowed": True}})
        if known is None and ("/namespaces/" in request.path or "/customresourcedefinitions/" in request.path):
            return web.json_response({"message": "not found"}, status=404)
        return web.json_response({"items": None} if known is None else known)


async def look(serve: Serve, server: ApiServer) -> ClusterFacts:
    async with await Session.open(await serve(server.answer)) as session:
        return await read_cluster(session)


async def test_reads_and_asks_and_does_nothing_else(serve: Serve) -> None:
    server = ApiServer()
    facts = await look(serve, server)

    assert (facts.version, facts.crd, facts.intents, facts.components) == ("v1.37.2", None, None, ())
    assert facts.nodes == Nodes()
    posts = {path for method, path, _ in server.asked if method != "GET"}
    assert posts == {"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"}


async def test_lists_are_read_in_pages_up_to_a_bound(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "MAX_PAGES", 3)
    page = {"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "n", "labels": {}}}]}
    server = ApiServer(**{"/api/v1/nodes": page, "/apis/apps/v1/daemonsets": page})
    facts = await look(serve, server)

    assert facts.nodes == Nodes(total=3, is_all=False)
    assert [query for _, path, query in server.asked if path == "/api/v1/nodes"] == [
        {"limit": "500"},
        {"limit": "500", "continue": "more"},
        {"limit": "500", "continue": "more"},
    ]
    assert isinstance(facts.components, Unread)
    assert "more daemonsets than the 1500" in facts.components.why


async def test_what_stalls_costs_its_own_look_alone(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "REQUEST_TIMEOUT_S", 3.0)
    server = ApiServer()

    async def stall(request: web.Request) -> web.StreamResponse:
        if request.path == "/api/v1/nodes":
            await asyncio.sleep(60)
        return await server.answer(request)

    async with await Session.open(await serve(stall)) as session:
        facts = await read_cluster(session)

    assert isinstance(facts.nodes, Unread)
    assert "no answer in time" in facts.nodes.why
    assert [each.name for each in fields(facts) if isinstance(getattr(facts, each.name), Unread)] == ["nodes"]


async def test_an_answer_that_is_none_is_a_look_that_failed(serve: Serve) -> None:
    html = web.Response(text="<html>", content_type="text/html")
    facts = await look(serve, ApiServer(**{"/apis": html}))

    assert isinstance(facts.groups, Unread)
    assert facts.groups.why.startswith("the answer is not the API server's: ")


async def test_objects_are_asked_for_in_the_version_they_are_stored_in(serve: Serve) -> None:
    crd = {
        "metadata": {"name": "clientintents.k8s.otterize.com"},
        "spec": {
            "versions": [
                {"name": "v2beta1", "served": True, "storage": False},
                {"name": "v1beta1", "served": True, "storage": True},
            ]
        },
    }
    written = [
        {"apiVersion": "k8s.otterize.com/v1beta1", "time": "2026-01-01T00:00:00Z"},
        {"apiVersion": "k8s.otterize.com/v2beta1", "time": "2026-01-02T00:00:00Z"},
        {"apiVersion": "k8s.otterize.com/v2alpha1", "time": "2026-01-03T00:00:00Z", "subresource": "status"},
    ]
    objects = {"items": [{"metadata": {"name": "a", "managedFields": written}}, {"metadata": {"name": "b"}}]}
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/clientintents.k8s.otterize.com"
    facts = await look(serve, ApiServer(**{path: crd, "/apis/k8s.otterize.com/v1beta1/clientintents": objects}))

    assert facts.intents == IntentsCount({"unknown": 1, "v2beta1": 1}, discovered=0, declared=2)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (web.json_response({}, status=401), "credentials.*is it the right one"),
        (web.json_response({}, status=503), "503.*is the server up"),
        (web.Response(text="<html>", content_type="text/html"), "is no Kubernetes API server"),
    ],
    ids=["401", "503", "html"],
)
async def test_without_an_api_server_there_is_nothing_to_look_at(serve: Serve, answer: web.Response, text: str) -> None:
    with pytest.raises(PermanentInputError, match=text):
        await look(serve, ApiServer(**{"/version": answer}))
