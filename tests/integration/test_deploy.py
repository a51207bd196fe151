"""The manifests as kubectl renders them, and what the API server makes of their RBAC."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.support.api import Api
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.generated import check_section
from tests.support.kubectl import Kubectl, KubectlError
from tests.support.manifests import (
    COMPONENTS,
    DEPLOY,
    OVERLAYS,
    Object,
    containers_of,
    kustomization,
    render,
    rules_of,
    workloads_of,
)

from grapevine import __version__
from grapevine.wire.schema import TOKEN_AUDIENCE

pytestmark = pytest.mark.integration

PRIVILEGES = DEPLOY.parent / "docs" / "reference" / "privileges.md"
INSTALL = DEPLOY.parent / "docs" / "guide" / "install.md"
OPERATOR = "system:serviceaccount:grapevine-system:grapevine-operator"
CAPTURE = "system:serviceaccount:grapevine-capture:grapevine-capture"
FOREIGN = DEPLOY.parent / "tests" / "data" / "foreign-crds.yaml"
GROUP_VERSION = "k8s.otterize.com/v2beta1"


@pytest.fixture
def kubectl(control_plane_binaries: Binaries, tmp_path: Path) -> Kubectl:
    """Kubectl without a cluster."""
    return Kubectl(control_plane_binaries.kubectl, tmp_path / "none.kubeconfig", cache=tmp_path)


def test_install_yaml_is_what_kubectl_renders(kubectl: Kubectl) -> None:
    written = (DEPLOY / "install.yaml").read_text()

    body = "".join(line for line in written.splitlines(keepends=True) if not line.startswith("# "))
    assert kubectl.run("kustomize", str(DEPLOY)) == body, "render it again: make install-yaml"


def test_install_yaml_warns_before_it_replaces_a_crd() -> None:
    assert (DEPLOY / "install.yaml").read_text().startswith("# Rendered from deploy/")


def test_the_guides_kustomization_is_one(kubectl: Kubectl, tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", INSTALL.read_text(), re.DOTALL)
    whole, *more = (yaml.safe_load(block) for block in blocks)
    whole["components"].append("../grapevine/deploy/components/dnstap")
    text = json.dumps({**whole, "patches": [patch for each in (whole, *more) for patch in each["patches"]]})
    (tmp_path / "kustomization.yaml").write_text(text.replace("../grapevine/deploy", os.path.relpath(DEPLOY, tmp_path)))

    objects = list(yaml.safe_load_all(kubectl.run("kustomize", str(tmp_path))))
    (operator,) = [each for each in containers_of(objects) if each["name"] == "operator"]
    assert "registry.example.com/grapevine/operator" == operator["image"].partition(":")[0]
    assert {"name": "GRAPEVINE_CLUSTER_DOMAIN", "value": "cluster.example"} in operator["env"]
    (monitor,) = [o for o in objects if o["kind"] == "PodMonitor"]
    assert "prometheus" == monitor["metadata"]["labels"]["release"]
    (dnstap,) = [o for o in objects if o["metadata"]["name"] == "grapevine-dnstap" and o["kind"] == "Service"]
    assert "10.96.0.50" == dnstap["spec"]["clusterIP"]
    (ingest,) = [o for o in objects if o["metadata"]["name"] == "grapevine-ingest"]
    assert [{"ipBlock": {"cidr": "192.0.2.0/24"}}] == ingest["spec"]["ingress"][0]["from"]


def test_crds_is_the_crd_alone(kubectl: Kubectl) -> None:
    crd = yaml.safe_load((DEPLOY.parent / "crds" / "clientintents.yaml").read_text())

    assert [crd] == render(kubectl, "crds")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_image_is_of_this_version(kubectl: Kubectl, overlay: str) -> None:
    images = {container["image"] for container in containers_of(render(kubectl, overlay))}

    assert images <= {f"grapevine/capture:{__version__}", f"grapevine/operator:{__version__}"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_rule_has_a_wildcard_or_a_secret_but_its_own(kubectl: Kubectl, overlay: str) -> None:
    rules = rules_of(render(kubectl, overlay, COMPONENTS))

    assert not [rule for rule in rules if "*" in json.dumps(rule)]
    secrets = [rule for rule in rules if "secrets" in rule["resources"]]
    assert all((["grapevine-serving"], ["get", "update"]) == (r["resourceNames"], r["verbs"]) for r in secrets)
    dangerous = {"pods/exec", "pods/attach", "pods/ephemeralcontainers", "nodes/proxy", "serviceaccounts/token"}
    assert not [rule for rule in rules if dangerous & set(rule["resources"])]
    constraints = [rule for rule in rules if "securitycontextconstraints" in rule["resources"]]
    assert all((["grapevine-capture"], ["use"]) == (r["resourceNames"], r["verbs"]) for r in constraints)
    reads = {"get", "list", "watch", "use"}
    changed = {resource for rule in rules if set(rule["verbs"]) - reads for resource in rule["resources"]}
    own = {"secrets", "configmaps", "leases"}
    assert changed <= {"clientintents", "clientintents/status", "tokenreviews", "subjectaccessreviews", "events", *own}
    events = [(r["apiGroups"], r["verbs"]) for r in rules if "events" in r["resources"]]
    assert [(["events.k8s.io"], ["create"])] == events


def test_every_rule_says_what_it_is_for() -> None:
    """The comment above it, or above the first of its group: `# framework: …` or `# application: …`."""
    unsaid, said_of = [], 0
    for path in sorted(DEPLOY.rglob("*.yaml")):
        if path.name == "install.yaml":  # kustomize drops comments
            continue
        said = False
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line == "rules:":
                said = False
            elif line.startswith("# "):
                said = line.startswith(("# framework: ", "# application: "))
            elif line.startswith("- apiGroups:"):
                said_of += said
                unsaid += [] if said else [f"{path.relative_to(DEPLOY)}:{number}"]
    assert [] == unsaid
    assert said_of, "it found the rules"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_labels_are_the_same_everywhere(kubectl: Kubectl, overlay: str) -> None:
    objects = render(kubectl, overlay, COMPONENTS)

    part_of = "app.kubernetes.io/part-of"
    assert {"grapevine"} == {o["metadata"].get("labels", {}).get(part_of) for o in objects}
    for o in workloads_of(objects):
        name = {"app.kubernetes.io/name": o["metadata"]["name"]}
        labels = {**name, part_of: "grapevine"}
        assert (labels, labels) == (o["metadata"]["labels"], o["spec"]["template"]["metadata"]["labels"])
        assert name == o["spec"]["selector"]["matchLabels"], "nothing that another tool sets, such as an instance"


def test_what_selects_pods_selects_the_operators_and_ports_it_has(kubectl: Kubectl) -> None:
    objects = render(kubectl, "", ["dnstap", *COMPONENTS])
    (operator,) = [o for o in objects if o["kind"] == "Deployment"]
    ports = [port for container in containers_of([operator]) for port in container.get("ports", [])]
    labels = operator["spec"]["template"]["metadata"]["labels"]
    selectors, wanted = [], []
    for o in objects:
        spec = o.get("spec", {})
        if o["kind"] == "Service":
            selectors.append(spec["selector"])
            wanted += [port["targetPort"] for port in spec["ports"]]
        elif o["kind"] == "PodMonitor":
            selectors.append(spec["selector"]["matchLabels"])
            wanted += [endpoint["port"] for endpoint in spec["podMetricsEndpoints"]]
        elif o["kind"] == "NetworkPolicy":
            selectors.append(spec["podSelector"].get("matchLabels", {}))
            wanted += [port["port"] for rule in spec.get("ingress", []) for port in rule["ports"]]

    assert 11 == len(selectors)
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert {p["name"] for p in ports} | {p["containerPort"] for p in ports} == set(wanted)


def test_openshift_allows_what_capture_asks_for_and_nothing_else(kubectl: Kubectl) -> None:
    objects = render(kubectl, "overlays/openshift")
    (pod,) = [o["spec"]["template"]["spec"] for o in objects if o["kind"] == "DaemonSet"]
    (scc,) = [o for o in objects if o["kind"] == "SecurityContextConstraints"]
    (container,) = pod["containers"]
    security = container["securityContext"]

    assert {"allowHostNetwork": pod["hostNetwork"]} == {
        key: value for key, value in scc.items() if value is True and key != "readOnlyRootFilesystem"
    }
    assert security["capabilities"] == {"add": scc["allowedCapabilities"], "drop": scc["requiredDropCapabilities"]}
    assert security["readOnlyRootFilesystem"] is scc["readOnlyRootFilesystem"]
    assert {"type": "MustRunAs", "uid": pod["securityContext"]["runAsUser"]} == scc["runAsUser"]
    assert ["runtime/default"] == scc["seccompProfiles"]
    assert scc["volumes"] == [key for volume in pod["volumes"] for key in volume if key != "name"]


def test_restricted_asks_for_nothing_that_pod_security_forbids(kubectl: Kubectl) -> None:
    objects = render(kubectl, "overlays/restricted", [name for name in COMPONENTS if name not in ("api", "ha")])

    assert "DaemonSet" not in {o["kind"] for o in objects}
    assert {"restricted"} == {
        o["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] for o in objects if o["kind"] == "Namespace"
    }
    assert [{"drop": ["ALL"]}] * 3 == [c["securityContext"]["capabilities"] for c in containers_of(objects)]
    assert not [rule for rule in rules_of(objects) if "secrets" in rule["resources"]]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_of_two_replicas_any_sidecar_can_reach_the_one_that_leads(kubectl: Kubectl, overlay: str) -> None:
    components = ["dnstap"] * (overlay != "overlays/restricted") + ["coredns-log", "ha"]
    objects = render(kubectl, overlay, components)
    (deployment,) = [o for o in objects if o["kind"] == "Deployment"]
    (budget,) = [o for o in objects if o["kind"] == "PodDisruptionBudget"]
    operator, *sidecars = containers_of([deployment])
    env = {each["name"]: each.get("value", "") for each in operator["env"]}
    (volume,) = deployment["spec"]["template"]["spec"]["volumes"]
    trusted, token = (next(iter(source.values())) for source in volume["projected"]["sources"])

    assert (2, 1) == (deployment["spec"]["replicas"], budget["spec"]["maxUnavailable"])
    assert deployment["spec"]["selector"] == budget["spec"]["selector"]
    assert f"grapevine-system/{trusted['name']}" in env["GRAPEVINE_CA_CONFIGMAP"].split(",")
    assert "grapevine-system/grapevine-operator" in env["GRAPEVINE_CAPTURE_SERVICE_ACCOUNTS"].split(",")
    assert {"ingest", "health"} == {port["name"] for port in operator["ports"]}
    assert TOKEN_AUDIENCE == token["audience"]
    assert ["dnstap", "coredns-log"] == [each["name"] for each in sidecars]
    for sidecar in sidecars:
        files = {e["name"]: e["value"] for e in sidecar["env"]}
        (mount,) = sidecar["volumeMounts"]
        paths = {f"{mount['mountPath']}/{name}" for name in (trusted["items"][0]["path"], token["path"])}
        assert paths == {files["GRAPEVINE_CA_FILE"], files["GRAPEVINE_TOKEN_FILE"]}


@pytest.mark.parametrize("components", [(), COMPONENTS], ids=["", "all"])
def test_without_crd_is_the_default_without_the_crd(kubectl: Kubectl, components: tuple[str, ...]) -> None:
    default = [o for o in render(kubectl, "", components) if o["kind"] != "CustomResourceDefinition"]

    assert default == render(kubectl, "overlays/without-crd", components)


@pytest.fixture(scope="module")
def cluster(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server that knows SecurityContextConstraints and PodMonitor: their public API, as far as we use it.

    The tests of this module install over each other's, as a user goes from one overlay to another.
    """
    with ControlPlane(tmp_path_factory.mktemp("deploy"), control_plane_binaries) as plane:
        kubectl = plane.kubectl()
        for manifests in (f"-f{FOREIGN}", f"-k{DEPLOY / 'crds'}"):
            kubectl.run("apply", manifests)
        kubectl.run("wait", "--for=condition=Established", "crd", "--all")
        yield plane


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_api_server_takes_every_object_with_every_component(cluster: ControlPlane, overlay: str) -> None:
    kubectl = cluster.kubectl()
    with kustomization(overlay, COMPONENTS) as directory:
        kubectl.run("apply", "--validate=strict", "-k", str(directory))

        assert "" == kubectl.run("diff", "-k", str(directory)), "it is there as it was sent"


