"""deploy/examples/stack, as far as it goes without a registry: rendered, applied, its parts named rightly."""

import argparse
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.kubectl import Kubectl
from tests.support.manifests import DEPLOY, Object, containers_of, render, workloads_of
from tests.support.prometheus import promtool

from grapevine import __version__
from grapevine.cli.run import add_parser
from grapevine.export.settings import telemetry_settings

pytestmark = pytest.mark.integration

STACK = DEPLOY / "examples" / "stack"
CONFIG = STACK / "observability" / "config"
GUIDE = DEPLOY.parent / "docs" / "guide" / "otlp"
OURS = {"operator", "capture"}


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.fixture(scope="module")
def rendered(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    home = tmp_path_factory.mktemp("stack")
    kubectl = Kubectl(control_plane_binaries.kubectl, home / "none.kubeconfig", cache=home)
    return list(yaml.safe_load_all(kubectl.run("kustomize", str(STACK))))


@pytest.fixture(scope="module")
def compose() -> Any:
    return loaded(STACK / "compose.yaml")["services"]


def _by_identity(objects: list[Object]) -> dict[tuple[str, str, str], Object]:
    return {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in objects}


def test_it_is_the_default_and_what_looks_at_it(rendered: list[Object], control_plane_binaries: Binaries) -> None:
    kubectl = Kubectl(control_plane_binaries.kubectl, Path("none.kubeconfig"), cache=Path("none"))
    default, stack = _by_identity(render(kubectl)), _by_identity(rendered)

    changed = {key for key, o in default.items() if stack.get(key) != o}
    assert {("Deployment", "grapevine-system", "grapevine-operator")} == changed
    assert {"observability", "grapevine-system", ""} == {namespace for _, namespace, _ in stack.keys() - default.keys()}


def test_an_api_server_takes_all_of_it(control_plane_binaries: Binaries, tmp_path: Path) -> None:
    with ControlPlane(tmp_path, control_plane_binaries) as plane:
        told = plane.kubectl().run("apply", "--validate=strict", "-k", str(STACK)).splitlines()

    assert len(told) > 30
    assert [] == [line for line in told if not line.endswith(" created")]


def test_what_is_mounted_is_there(rendered: list[Object]) -> None:
    known = _by_identity(rendered)
    mounted = [
        (workload["metadata"]["namespace"], volume["configMap"]["name"])
        for workload in workloads_of(rendered)
        if workload["metadata"]["namespace"] == "observability"
        for volume in workload["spec"]["template"]["spec"]["volumes"]
        if "configMap" in volume
    ]

    assert len(mounted) == 6
    assert [] == [each for each in mounted if ("ConfigMap", *each) not in known]


def test_the_operator_sends_to_tempo_and_shows_its_metrics(rendered: list[Object]) -> None:
    (operator,) = [each for each in containers_of(rendered) if each["name"] == "operator"]
    settings = telemetry_settings({each["name"]: each.get("value", "") for each in operator["env"]})
    service = _by_identity(rendered)["Service", "observability", "tempo"]

    assert settings is not None
    assert settings.traces is not None
    assert "http://tempo.observability:4318/v1/traces" == settings.traces.url
    assert 4318 in [port["port"] for port in service["spec"]["ports"]]
    assert (None, True) == (settings.metrics, settings.is_graph_on_metrics_page)
    receivers = loaded(DEPLOY / "examples" / "tempo" / "tempo.yaml")["distributor"]["receivers"]
    assert receivers["otlp"]["protocols"]["http"]["endpoint"].endswith(":4318")


def test_prometheus_takes_its_configuration_and_leaves_the_graph_to_tempo() -> None:
    config = CONFIG / "prometheus.yaml"
    promtool("check", "config", "--syntax-only", config)

    (job,) = loaded(config)["scrape_configs"]
    assert ["drop"] == [each["action"] for each in job["metric_relabel_configs"]]
    assert re.fullmatch(job["metric_relabel_configs"][0]["regex"], "traces_service_graph_request_total")
    assert ["grapevine-metrics.grapevine-system.svc"] == job["dns_sd_configs"][0]["names"]


def test_the_guides_scrape_is_one(tmp_path: Path) -> None:
    scrape, *_ = re.findall(r"```yaml\n(.*?)```", (GUIDE / "prometheus.md").read_text(), re.DOTALL)
    (tmp_path / "prometheus.yaml").write_text(scrape)

    promtool("check", "config", "--syntax-only", tmp_path / "prometheus.yaml")


def test_the_service_graph_tab_finds_its_prometheus_and_the_dashboards_their_directory(rendered: list[Object]) -> None:
    sources = {each["type"]: each for each in loaded(CONFIG / "datasources.yaml")["datasources"]}
    (provider,) = loaded(CONFIG / "dashboards.yaml")["providers"]
    (grafana,) = [each for each in containers_of(rendered) if each["name"] == "grafana"]
    mounts = {each["name"]: each["mountPath"] for each in grafana["volumeMounts"]}

    assert sources["prometheus"]["uid"] == sources["tempo"]["jsonData"]["serviceMap"]["datasourceUid"]
    for kind, source in sources.items():
        service = _by_identity(rendered)["Service", "observability", kind]
        assert f"http://{kind}:{service['spec']['ports'][0]['port']}" == source["url"]
    assert provider["options"]["path"] == mounts["dashboards"]
    assert f"{mounts['dashboards']}/map.json" == grafana["env"][0]["value"]
    dashboards = _by_identity(rendered)["ConfigMap", "observability", "grapevine-dashboards"]
    assert {path.name for path in (DEPLOY / "dashboards").glob("*.json")} == dashboards["data"].keys()


def test_nothing_runs_as_root_or_may_become_it(rendered: list[Object]) -> None:
    for workload in workloads_of(rendered):
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"], workload["metadata"]["name"]
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_compose_mounts_what_is_there_and_publishes_on_loopback(compose: Any) -> None:
    mounted = [volume.split(":")[0] for service in compose.values() for volume in service.get("volumes", ())]

    assert mounted
    assert [] == [each for each in mounted if not (STACK / each).exists()]
    ports = [port for service in compose.values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert all(needed in compose for service in compose.values() for needed in service.get("depends_on", ()))


def test_compose_and_kustomize_run_the_same(compose: Any, rendered: list[Object]) -> None:
    images = {each["name"]: each["image"] for each in containers_of(rendered) if each["name"] not in OURS}
    composed = {name: service["image"] for name, service in compose.items()}

    assert {**images, "grapevine": f"grapevine/operator:{__version__}"} == composed
    for name, image in images.items():
        assert re.search(r":v?\d+\.\d+\.\d+$", image), name
    receiver = "--web.enable-remote-write-receiver"
    (prometheus,) = [each for each in containers_of(rendered) if each["name"] == "prometheus"]
    assert receiver in prometheus["args"]
    assert receiver in compose["prometheus"]["command"]


def test_compose_runs_a_command_of_ours_on_files_that_are_there(compose: Any) -> None:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    parsed = parser.parse_args(compose["grapevine"]["command"])

    ((source, target, _),) = [volume.split(":") for volume in compose["grapevine"]["volumes"]]
    files = [parsed.pcap, str(parsed.cluster), str(parsed.pod_events)]
    assert [] == [each for each in files if not (STACK / source / Path(each).relative_to(target)).is_file()]
    settings = telemetry_settings({}, endpoint=parsed.otlp)
    assert settings is not None
    assert settings.traces is not None
    assert "http://tempo:4318/v1/traces" == settings.traces.url
    assert [str(parsed.out.parent)] == compose["grapevine"]["tmpfs"]
