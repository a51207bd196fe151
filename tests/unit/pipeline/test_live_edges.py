"""The map as telemetry reads it."""

from dataclasses import replace

from tests.support.builders import (
    DOMAIN,
    T0,
    a_batch,
    a_deployment,
    a_pod_of,
    a_service,
    a_slice,
    a_workload,
    an_edge,
    an_observation,
)
from tests.support.fake_writer import FakeWriter

from grapevine.export.snapshot import Snapshot
from grapevine.model.target import DomainDestination, InternetTarget
from grapevine.model.workload import ServiceName
from grapevine.pipeline import Pipeline
from grapevine.pipeline.live_edges import LiveEdges
from grapevine.resolver.records import Record
from grapevine.settings import OperatorSettings

NOW_MS = T0 + 100_000
SHOP: list[Record] = [
    *a_deployment("web"),
    a_pod_of("web", 1, "10.0.0.9"),
    *a_deployment("cart"),
    a_pod_of("cart", 1, "10.0.0.8"),
    a_service("cart", ports=(8080,)),
    a_slice("cart", "cart-1-1"),
    a_service("many", ports=(80, 443)),
]


async def snapshot(*records: Record) -> Snapshot:
    """Return what is read after a look-up of `cart` and of `many`, with an edge to a name outside that is idle."""
    pipeline = Pipeline(OperatorSettings(), FakeWriter(), lambda: NOW_MS)
    pipeline.on_records([*SHOP, *records])
    await pipeline.intake.process(
        a_batch(
            an_observation(first_ms=NOW_MS - 1_000),
            an_observation(f"many.shop.svc.{DOMAIN}", first_ms=NOW_MS - 1_000),
        )
    )
    idle = replace(an_edge(InternetTarget("api.example.com"), names=("api.example.com",)), state="idle")
    domain = DomainDestination("api.example.com")
    pipeline.graph.restore_edge(a_workload("web"), [domain], idle, pipeline.index.target_of)
    return await LiveEdges(pipeline, DOMAIN, lambda: NOW_MS).snapshot()


async def test_an_edge_is_live_while_it_is_active() -> None:
    assert [False, True, True] == [seen.is_live for seen in _by_name(await snapshot())]


async def test_the_port_is_the_services_where_it_has_one() -> None:
    assert [0, 8080, 0] == [seen.port for seen in _by_name(await snapshot())]


async def test_a_workload_is_called_what_its_newest_pod_says() -> None:
    older = replace(a_pod_of("web", 1, "10.0.0.9"), service=ServiceName("old"))
    newer = replace(a_pod_of("web", 2, "10.0.0.10"), start_ms=T0 + 5_000, service=ServiceName("new"))

    assert {a_workload("web"): ServiceName("new")} == (await snapshot(newer, older)).service_names
    assert {} == (await snapshot()).service_names


def _by_name(told: Snapshot) -> list:  # type: ignore[type-arg]
    return sorted(told.edges, key=lambda seen: seen.edge.names)


async def test_names_that_never_resolved_are_read_where_they_are_wanted() -> None:
    pipeline = Pipeline(OperatorSettings(), FakeWriter(), lambda: NOW_MS)
    pipeline.on_records(SHOP)
    lost = an_observation("nowhere.example.com", rcode="NXDOMAIN", answers=(), first_ms=NOW_MS - 1_000)
    await pipeline.intake.process(a_batch(lost))

    told = await LiveEdges(pipeline, DOMAIN, lambda: NOW_MS, is_dead_wanted=True).snapshot()
    untold = await LiveEdges(pipeline, DOMAIN, lambda: NOW_MS).snapshot()

    assert [("web", "nowhere.example.com")] == [(each.client.name, each.name) for each in told.dead]
    assert [] == list(untold.dead)
