"""`traces_service_graph_request_total`: cumulative series by client and server. Pure, bounded.

Each begins with the value it had before its first observations (0 for a new one), or `rate()` would never see these.
One whose edge is gone for the time to live is shown no more and kept as a tombstone, so that its total goes on if it
returns.

Source: OpenTelemetry metrics data model, "Sums"; Prometheus, "rate()".
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    """Labels of one series; an empty one is left out."""

    client: str
    client_namespace: str
    server: str
    server_namespace: str
    connection_type: str


OTHER = SeriesKey("other", "", "other", "", "")
"""What had no place of its own."""


@dataclass(slots=True)
class _Series:
    start_ms: int
    live_ms: int
    total: int = 0
    opening: int = 0
    """Its total when it came, or came back."""
    opened_ms: int = 0
    is_opening_sent: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """One series at one moment."""

    key: SeriesKey
    value: int
    start_ms: int


class SeriesTable:
    """At most `max_series` shown at once, and as many tombstones."""

    def __init__(self, max_series: int, ttl_ms: int) -> None:
        self._max_series = max_series
        self._ttl_ms = ttl_ms
        self._open: dict[SeriesKey, _Series] = {}
        self._tombstones: dict[SeriesKey, _Series] = {}
        self.folded = 0
        """Observations counted in `OTHER` for want of a place."""

    def __len__(self) -> int:
        return len(self._open)

    def add(self, key: SeriesKey, count: int, at_ms: int) -> None:
        """Count observations of an edge; 0 keeps its series alive."""
        series = self._open.get(key) or self._enter(key, at_ms)
        if series is None:
            self.folded += count
            series = self._open.get(OTHER) or self._come(OTHER, at_ms)
        series.total += count
        series.live_ms = at_ms

    def close_silent(self, at_ms: int) -> None:
        """Show no more what has not been live for the time to live."""
        for key in [key for key, series in self._open.items() if at_ms - series.live_ms > self._ttl_ms]:
            self._tombstones.pop(key, None)
            self._tombstones[key] = self._open.pop(key)
            if len(self._tombstones) > self._max_series:
                del self._tombstones[next(iter(self._tombstones))]

    def points(self) -> list[Point]:
        """Return every series; those whose opening nobody took yet with that."""
        return [
            Point(key, series.total if series.is_opening_sent else series.opening, series.start_ms)
            for key, series in self._open.items()
        ]

    def page(self, at_ms: int) -> list[Point]:
        """Return every series for who comes and reads; those that came at `at_ms`, the last look, as they opened."""
        return [
            Point(key, series.opening if series.opened_ms == at_ms else series.total, series.start_ms)
            for key, series in self._open.items()
        ]

    def accept(self, points: Iterable[Point]) -> None:
        """Take in that a collector has these."""
        for point in points:
            if series := self._open.get(point.key):
                series.is_opening_sent = True

    def _enter(self, key: SeriesKey, at_ms: int) -> _Series | None:
        shown = len(self._open) - (OTHER in self._open)
        return None if shown >= self._max_series else self._come(key, at_ms)

    def _come(self, key: SeriesKey, at_ms: int) -> _Series:
        series = self._tombstones.pop(key, None) or _Series(at_ms, at_ms)
        series.opening, series.opened_ms, series.is_opening_sent = series.total, at_ms, False
        self._open[key] = series
        return series
