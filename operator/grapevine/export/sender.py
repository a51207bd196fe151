"""One tick's work, off the event loop: snapshot in, requests out, and what a collector does not take.

Spans that were not taken are given up, for they would be too old by the next tick; their observations are told then.
Metrics are cumulative, so nothing of them is lost. Knows no OpenTelemetry: that is behind `Wire`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from grapevine.export.batches import SpanBatch, pause_s, span_batches
from grapevine.export.calls import Call, CallBook, in_order
from grapevine.export.collector_health import CollectorHealth
from grapevine.export.graph_page import render
from grapevine.export.nodes import VirtualNode
from grapevine.export.series import Point
from grapevine.export.settings import TelemetrySettings
from grapevine.export.snapshot import Snapshot
from grapevine.export.transport import Answer
from grapevine.model.metric import Metric
from grapevine.model.workload import WorkloadRef

_SPANS_SHARE = 0.6
"""Of a tick, how much may be spent on spans; metrics took a third at most, the timeout of a request."""
_NS = 1_000_000_000
_DROPS = ("not-taken", "late", "stopped")


class Wire(Protocol):
    """What the sender needs of OTLP. Every call blocks, and ends within the signal's timeout."""

    max_points: int
    """Points of one request."""

    def send_spans(self, batch: SpanBatch, now_ns: int) -> Answer:
        """Send one request; return the last answer, without a reason where all of it was taken."""

    def send_points(self, points: Sequence[Point], now_ns: int) -> Answer:
        """Send one request; return the last answer, without a reason where all of it was taken."""

    def close(self) -> None:
        """End what waits; from another thread too."""


class Sender:
    """Sends a snapshot's edges. One thread at a time; `metrics` and `page` from any."""

    def __init__(
        self,
        settings: TelemetrySettings,
        wire: Wire,
        *,
        clock_ns: Callable[[], int],
        wait: Callable[[float], bool],
    ) -> None:
        """Take a clock of nanoseconds since the epoch, and a wait that returns True once there is no time left."""
        self._settings = settings
        self._wire = wire
        self._clock_ns = clock_ns
        self._wait = wait
        self._book = CallBook(settings)
        self._ticks = 0
        self._resume_at: WorkloadRef | None = None
        self._live = 0
        self._took_s = 0.0
        self._sent = 0
        self._dropped = dict.fromkeys(_DROPS, 0)
        self._health = {
            "traces": CollectorHealth("traces", settings.traces.url if settings.traces else ""),
            "metrics": CollectorHealth("metrics", settings.metrics.url if settings.metrics else ""),
        }
        self.page = b""
        """The service graph for `/metrics`, as of the last tick; empty unless asked for."""

    def prime(self, snapshot: Snapshot) -> None:
        """Take in what was there before this process."""
        self._book.prime(snapshot)

    def tick(self, snapshot: Snapshot) -> None:
        """Send every live edge once; takes at most about a tick."""
        began_ns = self._clock_ns()
        calls = self._book.open(snapshot)
        series = self._book.series
        series.close_silent(snapshot.at_ms)
        if self._settings.is_graph_on_metrics_page:
            self.page = render(series.page(snapshot.at_ms), self._book.dead_names(snapshot))
        if self._settings.metrics and self._ticks % self._settings.metrics_every == 0:
            self._send_points()
        if self._settings.traces:
            self._send_spans(calls)
        self._ticks += 1
        self._live = len(calls)
        self._took_s = (self._clock_ns() - began_ns) / _NS

    def finish(self, snapshot: Snapshot | None = None) -> None:
        """Send the totals a last time, as of a last snapshot where there is one: they end with the process."""
        if snapshot is not None:
            self._book.open(snapshot)
        if self._settings.metrics:
            self._send_points()

    def why_not(self) -> str:
        """Return why the last request was not taken, empty where all went well."""
        return next((each.reason for each in self._health.values() if each.reason), "")

    def metrics(self) -> list[Metric]:
        """Return what was sent, what was not, and since when."""
        health = self._health.items()
        return [
            Metric("grapevine_otlp_live_edges", "gauge", "Edges of the last tick.", {"": self._live}),
            Metric("grapevine_otlp_edges_sent", "counter", "Edges sent as spans.", {"": self._sent}),
            Metric(
                "grapevine_otlp_edges_dropped",
                "counter",
                "Edges whose spans were given up; their counts go with the next.",
                dict(self._dropped),
                "reason",
            ),
            Metric(
                "grapevine_otlp_requests",
                "counter",
                "Requests a collector took.",
                {signal: each.taken for signal, each in health},
                "signal",
            ),
            Metric(
                "grapevine_otlp_request_failures",
                "counter",
                "Requests no collector took, repetitions included.",
                {signal: each.failed for signal, each in health},
                "signal",
            ),
            Metric(
                "grapevine_otlp_last_success_timestamp_seconds",
                "gauge",
                "When a collector last took a request; 0 for never.",
                {signal: each.taken_ms / 1_000 for signal, each in health},
                "signal",
            ),
            Metric("grapevine_otlp_tick_seconds", "gauge", "How long the last tick took.", {"": self._took_s}),
            Metric("grapevine_graph_series", "gauge", "Series of the service graph.", {"": len(self._book.series)}),
            Metric(
                "grapevine_graph_series_folded",
                "counter",
                "Observations counted in the series other → other for want of a place.",
                {"": self._book.series.folded},
            ),
            Metric(
                "grapevine_graph_externals",
                "gauge",
                "Names outside the cluster with a node of their own, and live ones without.",
                {"named": len(self._book.externals), "folded": self._book.externals.overflow},
                "kind",
            ),
        ]

    def _send_points(self) -> None:
        points = self._book.series.points()
        size = self._wire.max_points
        for at in range(0, len(points), size):
            chunk = points[at : at + size]
            if not self._ask("metrics", partial(self._wire.send_points, chunk)):
                return
            self._book.series.accept(chunk)

    def _send_spans(self, calls: Sequence[Call]) -> None:
        deadline_ns = self._clock_ns() + int(_SPANS_SHARE * self._settings.tick_s * _NS)
        ordered = in_order(calls, self._resume_at)
        self._resume_at = None
        all_waiting = sum(isinstance(call.server, VirtualNode) for call in ordered)
        left, why = len(ordered), ""
        for batch in span_batches(ordered):
            if why := self._why_stop(deadline_ns):
                break
            if not self._ask("traces", partial(self._wire.send_spans, batch)):
                why = "not-taken"
                break
            sent = list(batch.calls)
            self._book.accept(sent)
            self._sent += len(sent)
            left -= len(sent)
            if left and batch.waiting:
                self._wait(pause_s(batch.waiting, all_waiting, self._settings.tick_s))
        if left:
            self._dropped[why] += left
            self._resume_at = ordered[-left].client.workload

    def _why_stop(self, deadline_ns: int) -> str:
        if self._wait(0):
            return "stopped"
        return "late" if self._clock_ns() >= deadline_ns else ""

    def _ask(self, signal: str, send: Callable[[int], Answer]) -> bool:
        """Send one request, unless the collector asked to be left alone; return whether it was taken."""
        health, now_ns = self._health[signal], self._clock_ns()
        if not health.may_ask(now_ns // 1_000_000):
            return False
        answer = send(now_ns)
        at_ms = self._clock_ns() // 1_000_000
        if answer.reason:
            health.refuse(at_ms, answer.reason, answer.retry_after_s)
        else:
            health.take(at_ms)
        return not answer.reason
