"""Telemetry beside a running loop: ticks, ends, and a collector that does not answer."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from tests.support.builders import an_edge, to_workload
from tests.support.collector import black_hole, http_collector
from tests.support.loop import until
from tests.support.telemetry import FakeWire, a_snapshot

from grapevine.export import telemetry as telemetry_module
from grapevine.export.sender import Wire
from grapevine.export.settings import SignalSettings, TelemetrySettings
from grapevine.export.snapshot import Snapshot
from grapevine.export.telemetry import Telemetry, connect_otlp
from grapevine.export.transport import Answer
from grapevine.model.errors import PermanentInputError

TICK_S = 0.05


class Map:
    """A map of one edge, looked up once more for each snapshot."""

    def __init__(self) -> None:
        self.count = 0

    async def snapshot(self) -> Snapshot:
        self.count += 1
        return a_snapshot([an_edge(to_workload("cart"), count=self.count)], at_ms=time.time_ns() // 1_000_000)


def quick(url: str, *, timeout_s: float = 60.0, has_metrics: bool = True) -> TelemetrySettings:
    """Return settings with a tick that no user may have, and a collector's timeout beyond the test's."""
    traces = SignalSettings(f"{url}/v1/traces", timeout_s=timeout_s)
    metrics = replace(traces, url=f"{url}/v1/metrics") if has_metrics else None
    settings = TelemetrySettings(traces=traces, metrics=metrics)
    object.__setattr__(settings, "tick_s", TICK_S)
    return settings


@asynccontextmanager
async def running(
    settings: TelemetrySettings, connect: Callable[[TelemetrySettings], Wire] = connect_otlp
) -> AsyncIterator[Telemetry]:
    """Run telemetry of a map as the operator does, and end it as it does."""
    telemetry = Telemetry(settings, Map().snapshot, connect=connect)
    await telemetry.open()
    task = asyncio.create_task(telemetry.run())
    try:
        yield telemetry
    finally:
        task.cancel()
        await asyncio.wait([task])
        await telemetry.stop()


def counted(telemetry: Telemetry, name: str, label: str = "") -> float:
    return next(each.samples[label] for each in telemetry.metrics() if each.name == name)


async def test_ticks_send_what_is_new_and_the_end_sends_the_totals() -> None:
    with http_collector() as collector:
        async with running(quick(collector.url)):
            await until(lambda: len(collector.traces) >= 2 and len(collector.points()) >= 2, timeout_s=20)

    values = [point["web → cart"].as_int for point in collector.points()]
    assert values[0] == 0
    assert values == sorted(values)
    assert len(values) > len(collector.traces), "the last word is a metric's"
    # prime saw the first look-up; each of the others is in the total once
    assert values[-1] == len(values)
    starts = {point["web → cart"].start_time_unix_nano for point in collector.points()}
    assert len(starts) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_collector_that_never_answers_holds_up_neither_the_loop_nor_the_end(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry_module, "_LAST_REQUESTS_S", 0.2)
    with black_hole() as url:
        async with running(quick(url.replace("http", scheme))) as telemetry:
            await until(lambda: any(t.name == "telemetry" for t in threading.enumerate()), timeout_s=20)
        held = [t for t in threading.enumerate() if t.name == "telemetry"]

    assert held, "the request was still under way when all had ended"
    assert all(thread.daemon for thread in held)
    assert 0 == counted(telemetry, "grapevine_otlp_requests", "metrics")


async def test_a_refusal_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    with http_collector() as collector:
        collector.answer = lambda: (401, {})
        async with running(quick(collector.url, has_metrics=False)) as telemetry:
            await until(lambda: counted(telemetry, "grapevine_otlp_request_failures", "traces") >= 3, timeout_s=20)

    url = f"{collector.url}/v1/traces"
    told = [record.__dict__["reason"] for record in caplog.records if record.__dict__.get("endpoint") == url]
    assert ["HTTP 401 Unauthorized"] == told


async def test_a_collector_that_comes_back_gets_what_it_missed() -> None:
    with http_collector() as collector:
        collector.answer = lambda: (503, {"Retry-After": "0"})
        async with running(quick(collector.url, timeout_s=0.2)) as telemetry:
            await until(lambda: counted(telemetry, "grapevine_otlp_request_failures", "traces") >= 2, timeout_s=20)
            collector.answer = lambda: (200, {})
            await until(lambda: len(collector.points()) >= 2, timeout_s=20)
        values = [point["web → cart"].as_int for point in collector.points()]

    assert values[0] == 0
    assert values[1] >= 3, "two ticks that were not taken, and this one"


async def test_ticks_that_take_too_long_are_counted_and_not_made_up_for() -> None:
    wire = FakeWire()
    took_s = 3 * TICK_S

    def slow(*_: object) -> Answer:
        time.sleep(took_s)
        return Answer()

    wire.send_spans = slow  # type: ignore[method-assign,assignment]
    async with running(quick("http://x", has_metrics=False), connect=lambda _: wire) as telemetry:
        await until(lambda: counted(telemetry, "grapevine_otlp_late_ticks") >= 2, timeout_s=20)


async def test_a_certificate_that_cannot_be_read_ends_the_start() -> None:
    signal = SignalSettings("https://collector:4318/v1/traces", certificate="/nowhere/ca.pem")
    telemetry = Telemetry(TelemetrySettings(traces=signal), Map().snapshot)

    with pytest.raises(PermanentInputError, match="/nowhere"):
        await telemetry.open()
    await telemetry.stop()


async def test_one_that_never_opened_sends_nothing_and_ends() -> None:
    telemetry = Telemetry(quick("http://127.0.0.1:9"), Map().snapshot)

    await telemetry.stop()

    assert b"" == telemetry.page()
    assert 0 == counted(telemetry, "grapevine_otlp_late_ticks")


def test_an_operator_that_sends_nothing_loads_no_opentelemetry() -> None:
    program = "import sys, grapevine.app, grapevine.cli.operator, grapevine.cli.run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = [name for name in done.stdout.split() if name.partition(".")[0] in ("opentelemetry", "grpc")]
    assert [] == loaded


async def test_a_replica_that_does_not_lead_sends_neither_ticks_nor_totals() -> None:
    leads = True
    with http_collector() as collector:
        telemetry = Telemetry(quick(collector.url), Map().snapshot, leads=lambda: leads)
        await telemetry.open()
        await telemetry.tick()
        sent = len(collector.traces), len(collector.points())
        leads = False
        await telemetry.tick()
        await telemetry.stop()

        assert sent == (len(collector.traces), len(collector.points()))
        assert 0 not in sent