def test_openshift_lets_capture_alone_use_its_constraints(cluster: ControlPlane) -> None:
    kubectl = cluster.kubectl()
    kubectl.run("apply", "-k", str(DEPLOY / "overlays" / "openshift"))

    def may(account: str, name: str, namespace: str) -> bool:
        asked = ("auth", "can-i", "use", f"securitycontextconstraints.security.openshift.io/{name}")
        try:
            return kubectl.run(*asked, f"--as={account}", f"--namespace={namespace}").strip() == "yes"
        except KubectlError:  # it says no by its exit code too
            return False

    assert may(CAPTURE, "grapevine-capture", "grapevine-capture")
    assert not may(CAPTURE, "grapevine-capture", "default")
    assert not may(CAPTURE, "privileged", "grapevine-capture")
    assert not may(OPERATOR, "grapevine-capture", "grapevine-capture")
    roles = kubectl.run("get", "rolebinding", "-n", "grapevine-system", "-o", "jsonpath={.items[*].roleRef.name}")
    assert "system:openshift:scc:nonroot-v2" in roles.split()


def test_applied_again_by_whatever_tool_it_leaves_what_the_operator_wrote(cluster: ControlPlane) -> None:
    """As kubectl, Argo CD (client or server side) and Flux (server side, by force) apply."""
    kubectl = cluster.kubectl()
    with kustomization("", COMPONENTS) as directory, cluster.api() as api:
        kubectl.run("apply", "-k", str(directory))
        fill(api)
        before = written(api)
        by_force = ("--server-side", "--force-conflicts")
        for how in ((), (*by_force, "--field-manager=argocd-controller"), (*by_force, "--field-manager=flux")):
            kubectl.run("apply", *how, "-k", str(directory))
            assert "" == kubectl.run("diff", "-k", str(directory)), "nothing to sync"

        assert before == written(api)


