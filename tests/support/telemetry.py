"""Snapshots of a map, and a collector in memory on a clock of its own, for telemetry's own decisions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.support.builders import T0

from grapevine.export.batches import SpanBatch
from grapevine.export.calls import Call
from grapevine.export.series import Point
from grapevine.export.settings import SignalSettings, TelemetrySettings
from grapevine.export.snapshot import SeenEdge, Snapshot
from grapevine.export.transport import Answer
from grapevine.model.edge import Edge
from grapevine.model.workload import ServiceName, WorkloadRef

SIGNAL = SignalSettings("http://collector:4318")
BOTH = TelemetrySettings(traces=SIGNAL, metrics=SIGNAL)


def a_snapshot(
    edges: Iterable[Edge | SeenEdge], at_ms: int = T0, names: Mapping[WorkloadRef, ServiceName] | None = None
) -> Snapshot:
    """Return a snapshot of edges, live unless they say."""
    seen = [each if isinstance(each, SeenEdge) else SeenEdge(each, is_live=True) for each in edges]
    return Snapshot(at_ms, seen, names or {})


@dataclass
class FakeWire:
    """A collector that takes everything, or says why not; each request takes `request_s` of its clock."""

    now_s: float = T0 / 1_000
    refusal: str = ""
    come_back_s: float = 0.0
    request_s: float = 0.0
    max_points: int = 2_000
    is_stopped: bool = False
    requests: list[list[Call]] = field(default_factory=list)
    told: list[tuple[str, str, int, int]] = field(default_factory=list)
    """(client, server, observations, since_ms) of every call taken."""
    points: list[dict[str, int]] = field(default_factory=list)
    """Value by `client → server`, for every request taken."""
    asked: int = 0
    slept_s: list[float] = field(default_factory=list)

    def clock_ns(self) -> int:
        """Return the time."""
        return int(self.now_s * 1e9)

    def wait(self, seconds: float) -> bool:
        """Let time pass."""
        self.now_s += seconds
        if seconds:
            self.slept_s.append(seconds)
        return self.is_stopped

    def send_spans(self, batch: SpanBatch, now_ns: int) -> Answer:
        """Take a request."""
        self.asked += 1
        self.now_s += self.request_s
        if not self.refusal:
            self.requests.append(list(batch.calls))
            self.told += [(c.client.name, c.server.name, c.observations, c.since_ms) for c in batch.calls]
        return Answer(self.refusal, retry_after_s=self.come_back_s if self.refusal else 0.0)

    def send_points(self, points: Sequence[Point], now_ns: int) -> Answer:
        """Take a request."""
        self.asked += 1
        self.now_s += self.request_s
        if not self.refusal:
            self.points.append({f"{p.key.client} → {p.key.server}": p.value for p in points})
        return Answer(self.refusal, retry_after_s=self.come_back_s if self.refusal else 0.0)

    def close(self) -> None:
        """End."""
