"""The operator on a real API server with the recorded shop, as a collector and Debian's Prometheus see it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.collector import Collector, http_collector
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.objects import SHOP, load_shop
from tests.support.processes import Operator, send_capture
from tests.support.prometheus import Prometheus, Sample, running_prometheus
from tests.support.service_graph import DrawnEdge
from tests.support.truth import shop_drawn

TICK_S = 15
JOB = "grapevine"
_FRESH_S = 60.0
"""Look-ups are this old at most when something is asked: rates are of the last minutes; tests come in any order."""


@dataclass(frozen=True, slots=True)
class ShopTelemetry:
    """All of it, running."""

    operator: Operator
    collector: Collector
    prometheus: Prometheus
    truth: set[DrawnEdge]
    """The shop's edges; names of the cluster are `namespace/name`."""
    heard_s: float
    """When every edge had a count, in seconds since 1970."""

    @property
    def now_s(self) -> float:
        """The time that Prometheus is asked about: now, or a minute after the look-ups if that has gone by."""
        return min(time.time(), self.heard_s + _FRESH_S)

    def ask(self, query: str) -> list[Sample]:
        """Return what a query says at `now_s`."""
        return self.prometheus.instant(query, self.now_s)


@contextmanager
def running_shop(directory: Path, binaries: Binaries) -> Iterator[ShopTelemetry]:
    """Run it until every edge has a count in Prometheus; afterwards the operator must end as it should."""
    log = directory / "operator.log"
    plane = ControlPlane(directory / "control-plane", binaries)
    with plane, http_collector() as collector:
        with plane.api() as api:
            load_shop(api)
        operator = Operator(
            plane.kubeconfig(),
            log,
            environ={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_METRICS_EXPORTER": "otlp"},
            park_ms="500",
            graph_metrics="1",
            cluster_name="east",
            otlp_interval_s=str(TICK_S),
            otlp_service_name_format="namespace/name",
        )
        with operator, running_prometheus(directory, {JOB: operator.metrics_target}) as prometheus:
            send_capture(SHOP / "capture.pcap", operator.url)
            truth = shop_drawn(is_namespace_named=True)
            eventually(lambda: len(truth) == _moving(prometheus), timeout_s=120)
            yield ShopTelemetry(operator, collector, prometheus, truth, time.time())
            assert 0 == operator.stop()
        assert log.read_text().count("Traceback") == 0


def _moving(prometheus: Prometheus) -> int:
    """Return how many edges have gained look-ups since Prometheus saw them first."""
    return len(prometheus.instant("sum by (client, server) (increase(traces_service_graph_request_total[5m])) > 0"))