def fill(api: Api) -> None:
    """Write what the operator writes: its key, its authority, an object of the map."""
    secret = api.get("v1", "Secret", "grapevine-system", "grapevine-serving")
    api.request("PUT", api.path_of(secret), {**secret, "data": {"tls.key": "a2V5"}})
    authority = {"name": "grapevine-ca", "namespace": "grapevine-capture"}
    api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": authority, "data": {"ca.crt": "authority"}})
    spec = {"workload": {"name": "web", "kind": "Deployment"}, "targets": [{"service": {"name": "db"}}]}
    web = {"name": "web", "namespace": "default"}
    api.apply(
        {"apiVersion": GROUP_VERSION, "kind": "ClientIntents", "metadata": web, "spec": spec}, manager="grapevine"
    )


def written(api: Api) -> list[Object]:
    """Return the payload of what `fill` wrote."""
    secret = api.get("v1", "Secret", "grapevine-system", "grapevine-serving")
    authority = api.get("v1", "ConfigMap", "grapevine-capture", "grapevine-ca")
    return [secret["data"], authority["data"], *(o["spec"] for o in api.list(GROUP_VERSION, "ClientIntents"))]


def test_privileges_are_as_documented(fresh_control_plane: ControlPlane) -> None:
    kubectl = fresh_control_plane.kubectl()
    kubectl.run("apply", "-k", str(DEPLOY))
    tables = "\n\n".join(
        f"{title}\n\n{_granted(kubectl, account, namespace)}"
        for title, account, namespace in (
            ("Operator, in any namespace:", OPERATOR, "default"),
            ("Operator, in `grapevine-system` besides:", OPERATOR, "grapevine-system"),
            ("Operator, in `grapevine-capture` besides:", OPERATOR, "grapevine-capture"),
            ("Capture, in its own namespace:", CAPTURE, "grapevine-capture"),
        )
    )
    usual = _listed(kubectl, OPERATOR, "default")
    with kustomization("", ["api"]) as directory:
        kubectl.run("apply", "-k", str(directory))
    with_api = _table(_listed(kubectl, OPERATOR, "default") - usual)
    tables += f"\n\nOperator with the component `api`, in any namespace besides:\n\n{with_api}"
    check_section(PRIVILEGES, "tests/integration/test_deploy.py", tables)


