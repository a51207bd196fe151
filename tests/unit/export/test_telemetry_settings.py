"""`OTEL_*` as users expect it of any SDK, and what is Grapevine's own."""

import pytest

from grapevine.export.settings import SERVICE_LABELS, SignalSettings, TelemetrySettings, telemetry_settings
from grapevine.model.errors import PermanentInputError

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
METRICS = {"OTEL_METRICS_EXPORTER": "otlp"}


def settings(**environ: str) -> TelemetrySettings:
    found = telemetry_settings(environ)
    assert found is not None
    return found


def traces(**environ: str) -> SignalSettings:
    found = settings(**{**ENDPOINT, **environ}).traces
    assert found is not None
    return found


def metrics(**environ: str) -> SignalSettings:
    found = settings(**{**ENDPOINT, **METRICS, **environ}).metrics
    assert found is not None
    return found


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SERVICE_NAME": "x", "GRAPEVINE_OTLP_INTERVAL_S": "20"},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "true"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "console"},
    ],
)
def test_nothing_is_sent_unless_asked_for(environ: dict[str, str]) -> None:
    assert telemetry_settings(environ) is None


def test_an_endpoint_alone_means_traces_over_http_with_gzip() -> None:
    found = settings(**ENDPOINT)

    assert found.metrics is None
    assert found.traces == SignalSettings("http://collector:4318/v1/traces", "http/protobuf", is_insecure=True)
    assert (30, 200, 10_000) == (found.tick_s, found.max_externals, found.max_series)


def test_metrics_are_sent_where_they_are_asked_for() -> None:
    assert "http://collector:4318/v1/metrics" == metrics().url
    own = settings(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="http://prometheus:9090/api/v1/otlp/v1/metrics")
    assert own.traces is None
    assert own.metrics is not None
    assert "http://prometheus:9090/api/v1/otlp/v1/metrics" == own.metrics.url


def test_an_exporter_without_an_endpoint_sends_to_localhost() -> None:
    found = settings(OTEL_TRACES_EXPORTER="otlp, console")

    assert found.traces is not None
    assert "http://localhost:4318/v1/traces" == found.traces.url


def test_a_signals_own_variable_wins() -> None:
    found = traces(
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="https://tempo/otlp",
        OTEL_EXPORTER_OTLP_HEADERS="a=1",
        OTEL_EXPORTER_OTLP_TRACES_HEADERS="b=2",
        OTEL_EXPORTER_OTLP_TRACES_COMPRESSION="none",
    )

    assert ("https://tempo/otlp", {"b": "2"}, "none") == (found.url, dict(found.headers), found.compression)


def test_the_flag_wins_over_the_environment() -> None:
    environ = {**ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://other/v1/traces"}
    found = telemetry_settings(environ, endpoint="http://flag:4318/")

    assert found is not None
    assert found.traces is not None
    assert "http://flag:4318/v1/traces" == found.traces.url


@pytest.mark.parametrize(
    ("url", "insecure", "is_insecure"),
    [
        ("collector:4317", "", False),
        ("collector:4317", "true", True),
        ("http://collector:4317", "", True),
        ("https://collector:4317", "true", False),
    ],
)
def test_grpc_is_secure_unless_told_otherwise(url: str, insecure: str, is_insecure: bool) -> None:
    found = traces(
        OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_EXPORTER_OTLP_PROTOCOL="grpc", OTEL_EXPORTER_OTLP_INSECURE=insecure
    )

    assert (url, "grpc", is_insecure) == (found.url, found.protocol, found.is_insecure)


@pytest.mark.parametrize(
    ("text", "seconds"), [("5", 5.0), ("10000", 10.0), ("2500", 2.5), ("300", 10.0), ("60000", 10.0), ("400", 1.0)]
)
def test_a_timeout_is_seconds_or_milliseconds_and_at_most_a_third_of_a_tick(text: str, seconds: float) -> None:
    assert seconds == traces(OTEL_EXPORTER_OTLP_TIMEOUT=text).timeout_s


def test_headers_are_decoded_and_in_no_log() -> None:
    found = traces(OTEL_EXPORTER_OTLP_HEADERS="Authorization=Basic%20c2VjcmV0, X-Scope-OrgID=one two")

    assert {"authorization": "Basic c2VjcmV0", "x-scope-orgid": "one two"} == dict(found.headers)
    assert "c2VjcmV0" not in repr(settings(**ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS="Authorization=Basic%20c2VjcmV0"))


def test_the_resource_of_the_operator_is_the_same_after_a_restart() -> None:
    named = "service.name=other,k8s.cluster.name=east,deployment.environment.name=prod"
    found = settings(**ENDPOINT, OTEL_RESOURCE_ATTRIBUTES=named, OTEL_SERVICE_NAME="grapevine-east")

    assert ("east", "prod") == (found.cluster, found.environment)
    assert "grapevine-east" == found.own_resource["service.name"]
    assert "east" == found.own_resource["service.instance.id"]
    assert "grapevine" == settings(**ENDPOINT).own_resource["service.instance.id"]


@pytest.mark.parametrize(
    ("interval_ms", "ticks"), [("60000", 2), ("1000", 1), ("30000", 1), ("600000", 10), ("86400000", 10)]
)
def test_metrics_go_with_every_so_many_ticks(interval_ms: str, ticks: int) -> None:
    assert ticks == settings(**ENDPOINT, OTEL_METRIC_EXPORT_INTERVAL=interval_ms).metrics_every


def test_what_is_grapevines_own() -> None:
    found = settings(
        GRAPEVINE_GRAPH_METRICS="1",
        GRAPEVINE_OTLP_INTERVAL_S="15",
        GRAPEVINE_OTLP_SERIES_TTL_S="61",
        GRAPEVINE_OTLP_MAX_SERIES="7",
        GRAPEVINE_OTLP_MAX_EXTERNALS="8",
        GRAPEVINE_OTLP_SERVICE_NAME_FORMAT="namespace/name",
        GRAPEVINE_OTLP_NAME_FROM_LABELS="true",
        GRAPEVINE_OTLP_DATABASES="db.example.com=oracle.db",
        GRAPEVINE_CLUSTER_NAME="west",
    )

    assert (None, None, True) == (found.traces, found.metrics, found.is_graph_on_metrics_page)
    assert (15, 61, 7, 8) == (
        found.tick_s,
        found.series_ttl_s,
        found.max_series,
        found.max_externals,
    )
    assert ("namespace/name", SERVICE_LABELS, "west") == (found.name_format, found.service_labels, found.cluster)
    assert found.databases.try_system("a.db.example.com") is not None


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no-value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=line%0Abreak"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("GRAPEVINE_OTLP_INTERVAL_S", "14"),
        ("GRAPEVINE_OTLP_INTERVAL_S", "301"),
        ("GRAPEVINE_OTLP_SERIES_TTL_S", "29"),
        ("GRAPEVINE_OTLP_SERVICE_NAME_FORMAT", "kind/name"),
        ("GRAPEVINE_OTLP_DATABASES", "db.example.com"),
    ],
)
def test_a_wrong_value_is_refused_by_its_variables_name(variable: str, text: str) -> None:
    with pytest.raises(PermanentInputError, match=variable):
        telemetry_settings({**ENDPOINT, variable: text})


def test_a_secret_header_is_not_in_the_refusal() -> None:
    with pytest.raises(PermanentInputError) as refused:
        telemetry_settings({**ENDPOINT, "OTEL_EXPORTER_OTLP_HEADERS": "authorization=s3cret,s3cret2"})

    assert "s3cret" not in str(refused.value)
