"""The pages of docs/guide/otlp: variables as the operator reads them, and what is on the other side."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from grapevine.export.settings import SignalSettings, TelemetrySettings, telemetry_settings

ROOT = Path(__file__).parents[3]
PAGES = {path.stem: path.read_text() for path in (ROOT / "docs" / "guide" / "otlp").glob("*.md")}
EXAMPLES = sorted((ROOT / "deploy" / "examples").rglob("*.yaml"))
GCLOUD = "https://otlp-gateway-prod-eu-west-2.grafana.net/otlp"


def settings_of(page: str, *blocks: int) -> TelemetrySettings:
    """Return what the operator makes of a page's blocks of variables, taken together."""
    found = re.findall(r"```properties\n(.*?)```", PAGES[page], re.DOTALL)
    lines = [line for n in blocks for line in found[n].splitlines()]
    settings = telemetry_settings(dict(line.split("=", 1) for line in lines))
    assert settings is not None
    return settings


def files_of(page: str) -> list[dict[str, Any]]:
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGES[page], re.DOTALL)]


def sent(signal: SignalSettings | None) -> tuple[str, str, dict[str, str]]:
    assert signal is not None
    return signal.url, signal.protocol, dict(signal.headers)


def test_grafana_cloud_gets_spans_and_where_it_is_asked_for_the_metric() -> None:
    header = {"authorization": "Basic MTIzNDU2OmdsY190b2tlbg=="}
    spans, both = settings_of("grafana-cloud", 0), settings_of("grafana-cloud", 0, 1)

    assert (f"{GCLOUD}/v1/traces", "http/protobuf", header) == sent(spans.traces)
    assert spans.metrics is None
    assert (f"{GCLOUD}/v1/metrics", "http/protobuf", header) == sent(both.metrics)


def test_lightstep_gets_spans_over_grpc_or_at_its_own_path() -> None:
    header = {"lightstep-access-token": "TOKEN"}
    grpc, http = settings_of("lightstep", 0), settings_of("lightstep", 1)

    assert ("https://ingest.lightstep.com:443", "grpc", header) == sent(grpc.traces)
    assert ("https://ingest.lightstep.com/traces/otlp/v0.9", "http/protobuf", header) == sent(http.traces)
    assert grpc.traces is not None
    assert not grpc.traces.is_insecure
    assert (None, None) == (grpc.metrics, http.metrics)


@pytest.mark.parametrize(("page", "host"), [("jaeger", "jaeger-collector"), ("collector", "otel-collector")])
def test_jaeger_and_a_collector_get_spans(page: str, host: str) -> None:
    settings = settings_of(page, 0)

    assert (f"http://{host}.observability:4318/v1/traces", "http/protobuf", {}) == sent(settings.traces)
    assert (None, "east") == (settings.metrics, settings.cluster)


@pytest.mark.parametrize(
    ("page", "url", "headers"),
    [
        ("prometheus", "http://prometheus.observability:9090/api/v1/otlp/v1/metrics", {}),
        ("mimir", "http://mimir-gateway.mimir:8080/otlp/v1/metrics", {"x-scope-orgid": "platform"}),
    ],
)
def test_prometheus_and_mimir_get_the_metric_alone(page: str, url: str, headers: dict[str, str]) -> None:
    settings = settings_of(page, 0)

    assert (url, "http/protobuf", headers) == sent(settings.metrics)
    assert settings.traces is None
    assert {"service.name": "grapevine", "service.instance.id": "east"}.items() <= settings.own_resource.items()


def test_every_back_end_has_a_page_that_the_overview_links() -> None:
    linked = set(re.findall(r"\]\((\w[\w-]*)\.md\)", PAGES["README"]))

    assert {"grafana-cloud", "lightstep", "jaeger", "collector", "prometheus", "mimir"} == linked
    assert linked == PAGES.keys() - {"README"}


def collectors() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every configuration of a collector, from pages and from deploy/examples."""
    named = [(name, each) for name in PAGES for each in files_of(name)]
    named += [(path.name, each) for path in EXAMPLES for each in yaml.safe_load_all(path.read_text())]
    yield from ((name, each) for name, each in named if each and "pipelines" in each.get("service", {}))


def test_a_collectors_pipelines_are_of_parts_that_are_there() -> None:
    seen = set()
    for name, config in collectors():
        seen.add(name)
        parts = {kind: config.get(kind, {}).keys() for kind in ("receivers", "processors", "exporters", "connectors")}
        for pipeline in config["service"]["pipelines"].values():
            assert set(pipeline["receivers"]) <= parts["receivers"] | parts["connectors"], name
            assert set(pipeline["exporters"]) <= parts["exporters"] | parts["connectors"], name
            assert set(pipeline.get("processors", ())) <= parts["processors"], name
    assert {"collector", "jaeger", "collector.yaml"} == seen


def test_where_a_graph_is_made_of_spans_namespaces_are_kept_and_nobodys_pod_is_added() -> None:
    made = 0
    for name, config in collectors():
        graph = config.get("connectors", {}).get("servicegraph")
        if graph is None:
            continue
        made += 1
        assert ["service.namespace"] == graph["dimensions"], name
        assert "peer.service" in graph["virtual_node_peer_attributes"], name
        ours = config["service"]["pipelines"]["traces/grapevine"]
        assert "k8sattributes" not in ours.get("processors", ()), name
    tempo = yaml.safe_load((ROOT / "deploy" / "examples" / "tempo" / "tempo.yaml").read_text())
    processor = tempo["metrics_generator"]["processor"]["service_graphs"]
    assert 2 == made
    assert {"dimensions": ["service.namespace"], "enable_client_server_prefix": True} == processor


def test_nothing_turns_on_the_label_that_makes_tempo_begin_anew() -> None:
    texts = [*PAGES.values(), *(path.read_text() for path in EXAMPLES)]

    assert not [text for text in texts if re.search(r"enable_virtual_node_label: *true", text)]
