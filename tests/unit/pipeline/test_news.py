"""What is told as new by a whole pipeline: once it is written, over restarts and silences. The clock is the test's."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.builders import (
    T0,
    a_batch,
    a_deployment,
    a_new_edge,
    a_pod_of,
    a_workload,
    an_object,
    an_observation,
)
from tests.support.fake_writer import FakeWriter

from grapevine.insight.news import NewsItem
from grapevine.intents.read import read_learned_ms
from grapevine.model.intents import ActualIntents
from grapevine.model.write_policy import WritePolicy
from grapevine.pipeline import Pipeline
from grapevine.pipeline.newsroom import Newsroom
from grapevine.settings import GraphSettings, OperatorSettings, ReconcileSettings, ResolverSettings

HOUR_MS = 3_600_000
SETTINGS = OperatorSettings(
    resolver=ResolverSettings(settle_ms=0),
    reconcile=ReconcileSettings(coalesce_ms=0, refresh_ms=1, refresh_share_ms=0, writes_per_s=0),
    graph=GraphSettings(learning_ms=HOUR_MS),
)
RECORDS = [*a_deployment("web"), replace(a_pod_of("web", 1, "10.0.0.9"), node="n1")]


class Rig:
    """One process after another on one writer."""

    def __init__(self, settings: OperatorSettings = SETTINGS) -> None:
        self.settings = settings
        self.now_ms = T0 + 10_000
        self.writer = FakeWriter()
        self.told: list[tuple[NewsItem, ActualIntents | None]] = []
        self.seq = 0
        self.restart()

    def restart(self) -> None:
        """Begin anew from what stands in the cluster."""
        self.newsroom = Newsroom(lambda: self.now_ms, [lambda item, actual: self.told.append((item, actual))])
        tell = self.newsroom.tell
        self.pipeline = Pipeline(self.settings, self.writer, lambda: self.now_ms, on_new_edges=tell)
        self.pipeline.on_records(RECORDS)
        self.pipeline.restore(list(self.writer.objects.values()))

    async def ask(self, *names: str) -> None:
        """Let `web` look names up now, and all of it be written."""
        observations = [an_observation(f"{name}.example.com", first_ms=self.now_ms - 1_000) for name in names]
        self.seq += 1
        working = asyncio.create_task(self.pipeline.run())
        self.pipeline.offer(a_batch(*observations, stream="s", seq=self.seq, clock_ms=self.now_ms))
        assert await self.pipeline.flush(10)
        working.cancel()
        await asyncio.wait([working])

    async def pass_by(self, ms: int, *, heard: bool = True) -> None:
        """Let time pass in half minutes, with capture on the node or without."""
        for _ in range(ms // 30_000):
            self.now_ms += 30_000
            if heard:
                self.pipeline.offer(a_batch(stream="s", seq=0, clock_ms=self.now_ms))
            await self.pipeline._upkeep.go_round()

    def domains(self) -> list[str]:
        """Return what was told, and forget it."""
        told, self.told = [item.target.name.removesuffix(".example.com") for item, _ in self.told], []
        return told


@pytest.fixture
async def rig() -> Rig:
    return Rig()


@pytest.fixture
async def learned(rig: Rig) -> Rig:
    """A process that has listened to `web` for the learning period."""
    await rig.ask("known")
    await rig.pass_by(HOUR_MS + 60_000)
    assert rig.domains() == []
    return rig


async def test_what_is_told_stands_in_the_object_that_it_is_told_with(learned: Rig) -> None:
    await learned.ask("new", "known")

    ((item, actual),) = learned.told
    assert (item.seq, item.client, item.target.name) == (1, a_workload(), "new.example.com")
    assert actual is not None
    assert {domain for target in actual.targets for domain in target.domains} >= {"new.example.com"}
    assert learned.newsroom.metrics()[0].samples == {"workload": 0, "service": 0, "internet": 1}


async def test_nothing_is_told_twice_nor_anything_of_the_status_after_a_restart(learned: Rig) -> None:
    await learned.ask("new")
    await learned.ask("new")
    assert learned.domains() == ["new"]

    learned.restart()
    await learned.ask("new", "known", "newer")
    assert learned.domains() == ["newer"]


async def test_a_restart_within_the_learning_period_goes_on_with_it(rig: Rig) -> None:
    await rig.ask("known")
    await rig.pass_by(HOUR_MS // 2)
    await rig.ask("known")
    rig.restart()
    await rig.ask("early")
    assert rig.domains() == []

    await rig.pass_by(HOUR_MS // 2 + 60_000)
    await rig.ask("late")
    assert rig.domains() == ["late"]


async def test_a_silence_within_the_learning_period_makes_it_longer(rig: Rig) -> None:
    await rig.ask("known")
    await rig.pass_by(2 * HOUR_MS, heard=False)
    await rig.ask("unheard-before")
    assert rig.domains() == []

    await rig.pass_by(HOUR_MS + 60_000)
    await rig.ask("new")
    assert rig.domains() == ["new"]


async def test_after_the_operator_was_away_it_says_that_it_has_hardly_listened(learned: Rig) -> None:
    await learned.ask("known")
    learned.now_ms += 100 * HOUR_MS
    learned.restart()
    await learned.ask("new")

    ((item, _),) = learned.told
    assert item.learned_ms >= HOUR_MS
    assert item.listened_ms == 0


async def test_where_objects_may_not_be_made_it_is_told_all_the_same() -> None:
    observing = replace(SETTINGS.reconcile, policy=WritePolicy.OBSERVE)
    rig = Rig(replace(SETTINGS, reconcile=observing, graph=GraphSettings(learning_ms=0)))
    await rig.ask("new")

    ((item, actual),) = rig.told
    assert (item.target.name, actual) == ("new.example.com", None)


async def test_a_reader_hears_at_once_what_comes() -> None:
    newsroom = Newsroom(lambda: T0)
    reading = asyncio.create_task(newsroom.after(0, {"shop"}, 60))
    await asyncio.sleep(0)
    newsroom.tell([a_new_edge(client=a_workload(namespace="billing"))], None)
    await asyncio.sleep(0)
    newsroom.tell([a_new_edge()], None)

    async with asyncio.timeout(10):
        page = await reading
    assert ([item.seq for item in page.items], page.next) == ([2], 2)


def observed(first: str, last: str, heard_s: int = 0) -> dict[str, object]:
    return {"names": ["a.example.com"], "firstSeen": first, "lastSeen": last, "heardSeconds": heard_s}


@pytest.mark.parametrize(
    ("status", "learned_ms"),
    [
        ({}, 0),
        ({"observed": [observed("2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z")]}, 600_000),
        ({"observed": [observed("2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z", 60)]}, 660_000),
        (
            {
                "observed": [
                    observed("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
                    observed("2026-01-02T00:00:00Z", "2026-01-02T01:00:00Z"),
                ]
            },
            25 * HOUR_MS,
        ),
        ({"observed": [observed("2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z")], "truncated": True}, 0),
        ({"observed": [observed("nonsense", "2026-01-01T00:10:00Z")]}, 0),
        ({"observed": [observed("2026-01-02T00:00:00Z", "2026-01-01T00:10:00Z")]}, 0),
    ],
)
def test_a_status_tells_how_long_its_workload_was_listened_to(status: dict[str, object], learned_ms: int) -> None:
    assert read_learned_ms({**an_object("web"), "status": status}) == learned_ms
