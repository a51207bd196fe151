"""What facts about a cluster mean for the first apply."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from grapevine.cli.preflight import command, judge
from grapevine.kube.cluster_facts import (
    APPLIED,
    APPLY_VERBS,
    EVERYTHING,
    GRANTS,
    ClusterFacts,
    Component,
    Crd,
    CrdVersion,
    IntentsCount,
    Nodes,
    Right,
    Role,
    Unread,
    Webhook,
)
from grapevine.model.finding import Finding, Level
from grapevine.model.identity import ObjectName

ROOT = Path(__file__).parents[3]
SERVICE = ObjectName("otterize-system", "intents-operator-webhook-service")
NEEDED = [Right(verb, *each) for each in APPLIED for verb in APPLY_VERBS]
ALL_RIGHTS = dict.fromkeys([EVERYTHING, *NEEDED, *GRANTS], True)


def a_component(role: Role, product: str, kind: str = "Deployment", **fields: Any) -> Component:
    replicas = 1 if kind == "Deployment" else None
    return Component(role, product, kind, ObjectName("kube-system", "it"), **{"replicas": replicas, **fields})


def a_crd(
    *versions: str,
    part_of: str = "otterize",
    storage: str = "v2alpha1",
    stored: tuple[str, ...] = ("v2alpha1",),
    conversion: Webhook | None = None,
) -> Crd:
    served = versions or ("v2beta1", "v2alpha1")
    return Crd(part_of, tuple(CrdVersion(v, True, v == storage) for v in served), stored, conversion)


COMPONENTS = (
    a_component(Role.CNI, "kindnet", "DaemonSet"),
    a_component(Role.DNS, "CoreDNS", images=("registry.example/coredns/coredns:v1.14.7",)),
)
READY = ClusterFacts(
    version="v1.37.2",
    groups=frozenset({"apps"}),
    crd=None,
    intents=None,
    components=COMPONENTS,
    admission=(),
    nodes=Nodes(total=3),
    pod_security={},
    rights=ALL_RIGHTS,
)
OPERATOR = a_component(Role.OTTERIZE_OPERATOR, "Otterize's intents operator")


def facts(**fields: Any) -> ClusterFacts:
    return replace(READY, **fields)


def of(check: str, found: list[Finding]) -> Finding:
    (finding,) = [each for each in found if each.check == check]
    return finding


def test_a_cluster_that_is_ready_has_nothing_but_good_news() -> None:
    found = judge(READY)

    assert {each.level for each in found} == {Level.OK}
    assert [each.check for each in found] == [
        "Kubernetes", "CRD", "network", "nodes", "DNS", "your rights",
    ]  # fmt: skip
    assert of("DNS", found).found == "CoreDNS 1.14.7, Deployment kube-system/it"
    assert command(READY) == "kubectl apply -k deploy/"


@pytest.mark.parametrize(
    ("version", "level", "said"),
    [
        ("v1.32.0", Level.OK, ""),
        ("v1.33.4-gke.1036000", Level.OK, ""),
        ("v2.0.0", Level.OK, ""),
        ("v1.31.9", Level.WARNING, "not tried"),
        ("v1.30.1+k3s1", Level.BLOCKER, "isCIDR, which came with 1.31"),
        ("v1.9.0", Level.BLOCKER, "refuses the CRD"),
        ("unknown", Level.UNKNOWN, "no version that can be compared"),
    ],
)
def test_versions(version: str, level: Level, said: str) -> None:
    found = of("Kubernetes", judge(facts(version=version)))

    assert found.level is level
    assert said in found.means


@pytest.mark.parametrize(
    ("crd", "level", "found", "remedy"),
    [
        (a_crd(part_of="grapevine"), Level.OK, "Grapevine's, serves v2beta1, v2alpha1, stored v2alpha1", ""),
        (a_crd(), Level.NOTE, "Otterize's, serves v2beta1, v2alpha1, stored v2alpha1", "a copy first"),
        (a_crd(part_of=""), Level.NOTE, "somebody else's, serves", "a copy first"),
        (a_crd("v1beta1", "v2alpha1"), Level.WARNING, "Otterize's, serves v1beta1, v2alpha1", "to v2beta1 first"),
        (
            a_crd("v1beta1", "v2alpha1", stored=("v1beta1", "v2alpha1")),
            Level.BLOCKER,
            "stored v1beta1, v2alpha1",
            "while the conversion webhook still answers: kubectl get clientintents.v2alpha1",
        ),
        (
            a_crd("v1alpha3", "v1beta1", storage="v1alpha3", stored=("v1alpha3",)),
            Level.BLOCKER,
            "stored v1alpha3",
            "upgrade Otterize's operator until its CRD stores v2alpha1",
        ),
        (Unread("the CRD", "403"), Level.UNKNOWN, "could not look at the CRD", "look again"),
    ],
)
def test_crds(crd: Crd | Unread, level: Level, found: str, remedy: str) -> None:
    finding = of("CRD", judge(facts(crd=crd)))

    assert finding.level is level
    assert found in finding.found
    assert finding.remedy == remedy or (remedy and remedy in finding.remedy)


def test_a_version_that_no_object_is_stored_in_is_forgotten_without_rewriting() -> None:
    crd = a_crd("v1beta1", "v2alpha1", stored=("v1beta1", "v2alpha1"))
    remedy = of("CRD", judge(facts(crd=crd, intents=IntentsCount()))).remedy

    assert remedy.startswith("no object is there: kubectl patch crd")
    assert "replace" not in remedy


@pytest.mark.parametrize(
    ("is_there", "stored", "remedy"),
    [
        (True, ("v2alpha1",), "kubectl replace -k deploy/crds"),
        (None, ("v2alpha1",), "kubectl replace -k deploy/crds"),
        (False, ("v2alpha1",), "kubectl replace -k deploy/crds"),
        (True, ("v1beta1", "v2alpha1"), "once its objects are rewritten (see CRD): kubectl replace -k deploy/crds"),
        (False, ("v1beta1",), "start Otterize's webhook server again; once its objects are rewritten"),
    ],
)
def test_a_conversion_webhook_has_to_go_before_apply(
    is_there: bool | None, stored: tuple[str, ...], remedy: str
) -> None:
    crd = a_crd(part_of="grapevine", stored=stored, conversion=Webhook("", SERVICE, is_there))
    found = judge(facts(crd=crd))

    assert of("conversion", found).level is Level.BLOCKER
    assert of("conversion", found).remedy.startswith(remedy)
    assert ("cannot be read" in of("conversion", found).means) == (is_there is False)
    assert of("CRD", found).found.startswith("Grapevine's, overwritten by Otterize's")


@pytest.mark.parametrize(
    ("webhook", "level"),
    [
        (Webhook("hooks", SERVICE, is_there=False), Level.BLOCKER),
        (Webhook("hooks", SERVICE, is_there=False, fails_closed=False), Level.NOTE),
        (Webhook("hooks", SERVICE, is_there=True), Level.NOTE),
        (Webhook("hooks", SERVICE, is_there=None), Level.UNKNOWN),
        (Webhook("hooks", None, is_there=None), Level.NOTE),
    ],
)
def test_a_webhook_blocks_where_nobody_answers_it(webhook: Webhook, level: Level) -> None:
    assert of("admission", judge(facts(admission=(webhook,)))).level is level


def test_objects_are_counted_by_version_and_origin() -> None:
    count = IntentsCount({"v1alpha3": 2, "v2beta1": 1_234}, 1_200, 36, finalized=2, is_all=False)
    counted, finalized = (each for each in judge(facts(intents=count)) if each.check == "ClientIntents")

    assert counted.found == (
        "at least 1,236: discovered 1,200, by others 36; last written as v1alpha3 2, v2beta1 1,234"
    )
    assert (counted.level, finalized.level) == (Level.NOTE, Level.NOTE)
    assert finalized.found.startswith("2 carry")
    assert of("ClientIntents", judge(facts(intents=IntentsCount()))).level is Level.OK


@pytest.mark.parametrize(
    ("component", "level", "remedy"),
    [
        (OPERATOR, Level.BLOCKER, "run one of the two: kubectl scale -n kube-system deployment it --replicas=0"),
        (replace(OPERATOR, replicas=0), Level.NOTE, "uninstall it before it does"),
        (a_component(Role.OTTERIZE_MAPPER, "Otterize's sniffer", "DaemonSet"), Level.NOTE, ""),
    ],
)
def test_otterizes_programs(component: Component, level: Level, remedy: str) -> None:
    found = of("Otterize", judge(facts(components=(component,))))

    assert (found.level, found.remedy) == (level, remedy)


@pytest.mark.parametrize(
    ("products", "hints", "level", "found"),
    [
        (["Flannel", "Calico"], (), Level.OK, "Calico, Flannel"),
        ([], ("Flannel",), Level.OK, "Flannel"),
        (["Cilium", "AWS VPC CNI"], (), Level.WARNING, "AWS VPC CNI, Cilium"),
        (["GKE Dataplane V2"], (), Level.WARNING, "GKE Dataplane V2"),
        ([], (), Level.NOTE, "no CNI was recognised"),
    ],
)
def test_networks(products: list[str], hints: tuple[str, ...], level: Level, found: str) -> None:
    components = tuple(a_component(Role.CNI, product, "DaemonSet") for product in products)
    finding = of("network", judge(facts(components=components, nodes=Nodes(total=1, cnis=hints))))

    assert (finding.level, finding.found) == (level, found)


@pytest.mark.parametrize(
    ("component", "level", "said"),
    [
        (a_component(Role.DNS, "CoreDNS", host_network=True), Level.WARNING, "a node's address, which is not believed"),
        (a_component(Role.DNS, "kube-dns"), Level.NOTE, "speaks no dnstap"),
        (a_component(Role.DNS, "OpenShift's CoreDNS", "DaemonSet"), Level.NOTE, "not yours"),
        (a_component(Role.DNS, "CoreDNS", replicas=0), Level.NOTE, "only CoreDNS can tell by itself"),
    ],
)
def test_dns_servers(component: Component, level: Level, said: str) -> None:
    found = of("DNS", judge(facts(components=(component,))))

    assert found.level is level
    assert said in found.means


def test_a_cache_on_the_nodes_is_no_place_for_dnstap() -> None:
    cache = a_component(Role.DNS_CACHE, "NodeLocal DNSCache", "DaemonSet")
    server, note = (each for each in judge(facts(components=(*COMPONENTS, cache))) if each.check == "DNS")

    assert (server.level, note.level) == (Level.OK, Level.NOTE)
    assert "CoreDNS sees the cache" in note.means


def test_nodes_that_no_daemonset_hears_are_told() -> None:
    nodes = Nodes(total=9, windows=1, serverless=2, autopilot=3, is_all=False)
    found = [each for each in judge(facts(nodes=nodes)) if each.check == "nodes"]

    assert [each.level for each in found] == [Level.OK, Level.WARNING, Level.WARNING, Level.WARNING]
    assert [each.found for each in found] == [
        "at least 9", "1 run Windows", "2 are virtual (Fargate or virtual kubelet)", "3 are GKE Autopilot's",
    ]  # fmt: skip


def test_policies_that_may_refuse_capture_are_told() -> None:
    groups = frozenset({"kyverno.io", "security.openshift.io"})
    found = [
        each
        for each in judge(facts(groups=groups, pod_security={"grapevine-capture": "baseline", "grapevine-system": ""}))
        if each.check == "policy"
    ]

    assert [(each.level, each.found) for each in found] == [
        (Level.NOTE, "OpenShift"),
        (Level.NOTE, "Kyverno"),
        (Level.NOTE, "namespace grapevine-capture enforces baseline"),
    ]


def test_an_installed_grapevine_is_upgraded() -> None:
    installed = a_component(Role.GRAPEVINE, "Grapevine", images=("grapevine/operator:0.1.0",))
    found = of("Grapevine", judge(facts(components=(*COMPONENTS, installed))))

    assert found.found == "Grapevine 0.1.0, Deployment kube-system/it is installed"


CRD_RIGHTS = [right for right in NEEDED if right.resource == "customresourcedefinitions"]


@pytest.mark.parametrize(
    ("denied", "crd", "level", "remedy"),
    [
        ([], None, Level.OK, ""),
        ([EVERYTHING], None, Level.OK, ""),
        ([EVERYTHING, GRANTS[0]], None, Level.WARNING, "kubectl apply -k deploy/ --dry-run=server tells"),
        (CRD_RIGHTS, None, Level.BLOCKER, "have an administrator run `kubectl apply -k deploy/crds`"),
        (CRD_RIGHTS, a_crd(part_of="grapevine"), Level.NOTE, "kubectl apply -k deploy/overlays/without-crd"),
        ([EVERYTHING, *NEEDED, *GRANTS], None, Level.BLOCKER, "have a cluster administrator apply it"),
    ],
)
def test_rights(denied: list[Right], crd: Crd | None, level: Level, remedy: str) -> None:
    found = of("your rights", judge(facts(rights=ALL_RIGHTS | dict.fromkeys(denied, False), crd=crd)))

    assert found.level is level
    assert found.remedy.startswith(remedy)


def test_a_missing_right_is_named_as_kubectl_takes_it() -> None:
    right = Right("create", "apps", "daemonsets", "grapevine-capture")
    found = of("your rights", judge(facts(rights=ALL_RIGHTS | {right: False})))

    assert found.found == "you may not create daemonsets.apps -n grapevine-capture"


def test_what_could_not_be_looked_at_is_never_good_news() -> None:
    unread = Unread("it", "403")
    found = judge(ClusterFacts(unread, unread, unread, unread, unread, unread, unread, unread, unread))

    assert {each.level for each in found} == {Level.UNKNOWN}
    assert {each.check for each in found} == {
        "Kubernetes", "CRD", "admission", "ClientIntents", "Otterize",
        "network", "nodes", "DNS", "policy", "your rights",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"groups": frozenset({"security.openshift.io"})}, "deploy/overlays/openshift"),
        ({"nodes": Nodes(total=2, serverless=2)}, "deploy/overlays/restricted"),
        ({"nodes": Nodes(total=2, serverless=1)}, "deploy/"),
        (
            {"rights": ALL_RIGHTS | dict.fromkeys(CRD_RIGHTS, False), "crd": a_crd(part_of="grapevine")},
            "deploy/overlays/without-crd",
        ),
    ],
)
def test_says_what_to_apply(changes: dict[str, Any], path: str) -> None:
    assert command(facts(**changes)) == f"kubectl apply -k {path}"
    assert (ROOT / path / "kustomization.yaml").exists()


def test_asks_about_everything_that_the_manifests_hold() -> None:
    plurals = {
        "ClusterRole": "clusterroles",
        "ClusterRoleBinding": "clusterrolebindings",
        "ConfigMap": "configmaps",
        "CustomResourceDefinition": "customresourcedefinitions",
        "DaemonSet": "daemonsets",
        "Deployment": "deployments",
        "Namespace": "namespaces",
        "Role": "roles",
        "RoleBinding": "rolebindings",
        "Secret": "secrets",
        "Service": "services",
        "ServiceAccount": "serviceaccounts",
    }
    documents = list(yaml.safe_load_all((ROOT / "deploy" / "install.yaml").read_text()))
    expected = {
        (each["apiVersion"].rpartition("/")[0], plurals[each["kind"]], each["metadata"].get("namespace", ""))
        for each in documents
    }

    assert {*APPLIED} == expected
    assert len(APPLIED) == len(expected)
