"""Informers against a real API server."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import pytest
from tests.support.api import Api, Object
from tests.support.controlplane import ControlPlane
from tests.support.objects import load_cluster, replay_pod_events

from grapevine.kube.cache import KINDS, Cache, Change
from grapevine.kube.decode import ObjectDecoder
from grapevine.kube.errors import ExpiredError
from grapevine.kube.informer import Informers
from grapevine.kube.session import Session
from grapevine.model.errors import RetryableError
from grapevine.model.rbac import RbacRule
from grapevine.resolver.records import OwnerRecord, PodRecord, RecordGone

pytestmark = pytest.mark.integration

OVERRIDES = ("intents.otterize.com/workload-name",)


def clock() -> int:
    return time.time_ns() // 1_000_000


async def until(check: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Wait until `check` is truthy, leaving the loop to what is tested."""
    async with asyncio.timeout(timeout_s):
        while not check():  # noqa: ASYNC110 - the state is the server's, there is nothing to wait on
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(informers: Informers) -> AsyncIterator[None]:
    task = asyncio.create_task(informers.run())
    try:
        await informers.wait_synced(20)
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def pod(namespace: str, name: str) -> Object:
    containers = [{"name": "c", "image": "i"}]
    meta = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": containers}}


def pods_of(namespace: str, changes: list[Change]) -> list[tuple[str, str]]:
    """Return (what happened, pod's name) for the changes of one namespace."""
    told = []
    for change in changes:
        record = change.record if isinstance(change, RecordGone) else change
        if isinstance(record, PodRecord) and record.namespace == namespace:
            told.append(("gone" if isinstance(change, RecordGone) else "is", record.name))
    return told


async def test_tells_what_is_there_what_comes_and_what_goes(
    control_plane: ControlPlane, api: Api, namespace: str
) -> None:
    changes: list[Change] = []
    before = pod(namespace, "before")
    api.create(before)

    async with await Session.open(str(control_plane.kubeconfig())) as session:
        informers = Informers(session, OVERRIDES, changes.extend, clock)
        assert informers.unsynced() == tuple(kind.name for kind in KINDS)
        async with running(informers):
            assert informers.unsynced() == ()
            api.create(pod(namespace, "later"))
            await until(lambda: ("is", "later") in pods_of(namespace, changes))
            api.delete(before)
            await until(lambda: ("gone", "before") in pods_of(namespace, changes))

    told = list(dict.fromkeys(pods_of(namespace, changes)))  # a deletion without grace may set its timestamp first
    assert told == [("is", "before"), ("is", "later"), ("gone", "before")]
    metrics = {metric.name: metric.samples for metric in informers.metrics()}
    assert metrics["grapevine_informer_synced"]["Pod"] == 1
    assert metrics["grapevine_informer_failures"]["Pod"] == 0


async def test_a_list_after_a_gap_finds_the_ghosts(control_plane: ControlPlane, api: Api, namespace: str) -> None:
    changes: list[Change] = []
    ghost, reborn, stays = (pod(namespace, name) for name in ("ghost", "reborn", "stays"))
    for each in (ghost, reborn, stays):
        api.create(each)

    async with await Session.open(str(control_plane.kubeconfig())) as session:
        informers = Informers(session, OVERRIDES, changes.extend, clock, [k for k in KINDS if k.name == "Pod"])
        async with running(informers):
            pass
        changes.clear()
        api.delete(ghost)
        api.delete(reborn)
        api.create(reborn)
        async with running(informers):
            await until(lambda: ("gone", "ghost") in pods_of(namespace, changes))

    assert sorted(pods_of(namespace, changes)) == [("gone", "ghost"), ("gone", "reborn"), ("is", "reborn")]
    relists = {metric.name: metric.samples for metric in informers.metrics()}["grapevine_informer_relists"]
    assert relists == {"Pod": 1}


async def test_goes_on_after_the_api_server_restarts(fresh_control_plane: ControlPlane) -> None:
    changes: list[Change] = []

    async with await Session.open(str(fresh_control_plane.kubeconfig())) as session:
        informers = Informers(session, OVERRIDES, changes.extend, clock)
        async with running(informers):
            await asyncio.to_thread(fresh_control_plane.stop_apiserver)
            await asyncio.to_thread(fresh_control_plane.start_apiserver)
            with fresh_control_plane.api() as api:
                api.create(pod("default", "after"))
            await until(lambda: ("is", "after") in pods_of("default", changes))


async def test_a_forgotten_version_is_expired(fresh_control_plane: ControlPlane) -> None:
    """The watch cache of a restarted server begins anew, so an old version is too old."""
    with fresh_control_plane.api() as api:
        for number in range(3):
            api.create(pod("default", f"p{number}"))
    await asyncio.to_thread(fresh_control_plane.stop_apiserver)
    await asyncio.to_thread(fresh_control_plane.start_apiserver)

    pods = next(kind for kind in KINDS if kind.name == "Pod")
    cache = Cache(pods, ObjectDecoder(OVERRIDES))
    async with (
        await Session.open(str(fresh_control_plane.kubeconfig())) as session,
        session.watch(pods.path, {"resourceVersion": "1"}, accept="application/json", inactivity_s=5) as lines,
    ):
        with pytest.raises(ExpiredError):
            async for line in lines:
                cache.apply_event(line, clock())


async def test_reads_the_shop_as_its_objects_are(fresh_control_plane: ControlPlane) -> None:
    changes: list[Change] = []
    with fresh_control_plane.api() as api:
        loaded = load_cluster(api)
        async with await Session.open(str(fresh_control_plane.kubeconfig())) as session:
            informers = Informers(session, OVERRIDES, changes.extend, clock)
            async with running(informers):
                for _ in replay_pod_events(api, loaded=loaded):
                    await asyncio.sleep(0)
                await until(lambda: len([c for c in changes if isinstance(c, RecordGone)]) == 2)

    owners = {(o.kind, o.name): o for o in changes if isinstance(o, OwnerRecord)}
    report = next(c for c in changes if isinstance(c, PodRecord) and c.name.startswith("report-") and c.end_ms)
    assert report.owner is not None
    assert report.ips
    assert ("CronJob", "report") in owners
    assert all(c.owner is None or c.owner.uid for c in owners.values())


async def test_a_forbidden_kind_is_named_with_the_rule_that_is_missing(
    control_plane: ControlPlane, api: Api, namespace: str
) -> None:
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": "nobody"}})
    kubeconfig = control_plane.service_account_kubeconfig(namespace, "nobody")

    async with await Session.open(str(kubeconfig)) as session:
        informers = Informers(
            session, OVERRIDES, lambda changes: None, clock, [k for k in KINDS if k.name == "EndpointSlice"]
        )
        following = asyncio.create_task(informers.run())
        with pytest.raises(RetryableError) as late:
            await informers.wait_synced(1)
        refused = informers.failing()
        following.cancel()

    text = str(late.value)
    assert text.startswith("not synced after 1 s: EndpointSlice (GET /apis/discovery.k8s.io/v1/endpointslices: 403")
    assert 'grant it: apiGroups: ["discovery.k8s.io"], resources: [endpointslices], verbs: [list]' in text
    assert refused["EndpointSlice"].rule == RbacRule("discovery.k8s.io", "endpointslices", ("list", "watch"))
