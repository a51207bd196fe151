"""Series as an OTLP metric, filled in place; the SDK would fold everything past 2,000 attribute sets into one point.

The metric is named as Prometheus must show it, its unit is empty, and it is cumulative whatever
`OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` says: Prometheus refuses a request with a delta in it.

Source: OTLP 1.x, opentelemetry.proto.metrics.v1; "Prometheus and OpenMetrics Compatibility".
"""

from collections.abc import Iterable, Mapping

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from grapevine import __version__
from grapevine.export.attributes import put
from grapevine.export.graph_page import HELP, METRIC, labels_of
from grapevine.export.series import Point

MAX_POINTS = 2_000
"""Points of one request: 330 kB before compression."""


def encode_points(points: Iterable[Point], own_resource: Mapping[str, str], now_ns: int) -> bytes:
    """Return the points as one request, stamped now."""
    request = ExportMetricsServiceRequest()
    resource_metrics = request.resource_metrics.add()
    put(resource_metrics.resource.attributes, own_resource.items())
    scope_metrics = resource_metrics.scope_metrics.add()
    scope_metrics.scope.name, scope_metrics.scope.version = "grapevine", __version__
    metric = scope_metrics.metrics.add(name=METRIC, description=HELP)
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    for point in points:
        made = metric.sum.data_points.add(
            start_time_unix_nano=point.start_ms * 1_000_000, time_unix_nano=now_ns, as_int=point.value
        )
        put(made.attributes, labels_of(point.key).items())
    message: bytes = request.SerializeToString()
    return message
