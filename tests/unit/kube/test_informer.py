"""The informer against a server that does what a real one does once a year."""

import asyncio
import contextlib
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from grapevine.kube import informer as module
from grapevine.kube.cache import Cache, Change, Kind
from grapevine.kube.decode import ObjectDecoder
from grapevine.kube.informer import Informers
from grapevine.kube.session import Session
from grapevine.resolver.records import PodRecord, RecordGone

PODS = Kind("Pod", "/api/v1/pods")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


def pod(name: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "n"}}


def page(*names: str, more: str = "") -> web.Response:
    return web.json_response(
        {"metadata": {"resourceVersion": "1", "continue": more}, "items": [pod(name) for name in names]}
    )


def expired() -> web.Response:
    return web.json_response({"kind": "Status", "message": "too old", "code": 410}, status=410)


async def watch(request: web.Request, *events: dict[str, object], then_hold: bool = True) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for event in events:
        await response.write(json.dumps(event).encode() + b"\n")
    if then_hold:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
    return response


@contextlib.asynccontextmanager
async def following(
    kubeconfig: str, changes: list[Change], *kinds: Kind, on_current: Callable[[bool], None] = lambda _: None
) -> AsyncIterator[Informers]:
    async with await Session.open(kubeconfig) as session:
        informers = Informers(session, (), changes.extend, lambda: 5, kinds or (PODS,), on_current=on_current)
        task = asyncio.create_task(informers.run())
        try:
            yield informers
        finally:
            task.cancel()
            await asyncio.wait([task])


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not check():  # noqa: ASYNC110 - what is awaited happens behind a socket
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_BACKOFF_S", 0.01)
    monkeypatch.setattr(module, "INACTIVITY_S", 0.2)


def names(changes: list[Change]) -> list[str]:
    return [f"-{c.record.name}" if isinstance(c, RecordGone) else c.name for c in changes]


async def test_a_continue_token_that_expires_starts_the_list_over(serve: Serve) -> None:
    lists: list[str] = []
    changes: list[Change] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await watch(request)
        lists.append(request.query.get("continue", ""))
        if len(lists) == 1:
            return page("a", "gone-meanwhile", more="token")
        return expired() if len(lists) == 2 else page("a", "b")

    async with following(await serve(handler), changes) as informers:
        await informers.wait_synced(10)

    assert lists == ["", "token", ""]
    assert names(changes) == ["a", "gone-meanwhile", "b", "-gone-meanwhile"]


async def test_an_expired_watch_lists_again_and_sweeps(serve: Serve) -> None:
    lists = 0
    changes: list[Change] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal lists
        if "watch" not in request.query:
            lists += 1
            return page("a", "b") if lists == 1 else page("b")
        if lists == 1:
            return await watch(request, {"type": "ERROR", "object": {"kind": "Status", "code": 410}})
        return await watch(request)

    async with following(await serve(handler), changes) as informers:
        await until(lambda: "-a" in names(changes))
        relists = {metric.name: metric.samples for metric in informers.metrics()}["grapevine_informer_relists"]

    assert names(changes) == ["a", "b", "-a"]
    assert relists == {"Pod": 1}


async def test_a_watch_goes_on_from_the_last_bookmark_without_a_list(serve: Serve) -> None:
    versions: list[str] = []
    lists = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal lists
        if "watch" not in request.query:
            lists += 1
            return page("a")
        versions.append(request.query["resourceVersion"])
        bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(len(versions) * 10)}}}
        return await watch(request, bookmark, then_hold=False)

    async with following(await serve(handler), []):
        await until(lambda: len(versions) >= 3)

    assert versions[:3] == ["1", "10", "20"]
    assert lists == 1


async def test_a_silent_watch_is_opened_again(serve: Serve) -> None:
    watches = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal watches
        if "watch" not in request.query:
            return page("a")
        watches += 1
        return await watch(request)

    async with following(await serve(handler), []) as informers:
        await until(lambda: watches >= 2)
        samples = {metric.name: metric.samples["Pod"] for metric in informers.metrics()}

    assert samples["grapevine_informer_silences"] >= 1
    assert samples["grapevine_informer_failures"] == 0  # a kind nothing happens to is no trouble


async def test_a_server_in_trouble_is_asked_again_until_it_answers(serve: Serve) -> None:
    asked = 0
    changes: list[Change] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        if "watch" in request.query:
            return await watch(request)
        asked += 1
        return page("a") if asked > 3 else web.Response(status=[500, 403, 429][asked - 1], text="not now")

    async with following(await serve(handler), changes) as informers:
        await informers.wait_synced(10)

    assert [change.name for change in changes if isinstance(change, PodRecord)] == ["a"]


async def test_says_once_that_it_is_behind_and_once_that_it_has_caught_up(serve: Serve) -> None:
    told: list[bool] = []
    watches = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal watches
        if "watch" not in request.query:
            return page("a")
        watches += 1
        return web.Response(status=500) if watches < 4 else await watch(request)

    async with following(await serve(handler), [], on_current=told.append):
        await until(lambda: watches >= 5)  # a silent watch opened again is no news

    assert told == [False, True]


