"""The map of a running operator: what the graph says now, and a number that tells when it is another."""

import asyncio

import pytest
from tests.support.builders import DOMAIN, T0, a_batch, a_deployment, a_pod_of, a_service, a_slice, an_observation
from tests.support.fake_writer import FakeWriter
from tests.support.maps import calls

from grapevine.model.edge import Edge
from grapevine.model.workload import WorkloadRef
from grapevine.pipeline import Pipeline
from grapevine.pipeline.live_map import LOOK_AGE_S, LOOK_NEWS_S, MAX_AGE_S, MAX_NEWS_S, LiveMap
from grapevine.settings import OperatorSettings
from grapevine.view.servicemap import Relation

NOW_MS = T0 + 100_000


@pytest.fixture
def now() -> list[float]:
    """The clock, of one number."""
    return [0.0]


def a_pipeline() -> Pipeline:
    pipeline = Pipeline(OperatorSettings(), FakeWriter(), lambda: NOW_MS)
    pipeline.on_records(
        [
            *a_deployment("web"),
            a_pod_of("web", 1, "10.0.0.9"),
            *a_deployment("cart"),
            a_pod_of("cart", 1, "10.0.0.8"),
            *a_deployment("cart-canary"),
            a_pod_of("cart-canary", 1, "10.0.0.7"),
            a_service("cart"),
            a_slice("cart", "cart-1-1", "cart-canary-1-1"),
        ]
    )
    return pipeline


async def look_up(pipeline: Pipeline, name: str, first_ms: int = NOW_MS - 1_000) -> None:
    await pipeline.intake.process(a_batch(an_observation(name, first_ms=first_ms)))
    pipeline.on_records([])  # as the next of the pipeline's turns would take note of it


async def test_shows_what_was_seen_and_who_is_behind_a_service() -> None:
    pipeline = a_pipeline()
    await look_up(pipeline, f"cart.shop.svc.{DOMAIN}")

    found = await LiveMap(pipeline).current()

    assert {"shop/web → shop/cart"} == calls(found)
    assert {"shop/cart", "shop/cart-canary"} == {
        link.target.words for link in found.links if link.relation is Relation.BEHIND
    }


async def test_what_is_new_is_read_soon_and_times_when_they_are_old(now: list[float]) -> None:
    pipeline = a_pipeline()
    live = LiveMap(pipeline, lambda: now[0])
    await look_up(pipeline, f"cart.shop.svc.{DOMAIN}")
    first, changes = await live.current(), live.changes

    await look_up(pipeline, f"cart.shop.svc.{DOMAIN}", NOW_MS)
    now[0] = MAX_AGE_S
    assert (changes, first) == (live.changes, await live.current())
    now[0] += 0.1
    assert (await live.current()).span_ms[1] > first.span_ms[1]

    await look_up(pipeline, "api.example.com")
    now[0] += MAX_NEWS_S
    assert (changes, {"shop/web → shop/cart"}) == (live.changes, calls(await live.current())), "the number is its own"
    now[0] += 0.1
    assert live.changes > changes, "what would be answered now"
    assert {"shop/web → shop/cart", "shop/web → api.example.com"} == calls(await live.current())


async def test_who_looks_finds_it_read_and_has_it_read_no_more_often_than_that(now: list[float]) -> None:
    pipeline = a_pipeline()
    live = LiveMap(pipeline, lambda: now[0])
    await look_up(pipeline, f"cart.shop.svc.{DOMAIN}")
    first = await live.look()
    await look_up(pipeline, "api.example.com")
    now[0] = LOOK_NEWS_S
    assert first == await live.look()
    now[0] += 0.1
    assert first < await live.look() == live.changes
    assert {"shop/web → shop/cart", "shop/web → api.example.com"} == calls(await live.current())

    before = await live.current()
    await look_up(pipeline, f"cart.shop.svc.{DOMAIN}", NOW_MS)
    for age_s, is_read in ((LOOK_AGE_S, False), (LOOK_AGE_S + 0.1, True)):
        now[0] = LOOK_NEWS_S + 0.1 + age_s
        await live.look()
        assert is_read == ((await live.current()).span_ms[1] > before.span_ms[1])


async def test_what_is_asked_while_it_is_read_waits_for_nothing(
    now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = a_pipeline()
    live = LiveMap(pipeline, lambda: now[0])
    first = await live.current()
    await look_up(pipeline, "api.example.com")
    now[0] = MAX_NEWS_S
    may_read = asyncio.Event()
    read = LiveMap._read

    async def slow(self: LiveMap) -> tuple[list[Edge], dict[WorkloadRef, int]]:
        await may_read.wait()
        return await read(self)

    monkeypatch.setattr(LiveMap, "_read", slow)
    looking = [asyncio.create_task(live.look()) for _ in range(3)]
    await asyncio.sleep(0)
    assert first is await live.current()
    may_read.set()
    await asyncio.gather(*looking)
    assert {"shop/web → api.example.com"} == calls(await live.current())


async def test_writes_the_intents_of_a_client() -> None:
    pipeline = a_pipeline()
    await look_up(pipeline, "api.example.com")
    live = LiveMap(pipeline)

    text = live.intents_yaml("shop", "Deployment", "web")

    assert text is not None
    assert "kind: ClientIntents" in text
    assert "- api.example.com" in text
    assert live.intents_yaml("shop", "Job", "web") is None