def _granted(kubectl: Kubectl, account: str, namespace: str) -> str:
    """Return what the API server grants the account there beyond what it grants everybody, or to it everywhere."""
    known = _listed(kubectl, "system:serviceaccount:default:default", namespace)
    if namespace != "default":
        known |= _listed(kubectl, account, "default")
    return _table(_listed(kubectl, account, namespace) - known)


def _table(own: set[tuple[str, str, str]]) -> str:
    rows = "\n".join(f"| {resource} | {name or 'any'} | {verbs} |" for resource, name, verbs in sorted(own))
    return f"| resource | name | verbs |\n|---|---|---|\n{rows}" if own else "Nothing."


def _listed(kubectl: Kubectl, account: str, namespace: str) -> set[tuple[str, str, str]]:
    """Return resource, name and verbs of each line of `kubectl auth can-i --list`; non-resource URLs are left out."""
    namespaced = f"system:serviceaccounts:{account.split(':')[2]}"
    groups = [f"--as-group={group}" for group in ("system:serviceaccounts", namespaced, "system:authenticated")]
    printed = kubectl.run("auth", "can-i", "--list", f"--as={account}", *groups, f"--namespace={namespace}")
    lines = [re.split(r"\s{2,}", line) for line in printed.splitlines()[1:] if not line.startswith(" ")]
    return {(resource, name.strip("[]"), verbs.strip("[]")) for resource, _, name, verbs in lines}