async def test_is_behind_from_a_lost_place_until_the_list_is_complete(serve: Serve) -> None:
    events: list[object] = []
    lists = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal lists
        if "watch" in request.query:
            return await watch(request) if lists > 1 else expired()
        lists += 1
        events.append("list")
        return page("a")

    async with following(await serve(handler), [], on_current=events.append):
        await until(lambda: True in events)

    assert events == ["list", False, "list", True]


async def test_the_first_kind_that_is_answered_wakes_the_others_from_their_back_off(serve: Serve) -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await watch(request)
        asked.append(request.path)
        return web.Response(status=500) if asked.count(request.path) == 1 else page()

    async with following(await serve(handler), [], PODS, Kind("Node", "/api/v1/nodes")) as informers:
        pods, _ = informers._informers
        pods._backoff_s = module.MAX_BACKOFF_S
        await informers.wait_synced(module.MAX_BACKOFF_S / 4)

    assert sorted(asked) == ["/api/v1/nodes"] * 2 + ["/api/v1/pods"] * 2


async def test_what_the_receiver_raises_ends_the_informers(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return page("a")

    def receive(_: list[Change]) -> None:
        raise ZeroDivisionError

    async with await Session.open(await serve(handler)) as session:
        with pytest.raises(ExceptionGroup) as failed:
            await Informers(session, (), receive, lambda: 5, [PODS]).run()

    assert isinstance(failed.value.exceptions[0], ZeroDivisionError)


async def test_asks_for_pages_bookmarks_and_of_owners_for_metadata_alone(serve: Serve) -> None:
    asked: dict[str, list[tuple[dict[str, str], str]]] = {}

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.setdefault(request.path, []).append((dict(request.query), request.headers["Accept"]))
        return await watch(request) if "watch" in request.query else page("a")

    jobs = Kind("Job", "/apis/batch/v1/jobs", partial=True)
    async with following(await serve(handler), [], PODS, jobs):
        await until(lambda: all(len(asked.get(kind.path, ())) >= 2 for kind in (PODS, jobs)))

    (listing, of_list), (watching, of_watch), *_ = asked[jobs.path]
    assert listing == {"limit": str(module.PAGE_SIZE)}
    assert watching["allowWatchBookmarks"] == "true"
    assert abs(int(watching["timeoutSeconds"]) - module.WATCH_S) <= module.WATCH_JITTER_S
    assert of_list.startswith("application/json;as=PartialObjectMetadataList;")
    assert of_watch.startswith("application/json;as=PartialObjectMetadata;")
    assert [accept for _, accept in asked[PODS.path][:2]] == ["application/json"] * 2


async def test_watches_do_not_all_end_in_the_same_second(serve: Serve) -> None:
    ends: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return page("a")
        ends.append(request.query["timeoutSeconds"])
        return await watch(request, {"type": "BOOKMARK", "object": {"metadata": {}}}, then_hold=False)

    async with following(await serve(handler), []):
        await until(lambda: len(ends) >= 20)

    assert len(set(ends)) > 1


async def test_a_watch_that_broke_goes_on_from_the_last_event_without_a_list(serve: Serve) -> None:
    versions: list[str] = []
    lists = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal lists
        if "watch" not in request.query:
            lists += 1
            return page("a")
        versions.append(request.query["resourceVersion"])
        if len(versions) == 2:
            return web.Response(status=503)
        added = {**pod("b"), "metadata": {"name": "b", "namespace": "n", "resourceVersion": "8"}}
        return await watch(request, {"type": "ADDED", "object": added}, then_hold=len(versions) > 2)

    async with following(await serve(handler), []):
        await until(lambda: len(versions) >= 3)

    assert versions[:3] == ["1", "8", "8"]
    assert lists == 1


async def test_a_server_that_always_forgets_is_not_asked_without_a_pause(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal lists
        if "watch" in request.query:
            return expired()
        lists += 1
        return page("a")

    monkeypatch.setattr(module, "MIN_BACKOFF_S", module.MAX_BACKOFF_S)
    async with following(await serve(handler), []) as informers:
        await until(lambda: "Pod" in informers.failing())
        assert lists == 2  # the first again at once, the next after the pause that it waits in now


def test_a_pod_costs_less_than_a_kilobyte_however_large_its_object_is() -> None:
    cache = Cache(PODS, ObjectDecoder(()))
    pods = 500
    large = {"spec": {"containers": [{"name": "c", "env": [{"name": "E", "value": "v" * 5_000}]}]}}
    pages = [
        json.dumps(
            {"metadata": {}, "items": [{**pod(f"pod-{n:05d}"), **large, "status": {"podIP": f"10.0.{n % 250}.9"}}]}
        )
        for n in range(pods)
    ]
    tracemalloc.start()
    cache.begin_list()
    for each in pages:
        cache.apply_page(each.encode(), 0)
    cache.finish_list(0)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert len(cache) == pods
    assert size / pods < 1_024
