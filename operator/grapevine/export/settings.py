"""Where telemetry goes and how it is named: `OTEL_*` as every SDK reads it, and `GRAPEVINE_OTLP_*` for what is ours.

Pure: environment in, values out. The exporters of OpenTelemetry's Python SDK would read most of `OTEL_*` themselves,
but not the protocol, not `OTEL_SDK_DISABLED`, and the timeout in seconds where the specification says milliseconds; so
all of it is read here, once, and they are told.

Source: OpenTelemetry specification, "OTLP Exporter configuration" and "Environment variables".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args
from urllib.parse import unquote, urlsplit

from grapevine.export.databases import Databases
from grapevine.model.errors import PermanentInputError

Protocol = Literal["http/protobuf", "grpc"]
Compression = Literal["gzip", "deflate", "none"]
NameFormat = Literal["name", "namespace/name"]

SERVICE_LABELS = ("app.kubernetes.io/instance", "app.kubernetes.io/name")
"""Labels that name a service where `GRAPEVINE_OTLP_NAME_FROM_LABELS` is set; the order is semconv's."""
DEFAULT_TICK_S = 30
MIN_TICK_S, MAX_TICK_S = 15, 300
"""Longer than 300 s, and Prometheus' look-back of five minutes loses edges between two ticks."""
_MAX_TIMEOUT_AS_SECONDS = 300
_NUMBERS = {
    "tick_s": "GRAPEVINE_OTLP_INTERVAL_S",
    "series_ttl_s": "GRAPEVINE_OTLP_SERIES_TTL_S",
    "max_series": "GRAPEVINE_OTLP_MAX_SERIES",
    "max_externals": "GRAPEVINE_OTLP_MAX_EXTERNALS",
}
"""Variables that are whole numbers above 0."""
_Text = TypeVar("_Text", bound=str)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """How one signal, traces or metrics, is sent."""

    url: str
    """For http/protobuf with its path; for gRPC `http://HOST:PORT`, `https://…`, or HOST:PORT alone."""
    protocol: Protocol = "http/protobuf"
    is_insecure: bool = False
    """gRPC without TLS."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names in lower case; the values may be secrets, so they are in no log."""
    timeout_s: float = 10.0
    """For one request with all its repetitions; a third of a tick at most."""
    compression: Compression = "gzip"
    certificate: str = ""
    """File of the authorities to trust; empty for those that come with the client."""
    client_key: str = ""
    client_certificate: str = ""


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """What is told to observability back ends."""

    traces: SignalSettings | None = None
    metrics: SignalSettings | None = None
    is_graph_on_metrics_page: bool = False
    """Whether `/metrics` shows the service graph; whoever reaches that port then reads who talks to whom."""
    tick_s: int = DEFAULT_TICK_S
    metrics_every: int = 1
    """Ticks between two exports of metrics; ≥ 1."""
    series_ttl_s: int = 3_600
    """How long a series of the metrics outlives its edge, seconds."""
    max_series: int = 10_000
    """Series at once; what is over it is counted in the series `other` → `other`."""
    max_externals: int = 200
    """Names outside the cluster that are nodes of their own; what is over it is the node `external`."""
    name_format: NameFormat = "name"
    service_labels: tuple[str, ...] = ()
    databases: Databases = field(default_factory=Databases)
    cluster: str = ""
    """`k8s.cluster.name`; empty where nobody said."""
    environment: str = ""
    """`deployment.environment.name`; empty where nobody said."""
    own_resource: Mapping[str, str] = field(default_factory=dict)
    """Attributes of the operator's own resource, which the metrics are sent with."""

    def __post_init__(self) -> None:
        if not MIN_TICK_S <= self.tick_s <= MAX_TICK_S:
            raise PermanentInputError(f"GRAPEVINE_OTLP_INTERVAL_S: {self.tick_s}: give {MIN_TICK_S} to {MAX_TICK_S}")
        if self.series_ttl_s < self.tick_s:
            raise PermanentInputError(f"GRAPEVINE_OTLP_SERIES_TTL_S: give at least a tick, {self.tick_s}")


