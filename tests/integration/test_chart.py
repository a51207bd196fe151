"""The Helm chart: the same objects as kustomize's, its values and their schema, and its life on a real API server."""

import argparse
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.api import Api
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.helm import Helm, HelmError
from tests.support.kubectl import Kubectl
from tests.support.manifests import COMPONENTS, DEPLOY, OVERLAYS, Object, containers_of, render

from grapevine import __version__
from grapevine.capture.settings import CaptureSettings, load_settings
from grapevine.cli.capture import add_parser
from grapevine.export.settings import telemetry_settings
from grapevine.model.identity import ObjectName
from grapevine.settings import operator_settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CHART = DEPLOY / "chart"
ROOT = DEPLOY.parent
HELMS_OWN = ("app.kubernetes.io/managed-by", "helm.sh/chart")
CRD = "clientintents.k8s.otterize.com"
GROUP_VERSION = "k8s.otterize.com/v2beta1"

OVERLAY_VALUES: Mapping[str, Object] = {
    "": {},
    "overlays/restricted": {"nodeCapture": {"enabled": False}, "dnstap": {"enabled": True}},
    "overlays/without-crd": {"crds": {"install": False}},
    "overlays/openshift": {"openshift": {"enabled": True}},
}
COMPONENT_VALUES: Mapping[str, Object] = {
    "alerts": {"prometheusRule": {"enabled": True}},
    "api": {"api": {"enabled": True}},
    "dnstap": {"dnstap": {"enabled": True}},
    "coredns-log": {"corednsLog": {"enabled": True}},
    "gitops": {"gitops": {"enabled": True}},
    "ha": {"operator": {"replicas": 2}},
    "monitoring": {"podMonitor": {"enabled": True}},
    "network-policies": {"networkPolicies": {"enabled": True}},
    "webhook": {"news": {"webhook": {"secretName": "grapevine-webhook"}}},
    "priority": {
        "operator": {"priorityClassName": "system-cluster-critical"},
        "nodeCapture": {"priorityClassName": "system-node-critical"},
    },
}
EVERYTHING: Object = {
    "image": {"registry": "registry.example.com/team", "pullPolicy": "IfNotPresent", "pullSecrets": ["pull"]},
    "commonLabels": {"team": "network"},
    "log": {"level": "debug", "format": "json"},
    "operator": {
        "replicas": 2,
        "clusterDomain": "cluster.example",
        "workloadNameAnnotation": "example.com/workload",
        "dnsServers": ["192.0.2.53", "2001:db8::/64"],
        "settleMs": 321,
        "parkMs": 1234,
        "ownerKinds": ["argoproj.io/v1alpha1/rollouts", "core/v1/replicationcontrollers"],
        "nameJobsByImage": True,
        "tls": {"names": ["one.example.com", "two.example.com"], "lifetimeSeconds": 86_400},
        "captureServiceAccounts": ["elsewhere/capture"],
    },
    "nodeCapture": {
        "windowMs": 2_000,
        "spoolBytes": 16_777_216,
        "drainTimeoutSeconds": 9,
        "watchdogSeconds": 30,
        "match": False,
        "connections": False,
        "deflate": True,
        "updateStrategy": {"type": "OnDelete"},
    },
    "dnstap": {"enabled": True, "clusterIP": "10.96.0.50", "windowMs": 3_000, "spoolBytes": 4_194_304},
    "corednsLog": {
        "enabled": True,
        "namespaces": ["kube-system", "openshift-dns"],
        "lineFormat": "{remote} {rcode} {name} {type}",
        "pods": ["openshift-dns/dns-default-one"],
        "container": "dns",
        "windowMs": 4_000,
    },
    "otlp": {
        "endpoint": "http://tempo.observability:4317",
        "protocol": "grpc",
        "metrics": True,
        "headersSecret": {"name": "tempo-token", "key": "otlp"},
        "clusterName": "east",
        "serviceNameFormat": "namespace/name",
        "intervalSeconds": 60,
        "graphMetrics": True,
    },
    "news": {"learningSeconds": 3600, "events": False, "webhook": {"secretName": "hook"}},
    "api": {"enabled": True},
    "openshift": {"enabled": True},
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "networkPolicies": {"enabled": True, "nodeCIDRs": ["192.0.2.0/24", "2001:db8::/64"]},
    "gitops": {"enabled": True},
}
"""A value for every setting, none of them the default."""


