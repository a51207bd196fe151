"""`grapevine doctor --preflight` on a real API server: what it says is true, and what it says to do ends it."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from tests.support.api import Api, ApiError, Object
from tests.support.controlplane import ADMIN, Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.kubectl import KubectlError
from tests.support.objects import CRD, install_crd
from tests.support.otterize import NAME, WEBHOOK, otterizes_crd
from tests.support.processes import run_grapevine

from grapevine.kube.cluster_facts import APPLIED, APPLY_VERBS, GRANTS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

STRANGER, READER = "stranger", "reader"


@pytest.fixture(scope="module")
def plane(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server of this module's own, for it replaces the CRD."""
    users: dict[str, tuple[str, ...]] = {STRANGER: (), READER: ()}
    with ControlPlane(tmp_path_factory.mktemp("doctor"), control_plane_binaries, users=users) as plane:
        with plane.api() as api:
            api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": WEBHOOK["namespace"]}})
        yield plane


@pytest.fixture
def api(plane: ControlPlane) -> Iterator[Api]:
    """The API server, left without CRD, webhooks, nodes and workloads."""
    with plane.api() as connection:
        yield connection
        for api_version, kind in (
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            ("apps/v1", "Deployment"),
            ("apps/v1", "DaemonSet"),
            ("v1", "Node"),
        ):
            for obj in connection.list(api_version, kind):
                connection.delete({"apiVersion": api_version, "kind": kind, **obj})
        eventually(lambda: not connection.list("apiextensions.k8s.io/v1", "CustomResourceDefinition"))


Findings = list[dict[str, str]]


def look(plane: ControlPlane, user: str = ADMIN) -> tuple[int, Findings, str]:
    """Return exit code, findings, and what it says to apply."""
    done = run_grapevine("doctor", "--preflight", f"--kubeconfig={plane.kubeconfig(user)}", "-o", "json")
    assert done.stderr == ""
    content = json.loads(done.stdout)
    return done.returncode, content["findings"], content["apply"]


def of(findings: Findings, check: str) -> dict[str, str]:
    """Return the one finding of a check."""
    (finding,) = [each for each in findings if each["check"] == check]
    return finding


def levels(findings: Findings, level: str) -> list[str]:
    return [each["check"] for each in findings if each["level"] == level]


def shell(plane: ControlPlane, command: str) -> None:
    """Run a command as a person pastes it."""
    env = os.environ | {
        "KUBECONFIG": str(plane.kubeconfig()),
        "PATH": f"{plane.binaries.kubectl.parent}:{os.environ['PATH']}",
        "KUBECACHEDIR": str(plane.directory / "doctor-cache"),
    }
    done = subprocess.run(
        ["bash", "-euc", command], env=env, cwd=CRD.parents[1], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def intents(name: str, *, version: str = "v2beta1", **labels: str) -> Object:
    return {
        "apiVersion": f"k8s.otterize.com/{version}",
        "kind": "ClientIntents",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"workload": {"name": name}, "targets": [{"service": {"name": "cart"}}]},
    }


def workload(kind: str, namespace: str, name: str, image: str, labels: dict[str, str], **spec: Any) -> Object:
    pod = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": pod},
    }


def test_an_empty_cluster_is_ready(plane: ControlPlane, api: Api) -> None:
    code, findings, command = look(plane)

    assert [each for each in findings if each["level"] in ("blocker", "unknown", "warning")] == []
    assert (code, command) == (0, "kubectl apply -k deploy/")
    assert of(findings, "Kubernetes")["level"] == of(findings, "CRD")["level"] == "ok"
    assert of(findings, "your rights")["found"] == "you may apply everything in deploy/"


