"""The loop, with a writer that fails on request. No time passes: the clock is the test's."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.support.builders import T0, a_workload, an_edge, an_object, desired_of, to_workload
from tests.support.fake_writer import FakeWriter
from tests.support.loop import until

from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.intents import ActualIntents, DesiredIntents
from grapevine.model.workload import WorkloadRef
from grapevine.reconcile.actual import ActualStore
from grapevine.reconcile.reconciler import Reconciler
from grapevine.settings import ReconcileSettings

WEB, CART = a_workload("web"), a_workload("cart")


class Rig:
    def __init__(self) -> None:
        self.now_ms = T0
        self.writer = FakeWriter()
        self.written: list[WorkloadRef] = []
        self.targets: dict[WorkloadRef, list[str]] = {WEB: ["x"], CART: ["x"]}
        self.reconciler = Reconciler(
            desired_of=self.desired,
            actual=ActualStore(),
            writer=self.writer,
            clock=lambda: self.now_ms,
            settings=ReconcileSettings(coalesce_ms=0, writes_per_s=0),
            on_written=self.written.append,
        )

    def desired(self, client: WorkloadRef) -> DesiredIntents:
        return desired_of([an_edge(to_workload(t), client=client) for t in self.targets[client]], client=client)

    def fail(self, name: str, *errors: Exception) -> None:
        """Make the next writes of an object fail."""
        left = list(errors)

        async def before_write(_: str, resource: Mapping[str, Any]) -> None:
            if resource["metadata"]["name"] == name and left:
                raise left.pop(0)

        self.writer.before_write = before_write

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reconciler.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def spec_of(self, name: str) -> list[str]:
        return [t["kubernetes"]["name"] for t in self.writer.objects["shop", name]["spec"]["targets"]]


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_writes_spec_and_then_status(rig: Rig) -> None:
    rig.reconciler.enqueue(WEB)
    async with rig.running():
        assert await rig.reconciler.flush(5)

    assert rig.writer.calls == [("create", "web"), ("status", "web")]
    assert (rig.written, rig.reconciler.is_pending(WEB)) == ([WEB], False)


async def test_retries_what_failed_for_now(rig: Rig) -> None:
    rig.fail("web", RetryableError("busy"), RetryableError("busy"))
    rig.reconciler.enqueue(WEB)
    async with rig.running():
        assert await rig.reconciler.flush(5)

    assert (rig.spec_of("web"), rig.written, rig.reconciler.writes["retried"]) == (["x"], [WEB], 2)


@pytest.mark.parametrize("after_s", [None, 1.0, 60.0, 600.0])
async def test_what_failed_for_now_is_not_written_however_long_the_wait(rig: Rig, after_s: float | None) -> None:
    rig.fail("web", *[RetryableError("busy", after_s=after_s)] * 100)
    rig.reconciler.enqueue(WEB)
    async with rig.running():
        await until(lambda: rig.reconciler.writes["retried"] == 1)

        assert (rig.written, rig.reconciler.is_pending(WEB)) == ([], True)


async def test_a_refused_object_holds_no_other_back(rig: Rig) -> None:
    rig.fail("web", *[PermanentInputError("denied")] * 100)
    rig.reconciler.enqueue(WEB)
    rig.reconciler.enqueue(CART)
    async with rig.running():
        await until(lambda: CART in rig.written)
        rig.now_ms += 5_000
        rig.reconciler.enqueue(CART)  # wakes the loop
        await until(lambda: WEB in rig.written)

    assert (rig.spec_of("cart"), ("shop", "web") in rig.writer.objects) == (["x"], False)


async def test_what_is_refused_once_is_not_called_written(rig: Rig) -> None:
    rig.fail("web", PermanentInputError("RBAC is not loaded yet"))
    rig.reconciler.enqueue(WEB)
    async with rig.running():
        await until(lambda: rig.reconciler.writes["refused"] == 1)
        early = list(rig.written)
        rig.now_ms += 5_000
        rig.reconciler.enqueue(CART)  # wakes the loop
        await until(lambda: WEB in rig.written)

    assert (early, rig.spec_of("web")) == ([], ["x"])


async def test_hurried_it_tries_at_once_what_waits(rig: Rig) -> None:
    rig.fail("web", *[RetryableError("unreachable", after_s=600)])
    rig.reconciler.enqueue(WEB)
    async with rig.running():
        await until(lambda: rig.reconciler.writes["retried"] == 1)
        rig.reconciler.hurry()
        await until(lambda: rig.written == [WEB])

    assert rig.spec_of("web") == ["x"]


async def test_a_flush_ends_where_what_is_left_is_refused(rig: Rig) -> None:
    rig.fail("web", *[PermanentInputError("denied")] * 10_000)
    rig.reconciler.enqueue(WEB)
    async with rig.running():
        async with asyncio.timeout(5):
            assert not await rig.reconciler.flush(60)


async def test_a_refused_object_is_tried_again_once_its_pause_is_over(rig: Rig) -> None:
    rig.fail("web", PermanentInputError("denied"))
    rig.reconciler.enqueue(WEB)
    async with rig.running():
        await until(lambda: rig.reconciler.writes["refused"] == 1)
        rig.now_ms += 60_000
        rig.reconciler.enqueue(CART)  # wakes the loop
        await until(lambda: not rig.reconciler.is_pending(WEB))

    assert rig.spec_of("web") == ["x"]


async def test_a_change_while_writing_is_written_before_it_is_called_written(rig: Rig) -> None:
    gate = asyncio.Event()
    seen: list[list[str]] = []

    async def before_write(call: str, resource: Mapping[str, Any]) -> None:
        if call == "status" and not gate.is_set():
            seen.append([])
            rig.targets[WEB] = ["x", "y"]
            rig.reconciler.enqueue(WEB)
            gate.set()

    rig.writer.before_write = before_write
    rig.reconciler.enqueue(WEB)
    async with rig.running():
        await until(lambda: len(seen) == 1)
        assert await rig.reconciler.flush(5)

    assert (seen, rig.spec_of("web")) == ([[]], ["x", "y"])


async def test_an_object_that_keeps_changing_is_given_a_rest(rig: Rig) -> None:
    async def before_write(_: str, resource: Mapping[str, Any]) -> None:
        rig.targets[WEB] = [f"t{len(rig.writer.calls)}"]

    rig.writer.before_write = before_write
    rig.reconciler.enqueue(WEB)
    async with rig.running():
        await until(lambda: len(rig.writer.calls) == 8)

        assert (rig.written, rig.reconciler.is_pending(WEB)) == ([], True)


async def test_a_flush_out_of_time_says_so(rig: Rig) -> None:
    async def before_write(_: str, resource: Mapping[str, Any]) -> None:
        await asyncio.Event().wait()

    rig.writer.before_write = before_write
    rig.reconciler.enqueue(WEB)
    async with rig.running():
        assert not await rig.reconciler.flush(0.05)


async def test_a_failed_write_reads_the_object_again(rig: Rig) -> None:
    rig.writer.objects["shop", "web"] = an_object("web", discovered=False)
    rig.fail("web", RetryableError("it exists"))
    rig.reconciler.enqueue(WEB)
    async with rig.running():
        assert await rig.reconciler.flush(5)

    assert [call for call, _ in rig.writer.calls] == ["create", "status"]


async def test_what_hangs_again_in_one_namespace_holds_no_other_up(rig: Rig) -> None:
    hung = [a_workload(f"hung-{n}", namespace="hung") for n in range(8)]
    tries: Counter[str] = Counter()
    rig.targets |= {client: ["x"] for client in hung}

    async def before_write(_: str, resource: Mapping[str, Any]) -> None:
        if resource["metadata"]["namespace"] == "hung":
            tries[resource["metadata"]["name"]] += 1
            if tries[resource["metadata"]["name"]] > 1:
                await asyncio.Event().wait()
            raise RetryableError("the webhook did not answer")

    rig.writer.before_write = before_write
    for client in hung:
        rig.reconciler.enqueue(client)
    async with rig.running():
        await until(lambda: rig.reconciler.writes["retried"] == len(hung))
        rig.now_ms += 60_000
        rig.reconciler.enqueue(hung[0])  # wakes the loop
        await until(lambda: max(tries.values()) > 1)
        rig.reconciler.enqueue(WEB)
        await until(lambda: WEB in rig.written)

    assert rig.spec_of("web") == ["x"]


@pytest.mark.parametrize("part", ["spec", "status"])
async def test_what_is_changed_on_its_way_is_refused_and_not_written_for_ever(rig: Rig, part: str) -> None:
    write = rig.writer.apply_status if part == "status" else rig.writer.apply

    async def changed(resource: Mapping[str, Any]) -> ActualIntents:
        meddled = {"mode": "Off"} if part == "status" else {"workload": {"name": "web"}, "targets": []}
        return await write({**resource, part: meddled})

    if part == "status":
        rig.writer.apply_status = changed  # type: ignore[method-assign]
    else:
        rig.writer.create = rig.writer.apply = changed  # type: ignore[method-assign]
    rig.reconciler.enqueue(WEB)
    async with rig.running():
        await until(lambda: rig.reconciler.writes["refused"] == 1)

    count, reason = rig.reconciler.refused()
    assert (1, True) == (count, f"its {part} reads otherwise" in reason)
    assert 2 >= len(rig.writer.calls)
