"""Kinds that own pods, found and followed on a server that may not have them, or not tell."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from tests.support.loop import until

from grapevine.kube import owner_kinds as module
from grapevine.kube.cache import Change, Kind
from grapevine.kube.owner_kinds import OwnerKinds, find_kind
from grapevine.kube.session import Session
from grapevine.model.errors import PermanentInputError
from grapevine.resolver.records import OwnerKey, OwnerRecord
from grapevine.settings import OwnerKindName, parse_owner_kind

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]
ROLLOUT = parse_owner_kind("argoproj.io/v1alpha1/Rollout")
RESOURCES = [
    {"name": "rollouts/status", "kind": "Rollout"},
    {"name": "rollouts", "kind": "Rollout"},
]


def refused(status: int) -> web.Response:
    return web.json_response({"kind": "Status", "message": "no", "code": status}, status=status)


class Server:
    """An API server with one group; `resources` None is one that does not serve it."""

    def __init__(self) -> None:
        self.resources: list[dict[str, str]] | None = RESOURCES
        self.status = 200

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path in ("/apis/argoproj.io/v1alpha1", "/api/v1"):
            return refused(404) if self.resources is None else web.json_response({"resources": self.resources})
        if self.status != 200:
            return refused(self.status)
        if "watch" in request.query:
            response = web.StreamResponse()
            await response.prepare(request)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            return response
        owner = {"apiVersion": "x.example/v1", "kind": "Team", "name": "blue", "uid": "t", "controller": True}
        item = {"metadata": {"name": "web", "namespace": "shop", "uid": "u", "ownerReferences": [owner]}}
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": [item]})


@contextlib.asynccontextmanager
async def followed(kubeconfig: str, records: list[Change], kinds: list[tuple[str, str]]) -> AsyncIterator[OwnerKinds]:
    async with await Session.open(kubeconfig) as session:
        follower = OwnerKinds(
            session, [ROLLOUT], records.extend, lambda: 0, lambda group, kind: kinds.append((group, kind))
        )
        task = asyncio.create_task(follower.run())
        try:
            yield follower
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.mark.parametrize("name", ["Rollout", "rollouts"])
async def test_a_kind_is_found_by_its_name_or_its_resource(serve: Serve, name: str) -> None:
    async with await Session.open(await serve(Server().answer)) as session:
        found = await find_kind(session, OwnerKindName("argoproj.io", "v1alpha1", name))

    assert found == Kind("Rollout.argoproj.io", "/apis/argoproj.io/v1alpha1/rollouts", partial=True)


async def test_a_kind_of_the_core_group_has_the_core_groups_path(serve: Serve) -> None:
    server = Server()
    server.resources = [{"name": "replicationcontrollers", "kind": "ReplicationController"}]
    async with await Session.open(await serve(server.answer)) as session:
        found = await find_kind(session, parse_owner_kind("core/v1/ReplicationController"))

    assert (found.name, found.path) == ("ReplicationController.", "/api/v1/replicationcontrollers")


@pytest.mark.parametrize(
    ("resources", "said"), [(None, "is its CRD there?"), ([], "serves no Rollout")], ids=["no-group", "no-kind"]
)
async def test_a_kind_that_is_not_served_says_what_to_look_at(
    serve: Serve, resources: list[dict[str, str]] | None, said: str
) -> None:
    server = Server()
    server.resources = resources
    async with await Session.open(await serve(server.answer)) as session:
        with pytest.raises(PermanentInputError) as refusal:
            await find_kind(session, ROLLOUT)

    assert said in str(refusal.value)


async def test_owners_are_told_of_and_the_kind_is_said_to_be_followed(serve: Serve) -> None:
    records: list[Change] = []
    kinds: list[tuple[str, str]] = []
    async with followed(await serve(Server().answer), records, kinds) as follower:
        await follower.wait_answered(10)
        failing, metrics = follower.failing(), {m.name: dict(m.samples) for m in follower.metrics()}

    owner = OwnerKey("Team", "blue", "t", "x.example")
    assert records == [OwnerRecord("shop", "Rollout", "web", "u", owner, "argoproj.io")]
    assert (kinds, failing) == ([("argoproj.io", "Rollout")], {})
    assert metrics["grapevine_owner_kind_objects"] == {"argoproj.io/v1alpha1/Rollout": 1}


async def test_a_kind_that_is_forbidden_holds_up_nothing_and_names_its_rule(serve: Serve) -> None:
    server, kinds = Server(), []
    server.status = 403
    async with followed(await serve(server.answer), [], kinds) as follower:
        await follower.wait_answered(10)
        (refusal,) = follower.failing().values()
        server.status = 200
        await until(lambda: bool(kinds), timeout_s=10)

    assert str(refusal.rule) == 'apiGroups: ["argoproj.io"], resources: [rollouts], verbs: [list, watch]'


async def test_a_kind_whose_crd_comes_later_is_followed_then(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    server, kinds = Server(), []
    server.resources = None
    async with followed(await serve(server.answer), [], kinds) as follower:
        await follower.wait_answered(10)
        before = dict(follower.failing())
        server.resources = RESOURCES
        await until(lambda: bool(kinds), timeout_s=10)

    assert ["argoproj.io/v1alpha1/Rollout"] == list(before)


async def test_an_answer_that_is_no_list_is_refused(serve: Serve) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=json.dumps([1]))

    async with await Session.open(await serve(answer)) as session:
        with pytest.raises(PermanentInputError, match="no list of resources"):
            await find_kind(session, ROLLOUT)
