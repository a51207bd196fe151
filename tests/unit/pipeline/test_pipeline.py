"""Batches in, objects out; what is durable when; what a restart keeps. Writer and clock are the test's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import (
    T0,
    a_batch,
    a_deployment,
    a_pod,
    a_pod_of,
    a_service,
    a_slice,
    a_workload,
    an_object,
    an_observation,
)
from tests.support.fake_writer import FakeWriter
from tests.support.loop import until

from grapevine.model.errors import RetryableError
from grapevine.model.observation import DnsObservation
from grapevine.pipeline import Pipeline
from grapevine.resolver.records import Record, RecordGone
from grapevine.settings import IngestSettings, OperatorSettings, ReconcileSettings, ResolverSettings
from grapevine.wire.schema import Batch

SHOP: list[Record] = [
    *a_deployment("web"),
    a_pod_of("web", 1, "10.0.0.9"),
    *a_deployment("cart"),
    a_pod_of("cart", 1, "10.0.0.8"),
    a_service("cart"),
    a_slice("cart", "cart-1-1"),
]
SETTINGS = OperatorSettings(
    resolver=ResolverSettings(settle_ms=0),
    reconcile=ReconcileSettings(coalesce_ms=0, refresh_ms=1, refresh_share_ms=0, writes_per_s=0),
)


class Rig:
    """One process of the operator, on a writer that outlives it."""

    def __init__(self, writer: FakeWriter, settings: OperatorSettings = SETTINGS, records: list[Record] = SHOP) -> None:
        self.now_ms = T0 + 10_000
        self.writer = writer
        self.pipeline = Pipeline(settings, writer, lambda: self.now_ms)
        self.pipeline.on_records(records)
        self.pipeline.restore(writer.objects.values())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Pipeline]:
        task = asyncio.create_task(self.pipeline.run())
        try:
            yield self.pipeline
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def take_in(self, *batches: Batch) -> None:
        """Run until the batches are written, and end."""
        async with self.running() as pipeline:
            for batch in batches:
                pipeline.offer(batch)
            assert await pipeline.flush(10, has_all=True)

    def durable(self, stream: str = "s") -> int:
        return self.pipeline.offer(a_batch(stream=stream, seq=0))

    def targets(self, name: str = "web") -> list[dict[str, Any]]:
        return self.writer.objects["shop", name]["spec"]["targets"]

    def counts(self, name: str = "web") -> list[int]:
        return [o["count"] for o in self.writer.objects["shop", name]["status"]["observed"]]


@pytest.fixture
async def rig() -> Rig:
    return Rig(FakeWriter())


def domain(n: int, **fields: Any) -> DnsObservation:
    return an_observation(f"d{n:04}.example.com", **fields)


async def test_a_look_up_becomes_an_object(rig: Rig) -> None:
    await rig.take_in(a_batch(an_observation()))

    assert rig.targets() == [{"kubernetes": {"name": "cart", "kind": "Deployment"}}]
    assert rig.writer.objects["shop", "web"]["status"]["summary"]["targets"] == 1


async def test_a_batch_is_durable_once_its_edges_are_written(rig: Rig) -> None:
    accepted = rig.pipeline.offer(a_batch(an_observation()))
    async with rig.running():
        await until(lambda: rig.durable() == 1)

    assert (accepted, rig.targets()) == (0, [{"kubernetes": {"name": "cart", "kind": "Deployment"}}])


async def test_a_batch_is_not_durable_before_its_object_is_written(rig: Rig) -> None:
    gate = asyncio.Event()

    async def before_write(*_: object) -> None:
        await gate.wait()

    rig.writer.before_write = before_write
    async with rig.running() as pipeline:
        pipeline.offer(a_batch(an_observation()))
        await until(lambda: bool(rig.writer.calls))
        before = rig.durable()
        gate.set()
        await until(lambda: rig.durable() == 1)

    assert before == 0


async def test_a_busy_api_server_makes_nothing_durable(rig: Rig) -> None:
    async def before_write(*_: object) -> None:
        raise RetryableError("busy", after_s=60)

    rig.writer.before_write = before_write
    async with rig.running() as pipeline:
        pipeline.offer(a_batch(an_observation()))
        await until(lambda: bool(rig.writer.calls))
        await pipeline.drain()

        assert rig.durable() == 0


async def test_what_is_parked_keeps_its_batch_from_being_durable(rig: Rig) -> None:
    async with rig.running() as pipeline:
        pipeline.offer(a_batch(an_observation(), an_observation(client_ip="10.0.0.77")))
        await pipeline.drain()
        await until(lambda: ("status", "web") in rig.writer.calls)
        before = rig.durable()
        rig.now_ms += 5_000
        await pipeline.intake.settle_parked(only_due=True)
        await until(lambda: rig.durable() == 1)

    assert before == 0


async def test_what_is_parked_resolves_when_its_object_arrives(rig: Rig) -> None:
    async with rig.running() as pipeline:
        pipeline.offer(a_batch(an_observation(client_ip="10.0.0.77")))
        await pipeline.drain()
        pipeline.on_records([a_pod("late", ips=("10.0.0.77",))])
        await pipeline.intake.retry_parked()
        await until(lambda: rig.durable() == 1)

    assert rig.targets("late") == [{"kubernetes": {"name": "cart", "kind": "Deployment"}}]


async def test_nothing_is_decided_by_what_was_known_before_the_cluster_was_lost(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grapevine.pipeline.currency._TICK_S", 0.0)
    async with rig.running() as pipeline:
        pipeline.on_current(False)
        pipeline.offer(a_batch(an_observation(client_ip="10.0.0.9")))
        rig.now_ms += 60_000
        await _a_few_ticks()
        pipeline.on_current(True)
        await _a_few_ticks()
        pipeline.on_records([RecordGone(SHOP[2], T0 - 1), a_pod("late", ips=("10.0.0.9",))])  # it changed hands
        rig.now_ms += 5_000
        await until(lambda: rig.durable() == 1)

    assert [name for _, name in rig.writer.objects] == ["late"]


async def test_what_is_parked_waits_on_while_the_cluster_is_lost_and_a_while_longer(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grapevine.pipeline.pipeline._TICK_S", 0.0)
    async with rig.running() as pipeline:
        pipeline.offer(a_batch(an_observation(client_ip="10.0.0.77")))
        await pipeline.drain()
        pipeline.on_current(False)
        rig.now_ms += 60_000
        await _a_few_ticks()
        pipeline.on_current(True)
        await _a_few_ticks()
        pipeline.on_records([a_pod("late", ips=("10.0.0.77",))])
        await until(lambda: rig.durable() == 1)

    assert rig.targets("late") == [{"kubernetes": {"name": "cart", "kind": "Deployment"}}]


async def test_a_cluster_lost_for_long_holds_nothing_any_more(rig: Rig) -> None:
    async with rig.running() as pipeline:
        pipeline.on_current(False)
        rig.now_ms += 300_000
        pipeline.offer(a_batch(an_observation(), an_observation(client_ip="10.0.0.77")))
        await pipeline.drain()
        rig.now_ms += 5_000
        await until(lambda: rig.durable() == 1)

    assert (rig.counts(), pipeline.intake.unresolved.by_reason) == ([1], {"no-pod": 1})


async def test_a_cluster_found_again_is_written_to_at_once(rig: Rig) -> None:
    async def before_write(*_: object) -> None:
        if not is_back:
            raise RetryableError("unreachable", after_s=600)

    is_back = False
    rig.writer.before_write = before_write
    async with rig.running() as pipeline:
        pipeline.offer(a_batch(an_observation()))
        await until(lambda: bool(rig.writer.calls))
        pipeline.on_current(False)
        is_back = True
        pipeline.on_current(True)
        await until(lambda: rig.durable() == 1)

    assert rig.targets() == [{"kubernetes": {"name": "cart", "kind": "Deployment"}}]


async def _a_few_ticks() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_batch_settled_between_its_slices_is_not_durable_before_the_last(rig: Rig) -> None:
    first = an_observation(client_ip="10.0.0.77")
    batch = a_batch(first, *(domain(n) for n in range(600)))
    rig.pipeline.offer(batch)
    work = asyncio.create_task(rig.pipeline.intake.process(batch))
    await until(lambda: len(rig.pipeline.graph.edges(a_workload())) > 0)
    assert not work.done()

    await rig.pipeline.intake.settle_parked(only_due=False)
    early = rig.pipeline._ledger.open_batches()
    await work

    assert early == 1


async def test_a_batch_offered_twice_changes_no_count(rig: Rig) -> None:
    batch = a_batch(an_observation(count=3))
    await rig.take_in(batch, batch)

    assert rig.counts() == [3]


async def test_a_batch_that_comes_again_after_a_restart_changes_nothing(rig: Rig) -> None:
    batch = a_batch(
        an_observation(count=3),
        an_observation("ghost.shop.svc.cluster.local", rcode="NXDOMAIN", count=2),
        domain(1, count=4),
    )
    await rig.take_in(batch)
    spec, counts, calls = rig.targets(), sorted(rig.counts()), len(rig.writer.calls)
    again = Rig(rig.writer)
    await again.take_in(batch)

    assert (again.targets(), sorted(again.counts())) == (spec, counts)
    assert {call for call, _ in rig.writer.calls[calls:]} <= {"status"}


async def test_a_restart_without_batches_writes_no_spec(rig: Rig) -> None:
    await rig.take_in(a_batch(an_observation(), domain(1)))
    calls = len(rig.writer.calls)
    await Rig(rig.writer).take_in()

    assert rig.writer.calls[calls:] == []


async def test_a_restart_keeps_edges_of_a_service_scaled_to_zero(rig: Rig) -> None:
    await rig.take_in(a_batch(an_observation()))
    empty: list[Record] = [*a_deployment("web"), a_pod_of("web", 1, "10.0.0.9"), a_service("cart"), a_slice("cart")]
    again = Rig(rig.writer, records=empty)
    await again.take_in()

    assert again.targets() == [{"kubernetes": {"name": "cart", "kind": "Deployment"}}]


async def test_a_persons_object_is_never_written_but_its_status(rig: Rig) -> None:
    rig.writer.objects["shop", "mine"] = mine = an_object(
        "mine", discovered=False, targets=[{"service": {"name": "other"}}]
    )
    rig.pipeline.on_intents("ADDED", mine)
    await rig.take_in(a_batch(an_observation()))

    assert {call for call, _ in rig.writer.calls} == {"status"}
    summary = rig.writer.objects["shop", "mine"]["status"]["summary"]
    assert (summary["undeclared"], summary["unused"]) == (1, 1)


async def test_counts_under_a_persons_object_without_kind_do_not_double_after_a_restart(rig: Rig) -> None:
    mine = an_object("mine", kind="", discovered=False)
    rig.writer.objects["shop", "mine"] = mine
    rig.pipeline.on_intents("ADDED", mine)
    batch = a_batch(an_observation(count=3))
    await rig.take_in(batch)
    again = Rig(rig.writer)
    await again.take_in(batch)

    assert (again.counts("mine"), again.pipeline.graph.clients) == ([3], [a_workload()])


async def test_a_deleted_persons_object_gives_way_to_a_discovered_one(rig: Rig) -> None:
    rig.writer.objects["shop", "mine"] = mine = an_object("mine", discovered=False)
    rig.pipeline.on_intents("ADDED", mine)
    await rig.take_in(a_batch(an_observation()))
    rig.pipeline.on_intents("DELETED", mine)
    await rig.take_in()

    assert rig.targets() == [{"kubernetes": {"name": "cart", "kind": "Deployment"}}]


async def test_a_second_owner_behind_a_service_moves_the_written_edge(rig: Rig) -> None:
    await rig.take_in(a_batch(an_observation()))
    rig.pipeline.on_records(
        [*a_deployment("canary"), a_pod_of("canary", 1, "10.0.0.7"), a_slice("cart", "cart-1-1", "canary-1-1")]
    )
    await rig.take_in()

    assert rig.targets() == [{"service": {"name": "cart"}}]


async def test_a_rollout_writes_nothing(rig: Rig) -> None:
    await rig.take_in(a_batch(an_observation()))
    calls = len(rig.writer.calls)
    rig.pipeline.on_records([a_pod_of("cart", 2, "10.0.0.7"), a_slice("cart", "cart-1-1", "cart-1-2")])
    rig.pipeline.on_records([RecordGone(a_pod_of("cart", 1, "10.0.0.8"), T0 + 20_000)])
    await rig.take_in()

    assert rig.writer.calls[calls:] == []


async def test_what_was_just_heard_waits_for_the_watch_to_tell_that_its_address_changed_hands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("grapevine.pipeline.currency._TICK_S", 0.0)
    rig = Rig(FakeWriter(), replace(SETTINGS, resolver=ResolverSettings(settle_ms=2_000)))
    async with rig.running() as pipeline:
        pipeline.offer(a_batch(an_observation(first_ms=T0 + 9_500)))
        rig.now_ms += 1_999
        await _a_few_ticks()
        early = pipeline.graph.clients
        pipeline.on_records([replace(a_pod_of("web", 1, "10.0.0.9"), end_ms=T0 + 7_999)])
        pipeline.on_records([a_pod("late", ips=("10.0.0.9",), start_ms=T0 + 8_000)])
        rig.now_ms += 1
        await until(lambda: rig.durable() == 1)

    assert (early, list(rig.writer.objects)) == ([], [("shop", "late")])


async def test_what_is_older_than_clocks_are_wrong_waits_for_nothing() -> None:
    rig = Rig(FakeWriter(), replace(SETTINGS, resolver=ResolverSettings(settle_ms=2_000)))

    assert rig.pipeline.intake.due_ms(a_batch(an_observation(first_ms=T0 + 3_000))) == rig.now_ms
    assert rig.pipeline.intake.due_ms(a_batch(an_observation(first_ms=T0 + 4_500))) == rig.now_ms + 1_500


async def test_a_slow_senders_news_wait_as_long_as_any(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(FakeWriter(), replace(SETTINGS, resolver=ResolverSettings(settle_ms=2_000)))
    batch = a_batch(an_observation(first_ms=T0), clock_ms=T0 + 1_000)
    rig.pipeline.intake.hear(batch)

    assert rig.pipeline.intake.due_ms(batch) == rig.now_ms + 2_000


async def test_observations_that_wait_are_bounded() -> None:
    rig = Rig(FakeWriter(), replace(SETTINGS, ingest=IngestSettings(max_queued_observations=2)))
    rig.pipeline.offer(a_batch(domain(1), domain(2), seq=1))

    with pytest.raises(RetryableError):
        rig.pipeline.offer(a_batch(domain(3), seq=2))


async def test_an_address_that_two_living_pods_have_is_neithers_and_counted(rig: Rig) -> None:
    rig.pipeline.on_records([a_pod("twin", ips=("10.0.0.9",), start_ms=T0 + 500)])
    await rig.take_in(a_batch(an_observation(count=3)))

    assert (rig.writer.objects, rig.pipeline.intake.unresolved.by_reason) == ({}, {"address-shared": 3})
    left_out = {
        w.name: rig.pipeline.intake.left_out.of(w)[0][0] for w in (a_workload(), a_workload("twin", kind="Pod"))
    }
    assert left_out == {"web": "address-shared", "twin": "address-shared"}


async def test_an_address_that_pods_of_one_workload_have_is_that_workloads(rig: Rig) -> None:
    rig.pipeline.on_records([a_pod_of("web", 2, "10.0.0.9")])
    await rig.take_in(a_batch(an_observation(count=3)))

    assert rig.counts() == [3]


async def test_what_a_shared_address_asked_is_decided_once_the_older_pods_end_is_told(rig: Rig) -> None:
    async with rig.running() as pipeline:
        pipeline.on_records([a_pod("next", ips=("10.0.0.9",), start_ms=T0 + 3_000)])
        pipeline.offer(a_batch(an_observation(first_ms=T0 + 4_000)))
        await pipeline.drain()
        before = pipeline.graph.clients
        pipeline.on_records([replace(a_pod_of("web", 1, "10.0.0.9"), end_ms=T0 + 2_999)])
        await pipeline.intake.retry_parked()
        await until(lambda: rig.durable() == 1)

    assert (before, list(rig.writer.objects)) == ([], [("shop", "next")])


async def test_what_is_parked_when_the_process_ends_is_left_to_the_next_one(rig: Rig) -> None:
    async with rig.running() as pipeline:
        pipeline.offer(a_batch(an_observation(), an_observation(client_ip="10.0.0.77")))
        assert await pipeline.flush(10)

    assert (rig.durable(), rig.counts(), len(pipeline.intake.unresolved.by_reason)) == (0, [1], 0)
    after = Rig(rig.writer, records=[*SHOP, a_pod("late", ips=("10.0.0.77",))])
    await after.take_in(a_batch(an_observation(), an_observation(client_ip="10.0.0.77")))
    assert (after.durable(), sorted(after.writer.objects)) == (1, [("shop", "late"), ("shop", "web")])


async def test_a_full_queue_of_batches_asks_for_patience() -> None:
    rig = Rig(FakeWriter(), replace(SETTINGS, ingest=IngestSettings(max_queued_batches=1)))
    rig.pipeline.offer(a_batch(seq=1))

    with pytest.raises(RetryableError) as refused:
        rig.pipeline.offer(a_batch(seq=2))
    assert refused.value.after_s


async def test_parking_over_its_bound_decides_with_what_is_known() -> None:
    rig = Rig(FakeWriter(), replace(SETTINGS, resolver=ResolverSettings(settle_ms=0, max_parked=0)))
    await rig.take_in(a_batch(an_observation(client_ip="10.0.0.77")))

    assert dict(rig.pipeline.intake.unresolved.by_reason) == {"no-pod": 1}


async def test_a_senders_clock_in_the_future_forgets_no_tombstone(rig: Rig) -> None:
    finished = replace(a_pod_of("web", 1, "10.0.0.9"), end_ms=T0 + 2_999)
    rig.pipeline.on_records([finished])
    await rig.take_in(a_batch(domain(1, client_ip="10.0.0.8", first_ms=T0 + 10**9)))
    rig.pipeline.intake.forget()
    await rig.take_in(a_batch(an_observation(), seq=2))

    assert rig.targets() == [{"kubernetes": {"name": "cart", "kind": "Deployment"}}]


async def test_an_unreadable_object_of_a_person_is_survived(rig: Rig) -> None:
    rig.pipeline.on_intents("ADDED", {"metadata": {"name": "x", "namespace": "shop"}, "spec": {}})
    await rig.take_in(a_batch(an_observation()))

    assert rig.counts() == [1]


async def test_every_metric_has_a_name_and_a_kind(rig: Rig) -> None:
    await rig.take_in(a_batch(an_observation()))

    assert all(m.name.startswith("grapevine_") and m.kind in ("counter", "gauge") for m in rig.pipeline.metrics())


async def test_a_discovered_object_somebody_deleted_stays_away_until_news_after_the_grace(rig: Rig) -> None:
    await rig.take_in(a_batch(an_observation(), domain(1)))
    gone = rig.writer.objects.pop(("shop", "web"))
    rig.pipeline.on_intents("DELETED", gone)
    await rig.take_in(a_batch(an_observation(first_ms=rig.now_ms + 600_000), seq=2))
    early = ("shop", "web") in rig.writer.objects
    await rig.take_in(a_batch(domain(2, first_ms=rig.now_ms + 600_001), seq=3))

    assert (early, rig.targets()) == (
        False,
        [{"kubernetes": {"name": "cart", "kind": "Deployment"}}, {"internet": {"domains": ["d0002.example.com"]}}],
    )


async def test_an_object_deleted_unnoticed_is_noticed_by_the_write_that_fails(rig: Rig) -> None:
    async def before_write(call: str, resource: Any) -> None:
        if call == "apply" and ("shop", "web") not in rig.writer.objects:
            raise RetryableError("404")

    await rig.take_in(a_batch(an_observation()))
    del rig.writer.objects["shop", "web"]
    rig.writer.before_write = before_write
    await rig.take_in(a_batch(domain(1), seq=2))

    assert (rig.writer.objects, rig.pipeline.graph.clients) == ({}, [])


async def test_no_object_is_made_for_a_workload_that_says_so() -> None:
    owner = replace(SHOP[0], is_kept_out=True)  # type: ignore[type-var]
    rig = Rig(FakeWriter(), records=[owner, *SHOP[1:]])
    await rig.take_in(a_batch(an_observation()))
    before = dict(rig.writer.objects)
    rig.pipeline.on_records([SHOP[0]])
    await rig.take_in(a_batch(domain(1), seq=2))

    assert (before, len(rig.targets())) == ({}, 2)


async def test_a_second_object_of_a_workload_is_told_of_the_first(rig: Rig) -> None:
    for name, created in (("old", "2023-01-01T00:00:00Z"), ("new", "2023-01-02T00:00:00Z")):
        rig.writer.objects["shop", name] = mine = an_object(name, discovered=False, created=created)
        rig.pipeline.on_intents("ADDED", mine)
    await rig.take_in(a_batch(an_observation()))

    ready = {
        name: next(c["reason"] for c in o["status"]["conditions"] if c["type"] == "Ready")
        for (_, name), o in rig.writer.objects.items()
    }
    assert ready == {"old": "Declared", "new": "Conflict"}


async def test_what_waits_for_the_cluster_to_be_followed_is_applied_then(rig: Rig) -> None:
    await rig.take_in(a_batch(an_observation()))
    rig.pipeline.on_current(False)
    rig.pipeline.on_records(
        [*a_deployment("canary"), a_pod_of("canary", 1, "10.0.0.7"), a_slice("cart", "cart-1-1", "canary-1-1")]
    )
    async with rig.running() as pipeline:
        await until(lambda: not pipeline._reconciler.depth)
        early = rig.targets()
        pipeline.on_current(True)
        await until(lambda: rig.targets() != early)

    assert (early[0], rig.targets()) == (
        {"kubernetes": {"name": "cart", "kind": "Deployment"}},
        [{"service": {"name": "cart"}}],
    )
