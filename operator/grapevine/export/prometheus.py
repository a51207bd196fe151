"""Components' metrics as a Prometheus exposition, read when asked for: nothing is kept twice.

Source: Prometheus exposition format 0.0.4.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from grapevine import __version__
from grapevine.model.metric import Family, Metric

BUILD_METRIC, BUILD_LABEL = "grapevine_build_info", "version"
BUILD_HELP = "1 for the version of Grapevine that runs."

Provider = Callable[[], Iterable[Family]]
"""A component's `metrics`."""


class Exposition:
    """Renders the providers' metrics and the process's own, and behind them what is rendered already."""

    def __init__(self, providers: Sequence[Provider], page: Callable[[], bytes] = bytes) -> None:
        self._page = page
        self._registry = CollectorRegistry()
        self._registry.register(_Bridge(providers))
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def render(self) -> bytes:
        """Return the exposition, now."""
        return generate_latest(self._registry) + self._page()


class _Bridge(Collector):
    """Our metrics as prometheus_client's families, which are made on each collection."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = providers

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Tell nothing in advance, so that registering does not collect."""
        return ()

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Yield a family a metric."""
        build = GaugeMetricFamily(BUILD_METRIC, BUILD_HELP, labels=[BUILD_LABEL])
        build.add_metric([__version__], 1)
        yield build
        for provider in self._providers:
            yield from map(_family, provider())


def _family(metric: Family) -> CounterMetricFamily | GaugeMetricFamily:
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    if isinstance(metric, Metric):
        labels = [metric.label] if metric.label else []
        rows = [([value] if metric.label else [], sample) for value, sample in sorted(metric.samples.items())]
    else:
        labels = list(metric.labels)
        rows = [(list(values), sample) for values, sample in sorted(metric.rows.items())]
    family = make(metric.name, metric.help, labels=labels)
    for values, sample in rows:
        family.add_metric(values, sample)
    return family