def test_a_person_reads_the_same(plane: ControlPlane, api: Api) -> None:
    done = run_grapevine("doctor", "--preflight", f"--kubeconfig={plane.kubeconfig()}", "--context=test")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{plane.server} (kubeconfig ")
    assert "\nok    CRD          no ClientIntents are installed\n" in done.stdout
    assert done.stdout.endswith("\nNothing stands in the way: kubectl apply -k deploy/\n")


def test_our_own_crd_is_no_obstacle(plane: ControlPlane, api: Api) -> None:
    install_crd(api)
    api.create(intents("web", **{"grapevine.dev/origin": "discovered"}))
    api.create(intents("cart", version="v2alpha1"))
    finalized = intents("old")
    finalized["metadata"]["finalizers"] = ["intents.otterize.com/client-intents-finalizer"]
    api.create(finalized)
    code, findings, _ = look(plane)
    for name in ("web", "cart", "old"):
        path = api.path_of(intents(name))
        api.request("PATCH", path, {"metadata": {"finalizers": None}}, content_type="application/merge-patch+json")
        api.delete(intents(name))

    assert code == 0
    assert of(findings, "CRD")["found"] == "Grapevine's, serves v2beta1, v2alpha1, stored v2alpha1"
    counted, finalizers = [each["found"] for each in findings if each["check"] == "ClientIntents"]
    assert counted == "3: discovered 1, by others 2; last written as v2alpha1 1, v2beta1 2"
    assert finalizers == "1 carry Otterize's finalizers"


def test_a_version_that_may_be_stored_blocks_and_the_remedy_ends_it(plane: ControlPlane, api: Api) -> None:
    install_crd(api, otterizes_crd())
    api.create(intents("checkout", version="v2alpha1"))
    crd = api.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", NAME)
    api.merge_status(crd, {"storedVersions": ["v1alpha3", "v2alpha1"]})

    code, findings, _ = look(plane)
    assert (code, levels(findings, "blocker")) == (1, ["CRD", "conversion"])
    found = of(findings, "CRD")
    assert found["found"] == "Otterize's, serves v1alpha3, v2beta1, v2alpha1, stored v1alpha3, v2alpha1"
    assert of(findings, "conversion")["found"].endswith("whose Service is not there")
    with pytest.raises(KubectlError, match=r"status\.storedVersions\[0\]"):
        plane.kubectl().run("apply", "-f", str(CRD))

    shell(plane, found["remedy"].partition(": ")[2])
    code, findings, _ = look(plane)
    assert (code, levels(findings, "blocker")) == (1, ["conversion"])
    assert "v1alpha3 are no longer served" in of(findings, "CRD")["means"]
    with pytest.raises(KubectlError, match="should not be set when strategy is not set to Webhook"):
        plane.kubectl().run("apply", "-f", str(CRD))

    shell(plane, of(findings, "conversion")["remedy"])
    code, findings, command = look(plane)
    assert (code, of(findings, "CRD")["level"], command) == (0, "ok", "kubectl apply -k deploy/")
    plane.kubectl().run("apply", "-f", str(CRD))
    kept = eventually(lambda: api.get("k8s.otterize.com/v2beta1", "ClientIntents", "default", "checkout"))
    assert kept["spec"] == intents("checkout")["spec"]


def test_otterizes_operator_blocks_until_it_rests(plane: ControlPlane, api: Api) -> None:
    image = "otterize/intents-operator:v3.0.19"
    name = "intents-operator-controller-manager"
    api.create(workload("Deployment", WEBHOOK["namespace"], name, image, {"app": "intents-operator"}))
    mapper = "otterize-network-mapper"
    api.create(workload("Deployment", WEBHOOK["namespace"], mapper, "otterize/mapper:v3.0.19", {}))

    code, findings, _ = look(plane)
    assert (code, levels(findings, "blocker")) == (1, ["Otterize"])
    operator, mapper_found = [each for each in findings if each["check"] == "Otterize"]
    assert operator["found"] == f"Otterize's intents operator 3.0.19, Deployment otterize-system/{name}"
    assert mapper_found["level"] == "note"

    shell(plane, operator["remedy"].partition(": ")[2])
    code, findings, _ = look(plane)
    assert (code, levels(findings, "blocker")) == (0, [])


def test_a_webhook_without_its_service_blocks_and_the_remedy_ends_it(plane: ControlPlane, api: Api) -> None:
    install_crd(api)
    rule = {
        "apiGroups": ["k8s.otterize.com"],
        "apiVersions": ["*"],
        "operations": ["*"],
        "resources": ["clientintents"],
    }
    hook = {
        "name": "clientintents.kb.io",
        "clientConfig": {"service": {**WEBHOOK, "path": "/validate"}},
        "rules": [rule],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "otterize-validating-webhook-configuration"},
        "webhooks": [hook, {**hook, "name": "other.example.com", "rules": [{**rule, "resources": ["others"]}]}],
    }
    api.create(configuration)
    eventually(lambda: _is_refused(api))

    code, findings, _ = look(plane)
    assert (code, levels(findings, "blocker")) == (1, ["admission"])
    shell(plane, of(findings, "admission")["remedy"])
    eventually(lambda: not _is_refused(api))
    assert look(plane)[0] == 0


