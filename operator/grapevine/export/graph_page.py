"""The service graph for Prometheus: names and labels that Grafana's Service Graph asks for, and their exposition.

Source: Grafana Tempo, "Service graphs"; Prometheus exposition format 0.0.4.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from grapevine.export.series import Point, SeriesKey

METRIC = "traces_service_graph_request_total"
HELP = "Look-ups, or connections, between workloads: that a call was likely, not how many there were."
_LABELS = ("client", "server", "connection_type", "client_service_namespace", "server_service_namespace")


def labels_of(key: SeriesKey) -> dict[str, str]:
    """Return the labels of a series, without the empty ones."""
    values = (key.client, key.server, key.connection_type, key.client_namespace, key.server_namespace)
    return {label: value for label, value in zip(_LABELS, values, strict=True) if value}


def render(points: Iterable[Point]) -> bytes:
    """Return the exposition of the series alone; about 10 µs each."""
    registry = CollectorRegistry()
    registry.register(_Points(points))
    return generate_latest(registry)


class _Points(Collector):
    def __init__(self, points: Iterable[Point]) -> None:
        self._points = points

    def describe(self) -> Iterable[CounterMetricFamily]:
        """Tell nothing in advance, so that registering does not collect."""
        return ()

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Yield the one family."""
        family = CounterMetricFamily(METRIC.removesuffix("_total"), HELP, labels=_LABELS)
        for point in self._points:
            labels = labels_of(point.key)
            family.add_metric([labels.get(label, "") for label in _LABELS], point.value)
        yield family
