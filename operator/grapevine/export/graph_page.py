"""The service graph for Prometheus: names and labels that Grafana's Service Graph asks for, and their exposition.

Beside it the names that never resolved, which are in no graph.

Source: Grafana Tempo, "Service graphs"; Prometheus exposition format 0.0.4.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from grapevine.export.series import Point, SeriesKey

METRIC = "traces_service_graph_request_total"
HELP = "Look-ups, or connections, between workloads: that a call was likely, not how many there were."
_LABELS = ("client", "server", "connection_type", "client_service_namespace", "server_service_namespace")
DEAD_METRIC = "grapevine_dead_dependency"
DEAD_HELP = "Look-ups of a name that never resolved, by client workload; at most 1,000 names, the newest."
DEAD_LABELS = ("client", "client_service_namespace", "name", "rcode")
MAX_DEAD = 1_000


@dataclass(frozen=True, slots=True)
class DeadName:
    """A name that a client asks for in vain."""

    client: str
    client_namespace: str
    name: str
    rcode: str
    count: int


def labels_of(key: SeriesKey) -> dict[str, str]:
    """Return the labels of a series, without the empty ones."""
    values = (key.client, key.server, key.connection_type, key.client_namespace, key.server_namespace)
    return {label: value for label, value in zip(_LABELS, values, strict=True) if value}


def render(points: Iterable[Point], dead: Iterable[DeadName]) -> bytes:
    """Return the exposition of the series and these names alone; about 10 µs each."""
    registry = CollectorRegistry()
    registry.register(_Page(points, dead))
    return generate_latest(registry)


class _Page(Collector):
    def __init__(self, points: Iterable[Point], dead: Iterable[DeadName]) -> None:
        self._points = points
        self._dead = dead

    def describe(self) -> Iterable[CounterMetricFamily]:
        """Tell nothing in advance, so that registering does not collect."""
        return ()

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Yield the two families."""
        family = CounterMetricFamily(METRIC.removesuffix("_total"), HELP, labels=_LABELS)
        for point in self._points:
            labels = labels_of(point.key)
            family.add_metric([labels.get(label, "") for label in _LABELS], point.value)
        yield family
        in_vain = GaugeMetricFamily(DEAD_METRIC, DEAD_HELP, labels=DEAD_LABELS)
        for each in self._dead:
            in_vain.add_metric([each.client, each.client_namespace, each.name, each.rcode], each.count)
        yield in_vain