@pytest.fixture(scope="module")
def helm(helm_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster."""
    home = tmp_path_factory.mktemp("helm")
    return Helm(helm_binary, home / "none.kubeconfig", home)


@pytest.fixture(scope="module")
def kubectl(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """Kubectl without a cluster."""
    home = tmp_path_factory.mktemp("kubectl")
    return Kubectl(control_plane_binaries.kubectl, home / "none.kubeconfig", cache=home)


def merged(*values: Mapping[str, Any]) -> Object:
    """Return the values joined as Helm joins files."""
    result: Object = {}
    for each in values:
        for key, value in each.items():
            known = result.get(key)
            result[key] = merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return result


def template(helm: Helm, *values: Mapping[str, Any], chart: Path = CHART) -> list[Object]:
    printed = helm.run("template", "grapevine", chart, "--values=-", stdin=json.dumps(merged(*values)))
    return [o for o in yaml.safe_load_all(printed) if o]


def normal(objects: Iterable[Object]) -> dict[str, Object]:
    """Return objects by identity, without what Helm labels them with and the order of what has a name."""
    result = {}
    for o in objects:
        meta = o["metadata"]
        meta["labels"] = {key: value for key, value in meta.get("labels", {}).items() if key not in HELMS_OWN}
        for container in containers_of([o]):
            for field in ("env", "ports"):
                container[field] = sorted(container.get(field, []), key=lambda item: str(item["name"]))
        result[f"{o['kind']} {meta.get('namespace', '')}/{meta['name']}"] = o
    return result


def env_of(container: Object) -> dict[str, str]:
    """Return a container's variables; those of a field of the pod are its path, of a Secret its name and key."""
    listed = [(each["name"], each.get("value") or _referred(each["valueFrom"])) for each in container["env"]]
    assert len(dict(listed)) == len(listed), "a variable is there twice"
    return dict(listed)


def _referred(source: Object) -> str:
    secret = source.get("secretKeyRef")
    return f"{secret['name']}={secret['key']}" if secret else str(source["fieldRef"]["fieldPath"])


def named(objects: Sequence[Object], name: str) -> Object:
    (container,) = [each for each in containers_of(objects) if each["name"] == name]
    return container


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("components", [(), *((name,) for name in COMPONENTS), COMPONENTS], ids="+".join)
def test_renders_what_kustomize_does(helm: Helm, kubectl: Kubectl, overlay: str, components: tuple[str, ...]) -> None:
    values = [OVERLAY_VALUES[overlay], *(COMPONENT_VALUES[name] for name in components)]

    assert normal(render(kubectl, overlay, components)) == normal(template(helm, *values))


def test_the_sidecar_beside_node_capture_is_kustomizes(helm: Helm, kubectl: Kubectl) -> None:
    expected = normal(render(kubectl, "", ["dnstap"]))

    assert expected == normal(template(helm, COMPONENT_VALUES["dnstap"]))


def test_no_component_or_overlay_is_left_out() -> None:
    known = {*COMPONENT_VALUES, "node-capture", "openshift", "transport"}  # these are the default's, or go with others

    assert known == {path.name for path in (DEPLOY / "components").iterdir()}
    assert set(OVERLAYS) == {"", *(f"overlays/{path.name}" for path in (DEPLOY / "overlays").iterdir())}


def test_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (__version__, __version__) == (chart["version"], chart["appVersion"])


@pytest.mark.parametrize(
    "values", [{}, OVERLAY_VALUES["overlays/restricted"], EVERYTHING], ids=["", "restricted", "all"]
)
def test_lint_finds_nothing(helm: Helm, values: Object) -> None:
    printed = helm.run("lint", CHART, "--strict", "--values=-", stdin=json.dumps(values))

    assert [] == [line for line in printed.splitlines() if line.startswith(("[WARNING]", "[ERROR]"))]
    assert "1 chart(s) linted, 0 chart(s) failed" in printed


def test_a_package_has_all_that_the_directory_has(helm: Helm, tmp_path: Path) -> None:
    helm.run("package", CHART, "--destination", tmp_path)

    packed = template(helm, EVERYTHING, chart=tmp_path / f"grapevine-{__version__}.tgz")
    assert normal(template(helm, EVERYTHING)) == normal(packed)


def test_every_value_has_a_default_and_a_schema(helm: Helm) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())

    def described(node: Object, name: str = "") -> set[str]:
        node = {**node, **schema["$defs"].get(node.get("$ref", "").rpartition("/")[2], {})}
        properties = node.get("properties", {})
        assert not properties or node["additionalProperties"] is False, f"{name} takes what it does not know"
        return {name, *(each for key, value in properties.items() for each in described(value, f"{name}.{key}"))}

    def there(node: Any, name: str, known: set[str]) -> set[str]:
        inner = node.items() if isinstance(node, dict) else ()
        return {name, *(e for k, v in inner if f"{name}.{k}" in known for e in there(v, f"{name}.{k}", known))}

    known = described(schema)
    assert known - {".global"} == there(values, "", known)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nodeCapture": {"enable": False}}, "at '/nodeCapture': additional properties 'enable' not allowed"),
        ({"nodeCapture": {"windowMs": 5}}, "at '/nodeCapture/windowMs': minimum: got 5, want 100"),
        ({"dnstap": {"enabled": "yes"}}, "at '/dnstap/enabled': got string, want boolean"),
        ({"operator": {"parkMs": "5s"}}, "at '/operator/parkMs': got string, want null or integer"),
        ({"operator": {"env": {"PATH": "/"}}}, "at '/operator/env': additional properties 'PATH' not allowed"),
        ({"log": {"level": "loud"}}, "at '/log/level': value must be one of '', 'debug', 'info', 'warning', 'error'"),
        (
            {"networkPolicies": {"nodeCIDRs": ["10.0.0.0"]}},
            "at '/networkPolicies/nodeCIDRs/0': '10.0.0.0' does not match",
        ),
        ({"dnstap": {"clusterIP": "dns.example"}}, "at '/dnstap/clusterIP': 'dns.example' does not match pattern"),
        ({"image": {"operator": {"tag": "a b"}}}, "at '/image/operator/tag': 'a b' does not match pattern"),
        ({"podMonitor": {"interval": "often"}}, "at '/podMonitor/interval': 'often' does not match pattern"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_refuses_a_value_by_its_name(helm: Helm, values: Object, message: str) -> None:
    with pytest.raises(HelmError) as refused:
        template(helm, values)

    assert message in str(refused.value)


def test_kinds_of_owners_come_with_the_right_to_follow_them(helm: Helm) -> None:
    (role,) = [
        each
        for each in template(helm, EVERYTHING)
        if (each["kind"], each["metadata"]["name"]) == ("ClusterRole", "grapevine-operator")
    ]

    assert role["rules"][-2:] == [
        {"apiGroups": ["argoproj.io"], "resources": ["rollouts"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["replicationcontrollers"], "verbs": ["list", "watch"]},
    ]


def test_settings_reach_the_operator(helm: Helm) -> None:
    container = named(template(helm, EVERYTHING), "operator")

    env = env_of(container)
    assert "hook=url" == env["GRAPEVINE_WEBHOOK_URL"]
    settings = operator_settings({**env, "GRAPEVINE_WEBHOOK_URL": "https://hooks.example.com/"})
    assert ("debug", "json") == (env["GRAPEVINE_LOG_LEVEL"], env["GRAPEVINE_LOG_FORMAT"])
    assert "cluster.example" == settings.resolver.cluster_domain
    assert "example.com/workload" == settings.resolver.override_annotations[0]
    assert (321, True) == (settings.resolver.settle_ms, settings.resolver.name_jobs_by_image)
    assert ["argoproj.io/v1alpha1/rollouts", "core/v1/replicationcontrollers"] == [
        str(kind) for kind in settings.resolver.owner_kinds
    ]
    assert ("192.0.2.53", "2001:db8::/64") == settings.resolver.dns_servers
    assert 1234 == settings.resolver.park_ms
    assert settings.tls is not None
    assert (("one.example.com", "two.example.com"), 86_400) == (settings.tls.names, settings.tls.lifetime_s)
    assert ("0.0.0.0", 8_444) == settings.tls.api
    own = (ObjectName("grapevine-capture", "grapevine-capture"), ObjectName("grapevine-system", "grapevine-operator"))
    assert (*own, ObjectName("elsewhere", "capture")) == settings.tls.accounts
    assert (3_600_000, False) == (settings.graph.learning_ms, settings.events)
    assert settings.webhook is not None
    assert "/run/grapevine-webhook/secret" == settings.webhook.secret_file
    assert settings.election is not None, "its pod is named"
    assert f"registry.example.com/team/grapevine/operator:{__version__}" == container["image"]


def test_settings_reach_telemetry(helm: Helm) -> None:
    assert telemetry_settings(env_of(named(template(helm), "operator"))) is None

    telemetry = telemetry_settings(env_of(named(template(helm, EVERYTHING), "operator")))

    assert telemetry is not None
    assert telemetry.traces is not None
    assert telemetry.metrics is not None
    assert ("http://tempo.observability:4317", "grpc") == (telemetry.traces.url, telemetry.traces.protocol)
    assert {"tempo-token": "otlp"} == dict(telemetry.traces.headers)
    assert ("east", "namespace/name", 60) == (telemetry.cluster, telemetry.name_format, telemetry.tick_s)
    assert telemetry.is_graph_on_metrics_page


def capture_settings(container: Object) -> CaptureSettings:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return load_settings(parser.parse_args(container["args"]), env_of(container))


def test_settings_reach_capture_on_the_nodes(helm: Helm) -> None:
    usual = capture_settings(named(template(helm), "capture"))

    settings = capture_settings(named(template(helm, EVERYTHING), "capture"))
    assert (2_000, 16_777_216, 9.0) == (settings.window_ms, settings.spool_bytes, settings.drain_timeout_s)
    assert (30.0, True) == (settings.watchdog_s, settings.deflate)
    assert ((True, True), (False, False)) == ((usual.match, usual.connections), (settings.match, settings.connections))


def test_settings_reach_the_sidecar(helm: Helm) -> None:
    settings = capture_settings(named(template(helm, EVERYTHING), "dnstap"))

    assert (3_000, 4_194_304, False) == (settings.window_ms, settings.spool_bytes, settings.deflate)


def test_settings_reach_the_sidecar_that_follows_logs(helm: Helm) -> None:
    objects = template(helm, EVERYTHING)
    container = named(objects, "coredns-log")
    in_a_pod = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    env = [*container["env"], *({"name": name, "value": value} for name, value in in_a_pod.items())]

    settings = capture_settings({**container, "env": env})
    assert settings.log is not None
    assert ("{remote} {rcode} {name} {type}", "dns") == (settings.log.formats[0], settings.log.container)
    assert [("openshift-dns", "dns-default-one")] == [(pod.namespace, pod.name) for pod in settings.log.pods]
    assert 4_000 == settings.window_ms
    roles = {o["metadata"]["namespace"] for o in objects if o["metadata"]["name"] == "grapevine-coredns-log"}
    assert {"kube-system", "openshift-dns"} == roles


@pytest.mark.parametrize(("section", "name"), [("nodeCapture", "capture"), ("dnstap", "dnstap")])
def test_any_other_flag_of_capture_can_be_given(helm: Helm, section: str, name: str) -> None:
    other = {section: {"args": ["--server-name=other.example.com", "--log-level=debug"]}}

    container = named(template(helm, EVERYTHING, other), name)
    assert other[section]["args"] == container["args"][-2:]


@pytest.mark.parametrize(
    ("page", "code", "section", "container"),
    [
        ("operator", "settings/environment.py", "operator", "operator"),
        ("capture", "capture/settings.py", "nodeCapture", "capture"),
        ("capture", "capture/settings.py", "dnstap", "dnstap"),
    ],
)
def test_every_variable_can_be_set(helm: Helm, page: str, code: str, section: str, container: str) -> None:
    sources = (ROOT / "docs" / "reference" / f"{page}.md", ROOT / "operator" / "grapevine" / code)
    names = {each for path in sources for each in re.findall(r"\b(?:GRAPEVINE|OTEL)_[A-Z0-9_]+\b", path.read_text())}
    assert names
    wanted = dict.fromkeys(names, "given")

    env = env_of(named(template(helm, EVERYTHING, {section: {"env": wanted}}), container))
    assert wanted == {name: value for name, value in env.items() if name in names}


def test_other_namespaces_are_other_everywhere(helm: Helm) -> None:
    moved: Object = {
        "operator": {"namespace": {"name": "here"}},
        "nodeCapture": {"namespace": {"name": "there"}},
    }

    text = json.dumps([o for o in template(helm, EVERYTHING, moved) if o["kind"] != "CustomResourceDefinition"])
    assert [] == re.findall(r"grapevine-system", text)
    assert [] == re.findall(r'(?:namespace|name)": "grapevine-capture/|"namespace": "grapevine-capture"', text)


class Cluster:
    """Helm and the API server it installs into."""

    def __init__(self, plane: ControlPlane, helm_binary: Path) -> None:
        self.plane = plane
        self.kubectl = plane.kubectl()
        self._helm = Helm(helm_binary, plane.kubeconfig(), plane.directory / "helm")

    def helm(self, *words: str) -> str:
        return self._helm.run(*words)

    def install(self, *words: str) -> str:
        return self.helm("install", "grapevine", str(CHART), *words)

    def versions(self) -> str:
        return self.kubectl.run("get", "crd", CRD, "-o", "jsonpath={.spec.versions[*].name}")


@pytest.fixture
def cluster(fresh_control_plane: ControlPlane, helm_binary: Path) -> Cluster:
    return Cluster(fresh_control_plane, helm_binary)


def written_by_the_operator(api: Api) -> None:
    """Fill what the operator fills: the Secret of its key, the ConfigMap of its authority, an object of the map."""
    secret = api.get("v1", "Secret", "grapevine-system", "grapevine-serving")
    api.request("PUT", api.path_of(secret), {**secret, "data": {"tls.key": "a2V5"}})
    meta = {"name": "grapevine-ca", "namespace": "grapevine-capture"}
    api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"ca.crt": "authority"}})
    workload = {"workload": {"name": "web", "kind": "Deployment"}, "targets": [{"service": {"name": "db"}}]}
    web = {"name": "web", "namespace": "default", "labels": {"grapevine.dev/origin": "discovered"}}
    api.create({"apiVersion": GROUP_VERSION, "kind": "ClientIntents", "metadata": web, "spec": workload})