def _is_refused(api: Api) -> bool:
    try:
        api.request(
            "POST", f"{api.path('k8s.otterize.com/v2beta1', 'ClientIntents', 'default')}?dryRun=All", intents("x")
        )
    except ApiError as error:
        return "failed calling webhook" in error.message
    return False


def test_says_which_network_dns_and_nodes(plane: ControlPlane, api: Api) -> None:
    kube_dns = {"k8s-app": "kube-dns"}
    api.create(workload("DaemonSet", "kube-system", "kindnet", "kindnetd:v1", {}))
    api.create(workload("Deployment", "kube-system", "coredns", "registry.example/coredns/coredns:v1.14.7", kube_dns))
    api.create(workload("DaemonSet", "kube-system", "node-local-dns", "k8s-dns-node-cache:1.26.4", {}))
    api.create(workload("Deployment", "default", "coredns", "coredns:1.2.3", kube_dns))
    for name, labels in (("n1", {}), ("f1", {"eks.amazonaws.com/compute-type": "fargate"})):
        api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})

    code, findings, _ = look(plane)
    assert code == 0
    assert of(findings, "network")["found"] == "kindnet"
    assert [(each["level"], each["found"]) for each in findings if each["check"] in ("nodes", "DNS")] == [
        ("ok", "2"),
        ("warning", "1 are virtual (Fargate or virtual kubelet)"),
        ("ok", "CoreDNS 1.14.7, Deployment kube-system/coredns"),
        ("note", "NodeLocal DNSCache 1.26.4, DaemonSet kube-system/node-local-dns"),
    ]


def test_a_stranger_is_told_what_could_not_be_looked_at_and_what_is_missing(plane: ControlPlane, api: Api) -> None:
    install_crd(api)
    code, findings, _ = look(plane, STRANGER)

    assert code == 1
    assert levels(findings, "blocker") == ["your rights"]
    assert {"CRD", "ClientIntents", "Otterize", "network", "nodes", "DNS", "admission"} <= {
        *levels(findings, "unknown")
    }
    assert "grant it: apiGroups" in of(findings, "CRD")["means"]
    assert of(findings, "Kubernetes")["level"] == "ok"


def test_somebody_who_may_apply_but_not_look_everywhere_gets_no_all_clear(plane: ControlPlane, api: Api) -> None:
    grant(api, READER, [({group}, {resource}, {*APPLY_VERBS, "list"}) for group, resource, _ in APPLIED])
    grant(api, READER, [({right.group}, {right.resource}, {right.verb}) for right in GRANTS])
    hooks = ({"admissionregistration.k8s.io"}, {"validatingwebhookconfigurations"}, {"list"})
    grant(api, READER, [hooks])

    code, findings, _ = look(plane, READER)
    assert (code, levels(findings, "blocker"), levels(findings, "unknown")) == (2, [], ["nodes"])
    grant(api, READER, [({""}, {"nodes"}, {"list"})])
    eventually(lambda: look(plane, READER)[0] == 0)


def grant(api: Api, user: str, rules: Sequence[tuple[set[str], set[str], set[str]]]) -> None:
    api_version = "rbac.authorization.k8s.io/v1"
    role = api.create(
        {
            "apiVersion": api_version,
            "kind": "ClusterRole",
            "metadata": {"generateName": "doctor-"},
            "rules": [
                {"apiGroups": sorted(groups), "resources": sorted(resources), "verbs": sorted(verbs)}
                for groups, resources, verbs in rules
            ],
        }
    )["metadata"]["name"]
    api.create(
        {
            "apiVersion": api_version,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
        }
    )


def test_what_cannot_be_asked_is_one_line(plane: ControlPlane) -> None:
    kubeconfig = plane.kubeconfig()
    nowhere = kubeconfig.with_name("nowhere.kubeconfig")
    nowhere.write_text(kubeconfig.read_text().replace(plane.server, "https://127.0.0.1:1"))
    for words, said in (
        ([f"--kubeconfig={kubeconfig}", "--context=none"], "none"),
        ([f"--kubeconfig={nowhere}"], "is the server up, and is it the right one?"),
    ):
        done = run_grapevine("doctor", "--preflight", *words)
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert said in line
