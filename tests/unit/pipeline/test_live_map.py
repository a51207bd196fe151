"""The map of a running operator: what the graph says now, and a number that tells when it is another."""

from tests.support.builders import DOMAIN, T0, a_batch, a_deployment, a_pod_of, a_service, a_slice, an_observation
from tests.support.fake_writer import FakeWriter
from tests.support.maps import calls

from grapevine.pipeline import Pipeline
from grapevine.pipeline.live_map import MAX_AGE_S, LiveMap
from grapevine.settings import OperatorSettings
from grapevine.view.servicemap import Relation

NOW_MS = T0 + 100_000


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


async def test_what_is_new_is_shown_at_once_and_times_when_they_are_old() -> None:
    now = [0.0]
    pipeline = a_pipeline()
    live = LiveMap(pipeline, lambda: now[0])
    await look_up(pipeline, f"cart.shop.svc.{DOMAIN}")
    first, changes = await live.current(), live.changes

    await look_up(pipeline, f"cart.shop.svc.{DOMAIN}", NOW_MS)
    assert (changes, first) == (live.changes, await live.current())
    now[0] += MAX_AGE_S + 0.1
    assert (await live.current()).span_ms[1] > first.span_ms[1]

    await look_up(pipeline, "api.example.com")
    assert live.changes > changes
    assert {"shop/web → shop/cart", "shop/web → api.example.com"} == calls(await live.current())


async def test_writes_the_intents_of_a_client() -> None:
    pipeline = a_pipeline()
    await look_up(pipeline, "api.example.com")
    live = LiveMap(pipeline)

    text = live.intents_yaml("shop", "Deployment", "web")

    assert text is not None
    assert "kind: ClientIntents" in text
    assert "- api.example.com" in text
    assert live.intents_yaml("shop", "Job", "web") is None
