"""Leader election over HTTP: what a real API server does too seldom; the rest is in tests/integration."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from grapevine.kube.election import Replica, Timing
from grapevine.kube.lease import DeposedError, LeaseLeadership
from grapevine.kube.session import Session
from grapevine.model.identity import ObjectName

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]

NAME = ObjectName("grapevine-system", "grapevine-operator")
ME = Replica("operator-a", "uid-a", "10.244.0.7:8443")
OTHER = Replica("operator-b", "uid-b", "10.244.0.8:8443")
QUICK = Timing(duration_s=12, renew_deadline_s=8, retry_s=0.02)


class Server:
    """One Lease, or none, with versions; answers are lost, or no Lease at all, where a test says so."""

    def __init__(self, held: dict[str, Any] | None = None) -> None:
        self.held = held
        self.requests = 0
        self.answers: list[web.Response] = []
        """Sent instead of what was done, first one first."""

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        if request.method == "GET":
            done = self._reply(self.held is not None, 404)
        else:
            body = json.loads(await request.read())
            version = body["metadata"].get("resourceVersion", "")
            is_as_thought = version == (self.held["metadata"]["resourceVersion"] if self.held else "")
            if is_as_thought:
                body["metadata"]["resourceVersion"] = str(int(version or 0) + 1)
                self.held = body
            done = self._reply(is_as_thought, 409)
        return self.answers.pop(0) if self.answers else done

    def _reply(self, is_done: bool, status: int) -> web.Response:
        return web.json_response(self.held) if is_done else web.json_response({}, status=status)

    @property
    def holder(self) -> str:
        assert self.held is not None
        return str(self.held["spec"]["holderIdentity"])


def a_lease(holder: Replica | None, **metadata: Any) -> dict[str, Any]:
    spec = {"holderIdentity": holder.identity if holder else "", "leaseDurationSeconds": 12, "leaseTransitions": 3}
    return {"metadata": {"name": NAME.name, "resourceVersion": "7", **metadata}, "spec": spec}


@asynccontextmanager
async def taking_part(serve: Serve, server: Server, me: Replica = ME) -> AsyncIterator[LeaseLeadership]:
    """Run a replica until it is told to end, in order."""
    async with await Session.open(await serve(server.answer)) as session:
        leadership = LeaseLeadership(session, NAME, me, QUICK)
        running = asyncio.create_task(leadership.run(lambda: None))
        try:
            yield leadership
        finally:
            running.cancel()
            await asyncio.wait([running])
            await leadership.release()


async def elected(leadership: LeaseLeadership) -> None:
    async with asyncio.timeout(20):
        await leadership.wait_elected()


async def test_leads_renews_and_lets_go_and_keeps_what_others_added(serve: Serve) -> None:
    server = Server(a_lease(None, labels={"team": "network"}))
    async with taking_part(serve, server) as leadership:
        await elected(leadership)
        assert ME == leadership.leader()
        version = int(server.held["metadata"]["resourceVersion"]) if server.held else 0
        async with asyncio.timeout(20):
            while server.held is None or int(server.held["metadata"]["resourceVersion"]) < version + 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (ME.identity, 4) == (server.holder, server.held["spec"]["leaseTransitions"])
    assert not leadership.left_s()
    assert server.held is not None
    assert ("", {"team": "network"}) == (server.holder, server.held["metadata"]["labels"])


async def test_lets_go_though_the_answers_to_its_last_renewals_were_lost(serve: Serve) -> None:
    server = Server()
    async with taking_part(serve, server) as leadership:
        await elected(leadership)
        server.answers = [web.Response(status=500) for _ in range(2)]
        async with asyncio.timeout(20):
            while server.answers:  # noqa: ASYNC110 - what is awaited happens behind a socket
                await asyncio.sleep(0.005)
    assert "" == server.holder


async def test_follows_who_has_it_and_takes_nothing(serve: Serve) -> None:
    server = Server(a_lease(OTHER))
    async with taking_part(serve, server) as leadership:
        async with asyncio.timeout(20):
            while server.requests < 3:  # noqa: ASYNC110 - what is awaited happens behind a socket
                await asyncio.sleep(0.01)
        assert (OTHER, 0) == (leadership.leader(), leadership.left_s())
    assert a_lease(OTHER) == server.held


async def test_ends_where_another_one_has_led_meanwhile(serve: Serve) -> None:
    server = Server()
    async with await Session.open(await serve(server.answer)) as session:
        leadership = LeaseLeadership(session, NAME, ME, QUICK)
        running = asyncio.create_task(leadership.run(lambda: None))
        await elected(leadership)
        server.held = a_lease(OTHER, resourceVersion="99")
        with pytest.raises(DeposedError, match="Lease grapevine-system/grapevine-operator is of pod operator-b now"):
            async with asyncio.timeout(20):
                await running
        await leadership.release()

    assert a_lease(OTHER, resourceVersion="99") == server.held


@pytest.mark.parametrize(
    "damaged",
    [
        web.Response(text="<html>"),
        web.json_response({"metadata": None}),
        web.json_response({"metadata": {}, "spec": {"leaseTransitions": "many"}}),
        web.Response(status=403),
    ],
    ids=["no JSON", "no metadata", "no number", "forbidden"],
)
async def test_what_is_no_lease_is_counted_and_asked_for_again(serve: Serve, damaged: web.Response) -> None:
    server = Server()
    server.answers = [damaged]
    async with taking_part(serve, server) as leadership:
        await elected(leadership)
        metrics = {metric.name: metric.samples[""] for metric in leadership.metrics()}

    assert (1, 1, 1) == tuple(metrics[f"grapevine_{name}"] for name in ("leader", "leader_known", "lease_failures"))
