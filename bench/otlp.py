"""Telemetry: ticks of 10,000 edges to a collector on loopback, beside a loop that counts how late it comes.

Two processes of their own: the collector, whose decoding is nobody's bound, and the one that is measured: an event loop
with the operator's libraries loaded, the graph of the generated cluster, and the operator's own telemetry.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from dataclasses import replace

from tests.support.collector import http_collector
from tests.support.fake_writer import FakeWriter

from bench import cluster
from bench.usage import cpu_s, memory
from grapevine.export.settings import SignalSettings, TelemetrySettings
from grapevine.export.telemetry import Telemetry
from grapevine.pipeline import Pipeline
from grapevine.pipeline.live_edges import LiveEdges
from grapevine.settings import OperatorSettings
from grapevine.wire.schema import Batch, BatchHeader, Hearing

EDGES = 10_000
_TICKS = 3
_SLEEP_S = 0.005
_AFTER_S = 1.0
"""How long the event loop is watched after a tick: what it leaves behind is cleared away then."""


def run() -> list[tuple[str, str]]:
    """Measure a tick as spans, as metrics, and what either costs while it is idle."""
    with http_collector() as collector:
        figures = []
        for signal in ("traces", "metrics"):
            command = [sys.executable, "-m", "bench.otlp", signal, collector.url]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            received = collector.traces if signal == "traces" else collector.metrics
            sent = _TICKS * EDGES - told["given_up"]
            wire = sum(each.wire_bytes for each in received) / sent
            plain = sum(len(each.message) for each in received) / sent
            lags = sorted(told["lags_ms"])
            p99, longest = lags[len(lags) * 99 // 100], lags[-1]
            what = f"{EDGES:,} edges as {signal}"
            figures += [
                (f"{what}, a tick", f"{told['tick_s']:.2f} s CPU, {told['requests']:.0f} requests"),
                (f"{what}, given up as the tick was over", f"{told['given_up'] / _TICKS / EDGES:.1%}"),
                (f"{what}, event loop late meanwhile", f"p99 {p99:.0f} ms, at most {longest:.0f} ms"),
                (f"{what}, RSS above idle, at most", f"{told['peak_mib']:.0f} MiB"),
                (f"{what}, on the wire", f"{wire:.0f} bytes an edge with gzip, {plain:.0f} without"),
            ]
    return figures


async def _measure(signal: str, url: str) -> dict[str, object]:
    """Run ticks one after the other and return what they cost."""
    import grapevine.app  # noqa: F401 - the operator's libraries, which are there anyway

    settings = OperatorSettings()
    now_ms = time.time_ns() // 1_000_000
    pipeline = Pipeline(settings, FakeWriter(), lambda: now_ms)
    pipeline.on_records(list(cluster.records()))
    seen = cluster.observations()[:: cluster.WORKLOADS * cluster.TARGETS // EDGES]
    header = BatchHeader("bench", 1, 1, "node-0", now_ms, Hearing(("packet",), 0))
    await pipeline.intake.process(Batch(header, tuple(replace(each, first_ms=now_ms, last_ms=now_ms) for each in seen)))
    sent = TelemetrySettings(**{signal: SignalSettings(f"{url}/v1/{signal}")})
    edges = LiveEdges(pipeline, settings.resolver.cluster_domain, lambda: now_ms)
    gc.collect()
    idle_kib = memory(os.getpid()).rss_kib
    telemetry = Telemetry(sent, edges.snapshot)
    await telemetry.open()
    gc.freeze()  # as the operator does once it has started
    began_s = cpu_s(os.getpid())
    for _ in range(_TICKS - 1):
        await telemetry.tick()
    took_s = cpu_s(os.getpid()) - began_s
    lags_ms: list[float] = []
    watching = asyncio.create_task(_watch(lags_ms))  # costs more than a tick, so it has one of its own
    await telemetry.tick()
    await asyncio.sleep(_AFTER_S)
    watching.cancel()
    counts = {each.name: each.samples for each in telemetry.metrics()}
    assert counts["grapevine_otlp_live_edges"][""] == EDGES
    assert sum(counts["grapevine_otlp_request_failures"].values()) == 0
    return {
        "tick_s": took_s / (_TICKS - 1),
        "given_up": sum(counts["grapevine_otlp_edges_dropped"].values()),
        "requests": counts["grapevine_otlp_requests"][signal] / _TICKS,
        "lags_ms": lags_ms,
        "peak_mib": (memory(os.getpid()).peak_kib - idle_kib) / 1024,
    }


async def _watch(lags_ms: list[float]) -> None:
    """Note how much later than asked for the loop comes back, until cancelled."""
    while True:
        due_s = time.monotonic() + _SLEEP_S
        await asyncio.sleep(_SLEEP_S)
        lags_ms.append((time.monotonic() - due_s) * 1_000)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measure(*sys.argv[1:]))))