def telemetry_settings(environ: Mapping[str, str], *, endpoint: str | None = None) -> TelemetrySettings | None:
    """Return what the environment asks for, None where that is nothing; `endpoint` wins over those of all traces.

    Raises:
        PermanentInputError: a value is not usable; the text names its variable.
    """
    if endpoint:
        environ = {k: v for k, v in environ.items() if k != "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}
        environ = {**environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    is_page = _is_true(environ.get("GRAPEVINE_GRAPH_METRICS", ""))
    numbers = {name: _parse(environ[each], each) for name, each in _NUMBERS.items() if environ.get(each)}
    tick_s = numbers.setdefault("tick_s", DEFAULT_TICK_S)
    traces = _signal(environ, "TRACES", tick_s) if _is_wanted(environ, "TRACES") else None
    metrics = _signal(environ, "METRICS", tick_s) if _is_wanted(environ, "METRICS") else None
    if not (traces or metrics or is_page):
        return None
    resource = dict(_pairs(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""), "OTEL_RESOURCE_ATTRIBUTES"))
    cluster = environ.get("GRAPEVINE_CLUSTER_NAME") or resource.get("k8s.cluster.name", "")
    every = environ.get("OTEL_METRIC_EXPORT_INTERVAL", "")
    every_ms = _parse(every, "OTEL_METRIC_EXPORT_INTERVAL") if every else tick_s * 1_000
    return TelemetrySettings(
        traces=traces,
        metrics=metrics,
        is_graph_on_metrics_page=is_page,
        metrics_every=max(1, round(min(every_ms, MAX_TICK_S * 1_000) / (tick_s * 1_000))),
        name_format=_choice(environ, "GRAPEVINE_OTLP_SERVICE_NAME_FORMAT", get_args(NameFormat), "name"),
        service_labels=SERVICE_LABELS if _is_true(environ.get("GRAPEVINE_OTLP_NAME_FROM_LABELS", "")) else (),
        databases=Databases.parse(environ.get("GRAPEVINE_OTLP_DATABASES", ""), "GRAPEVINE_OTLP_DATABASES"),
        cluster=cluster,
        environment=resource.get("deployment.environment.name", ""),
        own_resource=_own_resource(environ, resource, cluster),
        **numbers,
    )


def _own_resource(environ: Mapping[str, str], resource: Mapping[str, str], cluster: str) -> dict[str, str]:
    """Return the operator's own resource.

    `service.instance.id` is the same after a restart and on every replica, or each would make every series anew.
    """
    named = {"service.name": "grapevine", "service.instance.id": cluster or "grapevine", **resource}
    if cluster:
        named["k8s.cluster.name"] = cluster
    if name := environ.get("OTEL_SERVICE_NAME"):
        named["service.name"] = name
    return named


def _is_wanted(environ: Mapping[str, str], signal: str) -> bool:
    """Return whether a signal is to be sent.

    Metrics want to be asked for: where a back end makes the graph from our spans, they would be the same edges again.
    """
    if _is_true(environ.get("OTEL_SDK_DISABLED", "")):
        return False
    if chosen := environ.get(f"OTEL_{signal}_EXPORTER"):
        return "otlp" in (each.strip() for each in chosen.split(","))
    general = "OTEL_EXPORTER_OTLP_ENDPOINT" if signal == "TRACES" else ""
    return bool(environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or environ.get(general))


def _signal(environ: Mapping[str, str], signal: str, tick_s: int) -> SignalSettings:
    def variable(what: str) -> str:
        own = f"OTEL_EXPORTER_OTLP_{signal}_{what}"
        return own if environ.get(own) else f"OTEL_EXPORTER_OTLP_{what}"

    def value(what: str) -> str:
        return environ.get(variable(what), "")

    protocol = _choice(environ, variable("PROTOCOL"), get_args(Protocol), "http/protobuf")
    compression = _choice(environ, variable("COMPRESSION"), get_args(Compression), "gzip")
    if protocol == "grpc" and compression == "deflate":
        raise PermanentInputError(f"{variable('COMPRESSION')}: gRPC knows gzip and none")
    named = variable("ENDPOINT")
    url = value("ENDPOINT") or ("http://localhost:4317" if protocol == "grpc" else "http://localhost:4318")
    return SignalSettings(
        url=_grpc_url(url, named) if protocol == "grpc" else _http_url(url, named, signal),
        protocol=protocol,
        is_insecure=url.startswith("http://") or ("://" not in url and _is_true(value("INSECURE"))),
        headers=_headers(value("HEADERS"), variable("HEADERS")),
        timeout_s=_timeout_s(value("TIMEOUT"), variable("TIMEOUT"), tick_s),
        compression=compression,
        certificate=value("CERTIFICATE"),
        client_key=value("CLIENT_KEY"),
        client_certificate=value("CLIENT_CERTIFICATE"),
    )


def _http_url(url: str, variable: str, signal: str) -> str:
    """Return the URL to post to: a signal's own endpoint as it stands, the general one with the signal's path."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PermanentInputError(f"{variable}: {url!r}: give a URL, like http://collector.observability:4318")
    if variable != "OTEL_EXPORTER_OTLP_ENDPOINT":
        return url
    return f"{url.removesuffix('/')}/v1/{signal.lower()}"


def _grpc_url(url: str, variable: str) -> str:
    parts = urlsplit(url if "://" in url else f"//{url}")
    if parts.scheme not in ("", "http", "https") or not parts.hostname:
        raise PermanentInputError(f"{variable}: {url!r}: give a URL, like http://collector.observability:4317")
    return url


def _timeout_s(text: str, variable: str, tick_s: int) -> float:
    """Return seconds.

    The specification's unit is the millisecond, the Python SDK's the second. No request waits 300 ms or 300 s, so the
    number tells which is meant.
    """
    given = _parse(text, variable) if text else 10
    return min(max(given if given <= _MAX_TIMEOUT_AS_SECONDS else given / 1_000, 1.0), tick_s / 3)


def _headers(text: str, variable: str) -> dict[str, str]:
    headers = {}
    for name, value in _pairs(text, variable):
        if not _HEADER_NAME.fullmatch(name) or not value.isprintable():
            raise PermanentInputError(f"{variable}: {name!r} is no header; give NAME=VALUE,NAME=VALUE")
        headers[name.lower()] = value
    return headers


def _pairs(text: str, variable: str) -> list[tuple[str, str]]:
    """Return the pairs of `k=v,k2=v2`, percent-decoded (W3C Baggage); an error shows the name alone."""
    pairs = []
    for item in filter(None, (each.strip() for each in text.split(","))):
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise PermanentInputError(f"{variable}: an item has no name or no value; give NAME=VALUE,NAME=VALUE")
        pairs.append((unquote(name.strip()), unquote(value.strip())))
    return pairs


def _choice(environ: Mapping[str, str], variable: str, known: tuple[_Text, ...], default: _Text) -> _Text:
    given = environ.get(variable, "").strip().lower() or default
    for each in known:
        if each == given:
            return each
    raise PermanentInputError(f"{variable}: {given!r}: give {' or '.join(known)}")


def _parse(text: str, variable: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        raise PermanentInputError(f"{variable}: {text!r} is no whole number above 0")
    return int(text)


def _is_true(text: str) -> bool:
    return text.strip().lower() in ("1", "true")