def test_lives_and_goes_and_leaves_the_map(cluster: Cluster) -> None:
    cluster.install()
    with cluster.plane.api() as api:
        written_by_the_operator(api)

        kept = ("--reset-then-reuse-values", "--set=nodeCapture.windowMs=2000")
        cluster.helm("upgrade", "grapevine", str(CHART), *kept)
        daemonset = api.get("apps/v1", "DaemonSet", "grapevine-capture", "grapevine-capture")
        assert "--window-ms=2000" in daemonset["spec"]["template"]["spec"]["containers"][0]["args"]
        secret = api.get("v1", "Secret", "grapevine-system", "grapevine-serving")
        assert {"tls.key": "a2V5"} == secret["data"]

        printed = cluster.helm("uninstall", "grapevine")
        assert CRD in printed  # kept, it says
        assert ["web"] == [o["metadata"]["name"] for o in api.list(GROUP_VERSION, "ClientIntents")]
        assert [] == [o for o in api.list("rbac.authorization.k8s.io/v1", "ClusterRole") if "grapevine" in str(o)]


def test_never_replaces_the_crd_of_somebody_else_unasked(cluster: Cluster) -> None:
    cluster.kubectl.run("apply", "-k", str(DEPLOY / "crds"))

    with pytest.raises(HelmError) as refused:
        cluster.install()
    assert CRD in str(refused.value)
    assert "cannot be imported into the current release" in str(refused.value)
    assert "" == cluster.helm("list", "--short")

    cluster.install("--set=crds.install=false")
    assert "grapevine" == cluster.helm("list", "--short").strip()


def test_takes_over_what_kustomize_installed(cluster: Cluster) -> None:
    cluster.kubectl.run("apply", "-k", str(DEPLOY))
    with cluster.plane.api() as api:
        written_by_the_operator(api)

        cluster.install("--take-ownership")
        assert ["web"] == [o["metadata"]["name"] for o in api.list(GROUP_VERSION, "ClientIntents")]
        secret = api.get("v1", "Secret", "grapevine-system", "grapevine-serving")
        assert {"tls.key": "a2V5"} == secret["data"]


def test_a_release_in_the_operators_namespace_does_not_make_it(cluster: Cluster) -> None:
    inside = ("--namespace=grapevine-system", "--create-namespace")
    with pytest.raises(HelmError) as refused:
        cluster.install(*inside)
    assert "set its namespace.create=false" in str(refused.value)

    cluster.install(*inside, "--set=operator.namespace.create=false")
    assert "grapevine" == cluster.helm("list", "--short", "--namespace=grapevine-system").strip()
