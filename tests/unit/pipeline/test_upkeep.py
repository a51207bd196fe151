"""Time that passes: what was heard, what grows old, what a restart keeps. The clock is the test's."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import (
    T0,
    a_batch,
    a_deployment,
    a_pod_of,
    a_service,
    a_slice,
    a_workload,
    an_object,
    an_observation,
)
from tests.support.fake_writer import FakeWriter
from tests.support.loop import until

from grapevine.model.write_policy import WritePolicy
from grapevine.pipeline import Pipeline
from grapevine.pipeline.upkeep import MAX_ELAPSED_MS
from grapevine.resolver.records import Record
from grapevine.settings import GraphSettings, OperatorSettings, ReconcileSettings, ResolverSettings

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
RECORDS: list[Record] = [
    *a_deployment("web"),
    replace(a_pod_of("web", 1, "10.0.0.9"), node="n1"),
    *a_deployment("cart"),
    a_pod_of("cart", 1, "10.0.0.8"),
    a_service("cart"),
    a_slice("cart", "cart-1-1"),
]
PATIENCE_MS = HOUR
SETTINGS = OperatorSettings(
    resolver=ResolverSettings(settle_ms=0),
    reconcile=ReconcileSettings(coalesce_ms=0),
    graph=GraphSettings(patience_ms=PATIENCE_MS),
)


class Rig:
    """One process after another on one writer; rounds of upkeep by hand."""

    def __init__(self, policy: WritePolicy = WritePolicy.UPSERT_ONLY) -> None:
        self.settings = replace(SETTINGS, reconcile=replace(SETTINGS.reconcile, policy=policy))
        self.now_ms = T0 + 10_000
        self.writer = FakeWriter()
        self.hears = "n1"
        self.restart()

    def restart(self) -> None:
        self.pipeline = Pipeline(self.settings, self.writer, lambda: self.now_ms)
        self.pipeline.on_records(RECORDS)
        self.pipeline.restore(list(self.writer.objects.values()))

    async def ask(self, *, seq: int) -> None:
        """Let `web` look `cart` up now."""
        at_ms = self.now_ms - 5 * SECOND
        batch = a_batch(an_observation(first_ms=at_ms), stream=f"s{at_ms}", seq=seq, node="n1", clock_ms=self.now_ms)
        await self.write(batch)

    async def pass_by(self, ms: int, *, every_ms: int = 30 * SECOND) -> None:
        """Let time pass in rounds, with a heartbeat of the node that is heard before each, and then write."""
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            self.now_ms = min(self.now_ms + every_ms, end_ms)
            if self.hears:
                self.pipeline.offer(a_batch(stream="alive", seq=0, node=self.hears, clock_ms=self.now_ms))
            await self.pipeline._upkeep.go_round()
        self.pipeline._enqueue_dirty()
        await self.write()

    async def write(self, *batches: Any) -> None:
        task = asyncio.create_task(self.pipeline.run())
        try:
            for batch in batches:
                self.pipeline.offer(batch)
            assert await self.pipeline.flush(10)
            await until(lambda: not self.pipeline._reconciler.depth)
        finally:
            task.cancel()
            await asyncio.wait([task])

    @property
    def web(self) -> dict[str, Any]:
        return self.writer.objects["shop", "web"]

    def state(self) -> str:
        return str(self.web["status"]["observed"][0]["state"])

    def observed(self) -> tuple[str, str]:
        (found,) = [c for c in self.web["status"]["conditions"] if c["type"] == "Observed"]
        return found["status"], found["reason"]


@pytest.fixture
async def rig() -> Rig:
    rig = Rig()
    await rig.ask(seq=1)
    await rig.pass_by(30 * SECOND)
    return rig


async def test_a14_an_edge_nobody_uses_is_idle_then_stale_then_leaves_the_spec(rig: Rig) -> None:
    told = []
    for ms in (30 * MINUTE, 480 * MINUTE, 1_650 * MINUTE):
        await rig.pass_by(ms)
        told.append((rig.web["spec"]["targets"] != [], [o["state"] for o in rig.web["status"]["observed"]]))

    assert told == [(True, ["idle"]), (True, ["stale"]), (False, [])]
    assert rig.observed() == ("False", "AllRetired")


async def test_a_retired_edge_comes_back_when_it_is_used(rig: Rig) -> None:
    await rig.pass_by(2_400 * MINUTE)
    gone = rig.web["spec"]["targets"]
    await rig.ask(seq=1)

    assert (gone, len(rig.web["spec"]["targets"]), rig.state()) == ([], 1, "active")


async def test_sync_deletes_the_object_that_says_nothing_any_more() -> None:
    rig = Rig(WritePolicy.SYNC)
    await rig.ask(seq=1)
    await rig.pass_by(2_400 * MINUTE)

    assert (rig.writer.objects, rig.pipeline.graph.clients) == ({}, [])


async def test_sync_deletes_nothing_after_a_restart_that_knows_nothing_yet() -> None:
    rig = Rig(WritePolicy.SYNC)
    await rig.ask(seq=1)
    for _ in range(3):
        rig.restart()
        await rig.pass_by(MINUTE)

    assert len(rig.web["spec"]["targets"]) == 1


async def test_a_node_that_is_not_heard_makes_nothing_older_and_is_said_to_be_silent(rig: Rig) -> None:
    rig.hears = ""
    await rig.pass_by(4 * MINUTE)
    early = rig.observed()
    await rig.pass_by(10_000 * MINUTE)

    assert (early, rig.observed(), rig.state()) == (("True", "LookupsSeen"), ("Unknown", "SourceSilent"), "active")
    rig.hears = "n1"
    await rig.pass_by(MINUTE)
    assert rig.observed() == ("True", "LookupsSeen")


async def test_another_nodes_ear_does_not_count(rig: Rig) -> None:
    rig.hears = "n2"
    await rig.pass_by(1_000 * MINUTE)

    assert (rig.observed(), rig.state()) == (("Unknown", "SourceSilent"), "active")


async def test_a_process_that_was_stopped_for_long_has_heard_nothing_meanwhile(rig: Rig) -> None:
    await rig.pass_by(100 * DAY, every_ms=100 * DAY)

    assert rig.state() == "active"
    assert MAX_ELAPSED_MS < PATIENCE_MS


async def test_time_heard_goes_on_after_a_restart() -> None:
    rig = Rig()
    await rig.ask(seq=1)
    for _ in range(3):
        await rig.pass_by(180 * MINUTE)
        rig.restart()
    await rig.pass_by(MINUTE)

    assert rig.state() == "stale"


async def test_what_retired_before_it_was_written_retires_again_after_a_crash(rig: Rig) -> None:
    await rig.pass_by(2_040 * MINUTE)
    for _ in range(240):
        rig.now_ms += 30 * SECOND
        rig.pipeline.offer(a_batch(stream="alive", seq=0, node="n1", clock_ms=rig.now_ms))
        await rig.pipeline._upkeep.go_round()
    assert not rig.pipeline.graph.is_known(a_workload())
    rig.restart()  # nothing of it was written
    before = len(rig.web["spec"]["targets"])
    await rig.pass_by(360 * MINUTE)

    assert (before, rig.web["spec"]["targets"]) == (1, [])


async def test_a_persons_object_loses_nothing_by_age_but_what_was_observed() -> None:
    rig = Rig(WritePolicy.SYNC)
    mine = an_object("web", discovered=False, targets=[{"kubernetes": {"name": "cart"}}])
    rig.writer.objects["shop", "web"] = mine
    rig.pipeline.on_intents("ADDED", mine)
    await rig.ask(seq=1)
    await rig.pass_by(2_400 * MINUTE)

    assert rig.web["spec"] == mine["spec"]
    assert (rig.web["status"]["summary"]["unused"], rig.web["status"]["observed"]) == (1, [])
