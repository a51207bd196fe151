"""Whose pod it was, on a real API server: A2, A3 and A9 to A11 of the acceptance list, each test named after its ID.

The operator is its own service account, with what the manifests grant and one rule more.
"""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.api import Api, Object
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.manifests import rights
from tests.support.objects import install_crd
from tests.support.processes import Operator, run_grapevine
from tests.support.traffic import Sender, a_look_up, deploy, owner_reference, run_pod

from grapevine.model.timestamp import format_s

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

INTENTS = "k8s.otterize.com/v2beta1"
CUSTOM = {
    "argoproj.io/v1alpha1": ("Rollout",),
    "serving.knative.dev/v1": ("Revision", "Configuration", "Service"),
    "tekton.dev/v1": ("TaskRun", "PipelineRun"),
    "example.com/v1": ("Widget", "Gadget"),
}
"""Kinds that own pods, or what owns them, by group and version; Gadgets are not followed."""
FOLLOWED = [f"{version}/{kind}" for version, kinds in CUSTOM.items() for kind in kinds if kind != "Gadget"]
HOST_IP = "192.0.2.11"


def crd(version: str, kind: str) -> Object:
    group, _, number = version.partition("/")
    names = {"kind": kind, "plural": f"{kind.lower()}s", "singular": kind.lower()}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}"},
        "spec": {
            "group": group,
            "names": names,
            "scope": "Namespaced",
            "versions": [{"name": number, "served": True, "storage": True, "schema": schema}],
        },
    }


def grant(api: Api, name: str, *versions: str) -> None:
    """Let the operator follow the kinds of these groups."""
    rules = [
        {
            "apiGroups": [v.partition("/")[0]],
            "resources": [f"{k.lower()}s" for k in CUSTOM[v]],
            "verbs": ["list", "watch"],
        }
        for v in versions
    ]
    subject = {"kind": "ServiceAccount", "name": "grapevine-operator", "namespace": "grapevine-system"}
    group = "rbac.authorization.k8s.io"
    api.create({"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
    reference = {"apiGroup": group, "kind": "ClusterRole", "name": name}
    binding = {"apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name}}
    api.create({**binding, "roleRef": reference, "subjects": [subject]})


@pytest.fixture(scope="module")
def plane(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with the CRDs, a node, and the rights of the manifests."""
    with ControlPlane(tmp_path_factory.mktemp("identity"), control_plane_binaries) as plane:
        with plane.api() as api:
            install_crd(api)
            for version, kinds in CUSTOM.items():
                for kind in kinds:
                    api.create(crd(version, kind))
            for document in rights():
                api.apply(document, manager="tests")
            grant(api, "owners", *(version for version in CUSTOM if version != "example.com/v1"))
            node = api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
            api.merge_status(node, {"addresses": [{"type": "InternalIP", "address": HOST_IP}]})
        yield plane


@pytest.fixture(scope="module")
def operator(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The operator, which follows the custom kinds as far as it may."""
    kubeconfig = plane.service_account_kubeconfig("grapevine-system", "grapevine-operator")
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with Operator(kubeconfig, log, park_ms="500", owner_kinds=",".join(FOLLOWED)) as process:
        yield process


@pytest.fixture
def api(plane: ControlPlane) -> Iterator[Api]:
    with plane.api() as connection:
        yield connection


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count(1)


class Town:
    """A namespace and addresses of one test's own, and a capture that tells of them."""

    def __init__(self, api: Api, operator: Operator, number: int) -> None:
        self.api = api
        self.operator = operator
        self.namespace = f"town-{number}"
        self._sender = Sender(operator.url)
        self._number = number
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})

    def ip(self, n: int = 1) -> str:
        return f"10.60.{self._number}.{n}"

    def make(self, version: str, kind: str, name: str, owner: Object | None = None) -> Object:
        """Create an object that owns something, and return it; `owner` is what owns it."""
        meta: Object = {"namespace": self.namespace, "name": name}
        if owner is not None:
            meta["ownerReferences"] = [reference_to(owner)]
        spec: Object = {}
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        if kind in ("ReplicaSet", "Deployment"):
            spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
        if kind in ("Job", "CronJob"):
            spec = {"template": {"spec": {**template["spec"], "restartPolicy": "Never"}}}
        if kind == "CronJob":
            spec = {"schedule": "0 0 * * *", "jobTemplate": {"spec": spec}}
        return self.api.create({"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec})

    def pod(self, name: str, ip: str, start_ms: int, *, phase: str = "Running", end_ms: int = 0) -> Object:
        """Make a pod that started then, and ended then where it has."""
        spec: Object = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"}
        meta = {"namespace": self.namespace, "name": name}
        pod = self.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        status: Object = {"phase": phase, "startTime": format_s(start_ms), "podIP": ip, "podIPs": [{"ip": ip}]}
        if end_ms:
            status["containerStatuses"] = [ended(end_ms)]
        return self.api.merge_status(pod, status)

    def ask(self, ip: str, name: str, at_ms: int) -> None:
        """Let an address look up a domain, and wait until that is written, or counted."""
        self._sender.tell(a_look_up(ip, name, at_ms))

    def found(self) -> dict[str, list[str]]:
        """Return the domains of each client: `Kind/name`, or the name alone."""
        return {
            "/".join(filter(None, (o["spec"]["workload"].get("kind"), o["spec"]["workload"]["name"]))): [
                domain for target in o["spec"]["targets"] for domain in target["internet"]["domains"]
            ]
            for o in self.api.list(INTENTS, "ClientIntents", self.namespace)
        }

    def observed(self) -> str:
        """Return the reason of the condition `Observed` of the only object."""
        (only,) = self.api.list(INTENTS, "ClientIntents", self.namespace)
        (reason,) = [c["reason"] for c in only["status"]["conditions"] if c["type"] == "Observed"]
        return str(reason)

    def unresolved(self, reason: str) -> float:
        series = f'grapevine_lookups_unresolved_total{{reason="{reason}"}}'
        return self.operator.metrics().get(series, 0.0)


@pytest.fixture
def town(api: Api, operator: Operator, numbers: Iterator[int]) -> Town:
    return Town(api, operator, next(numbers))


def reference_to(owner: Object) -> Object:
    meta = owner["metadata"]
    return owner_reference(owner["kind"], meta["name"], owner["apiVersion"], meta["uid"])


def ended(at_ms: int) -> Object:
    terminated = {"exitCode": 0, "startedAt": format_s(at_ms), "finishedAt": format_s(at_ms)}
    container = {"name": "c", "image": "i", "imageID": "i", "ready": False, "restartCount": 0}
    return {**container, "state": {"terminated": terminated}, "lastState": {}}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a2_a_pod_is_its_controllers(town: Town, kind: str) -> None:
    deploy(town.api, town.namespace, "web", town.ip(), kind=kind)
    town.ask(town.ip(), "api.example.com", now_ms())

    assert town.found() == {f"{kind}/web": ["api.example.com"]}


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ([("batch/v1", "Job", "migrate")], "Job/migrate"),
        ([("batch/v1", "CronJob", "report"), ("batch/v1", "Job", "report-28471234")], "CronJob/report"),
        ([("argoproj.io/v1alpha1", "Rollout", "shop.web"), ("apps/v1", "ReplicaSet", "web-5f")], "Rollout/shop_web"),
        (
            [
                ("serving.knative.dev/v1", "Service", "hello"),
                ("serving.knative.dev/v1", "Configuration", "hello"),
                ("serving.knative.dev/v1", "Revision", "hello-00001"),
                ("apps/v1", "Deployment", "hello-00001-deployment"),
                ("apps/v1", "ReplicaSet", "hello-00001-deployment-5f"),
            ],
            "Service/hello",
        ),
        (
            [("tekton.dev/v1", "PipelineRun", "build-1"), ("tekton.dev/v1", "TaskRun", "build-1-test")],
            "PipelineRun/build-1",
        ),
    ],
    ids=["job", "cronjob", "argo-rollout", "knative", "tekton"],
)
def test_a2_a_chain_of_owners_ends_at_its_root(town: Town, chain: list[tuple[str, str, str]], expected: str) -> None:
    owner: Object | None = None
    for version, kind, name in chain:
        owner = town.make(version, kind, name, owner)
    assert owner is not None
    other = {**owner_reference("ConfigMap", "first", "v1"), "controller": False}
    run_pod(town.api, town.namespace, "p", town.ip(), ownerReferences=[other, reference_to(owner)])
    town.ask(town.ip(), "api.example.com", now_ms())

    assert town.found() == {expected: ["api.example.com"]}
    assert town.observed() == "LookupsSeen"


def test_a2_bare_and_static_pods_are_named_without_their_node(town: Town) -> None:
    run_pod(town.api, town.namespace, "debug", town.ip(1))
    node = owner_reference("Node", "n1", "v1")
    mirror = {"kubernetes.io/config.mirror": "0", "kubernetes.io/config.source": "file"}
    run_pod(town.api, town.namespace, "proxy-n1", town.ip(2), ownerReferences=[node], annotations=mirror)
    town.ask(town.ip(1), "one.example.com", now_ms())
    town.ask(town.ip(2), "two.example.com", now_ms())

    assert town.found() == {"Pod/debug": ["one.example.com"], "Pod/proxy": ["two.example.com"]}


@pytest.mark.parametrize(
    "reference",
    [owner_reference("ReplicationController", "old", "v1"), owner_reference("Gadget", "old", "example.com/v1")],
    ids=["replication-controller", "custom-kind"],
)
def test_a2_an_owner_of_a_kind_nobody_follows_gives_its_name_and_is_said_to_be_unread(
    town: Town, reference: Object
) -> None:
    run_pod(town.api, town.namespace, "p", town.ip(), ownerReferences=[reference])
    town.ask(town.ip(), "api.example.com", now_ms())

    assert town.found() == {f"{reference['kind']}/old": ["api.example.com"]}
    assert town.observed() == "OwnerUnread"


def test_a2_a_kind_that_is_forbidden_is_named_with_its_rule_and_followed_once_it_is_granted(town: Town) -> None:
    gadget = town.make("example.com/v1", "Gadget", "top")
    widget = town.make("example.com/v1", "Widget", "inner", gadget)
    run_pod(town.api, town.namespace, "p", town.ip(), ownerReferences=[reference_to(widget)])
    town.ask(town.ip(), "before.example.com", now_ms())
    before, said = town.found(), town.observed()
    doctor = run_grapevine("doctor", f"--operator={town.operator.api_url}")
    grant(town.api, "widgets", "example.com/v1")

    def is_followed() -> bool:
        return town.operator.metrics()['grapevine_owner_kind_objects{kind="example.com/v1/Widget"}'] == 1

    eventually(is_followed, timeout_s=60)
    town.ask(town.ip(), "after.example.com", now_ms())

    assert (before, said) == ({"Widget/inner": ["before.example.com"]}, "OwnerUnread")
    assert '{"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["list", "watch"]}' in doctor.stdout
    assert town.found()["Gadget/top"] == ["after.example.com"]


@pytest.mark.parametrize("key", ["workload-name", "service-name"])
def test_a3_an_annotation_names_the_workload(town: Town, key: str) -> None:
    widget = owner_reference("Gadget", "g", "example.com/v1")
    annotations = {f"intents.otterize.com/{key}": "billing"}
    run_pod(town.api, town.namespace, "p", town.ip(), ownerReferences=[widget], annotations=annotations)
    town.ask(town.ip(), "api.example.com", now_ms())

    assert town.found() == {"billing": ["api.example.com"]}


def test_a3_an_annotation_that_changes_acts_on_the_next_look_up(town: Town) -> None:
    run_pod(town.api, town.namespace, "p", town.ip())
    town.ask(town.ip(), "before.example.com", now_ms())
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": town.namespace, "name": "p"}}
    pod["metadata"] |= {"annotations": {"intents.otterize.com/workload-name": "renamed"}}  # type: ignore[operator]
    town.api.apply(pod, manager="tests")

    def is_renamed() -> bool:
        town.ask(town.ip(), "after.example.com", now_ms())
        return "renamed" in town.found()

    eventually(is_renamed, timeout_s=10)
    assert town.found()["renamed"] == ["after.example.com"]


def test_a9_an_address_used_again_within_ten_seconds_makes_no_wrong_edge(town: Town) -> None:
    began_ms = (now_ms() - 60_000) // 1_000 * 1_000
    town.pod("first", town.ip(), began_ms, phase="Succeeded", end_ms=began_ms + 10_000)
    town.pod("second", town.ip(), began_ms + 10_000, phase="Succeeded", end_ms=began_ms + 14_000)
    town.pod("third", town.ip(), began_ms + 18_000)
    before = town.unresolved("changed-hands"), town.unresolved("no-pod")
    for name, after_ms in (
        ("third", 18_000),
        ("first", 9_999),
        ("either", 10_400),
        ("second", 11_000),
        ("second", 14_999),
        ("nobody", 16_000),
    ):
        town.ask(town.ip(), f"{name}.example.com", began_ms + after_ms)

    assert town.found() == {f"Pod/{name}": [f"{name}.example.com"] for name in ("first", "second", "third")}
    assert (town.unresolved("changed-hands"), town.unresolved("no-pod")) == (before[0] + 1, before[1] + 1)


def test_a9_two_living_pods_with_one_address_are_told_apart_by_nobody(town: Town) -> None:
    began_ms = now_ms() - 60_000
    town.pod("one", town.ip(), began_ms)
    town.pod("two", town.ip(), began_ms + 5_000)
    before = town.unresolved("address-shared")
    town.ask(town.ip(), "one.example.com", began_ms + 3_000)
    town.ask(town.ip(), "either.example.com", began_ms + 9_000)
    explained = run_grapevine(
        "explain", f"{town.namespace}/one", "either.example.com", f"--operator={town.operator.api_url}"
    )

    assert town.found() == {"Pod/one": ["one.example.com"]}
    assert (town.unresolved("address-shared"), explained.returncode) == (before + 1, 1)
    assert "address-shared" in explained.stdout


def test_a10_what_init_containers_and_jobs_of_two_seconds_ask_is_theirs(town: Town) -> None:
    began_ms = (now_ms() - 20_000) // 1_000 * 1_000
    town.pod("initialising", town.ip(1), began_ms, phase="Pending")
    short = town.pod("short", town.ip(2), began_ms, phase="Succeeded", end_ms=began_ms + 2_000)
    town.api.delete(short)
    town.ask(town.ip(1), "init.example.com", began_ms + 500)
    town.ask(town.ip(2), "short.example.com", began_ms + 1_500)

    assert town.found() == {"Pod/initialising": ["init.example.com"], "Pod/short": ["short.example.com"]}


def test_a10_a_pod_told_of_after_its_look_up_is_waited_for(town: Town, tmp_path: Path) -> None:
    at_ms = now_ms()
    patient = Operator(town.operator._kubeconfig, tmp_path / "operator.log", park_ms="60000", settle_ms="2000")
    with patient as operator:
        sender = Sender(operator.url)
        sender.send(a_look_up(town.ip(), "early.example.com", at_ms))
        eventually(lambda: operator.metrics()["grapevine_observations_parked"] == 1, timeout_s=30)
        town.pod("late", town.ip(), at_ms - 1_000)
        eventually(lambda: town.found() == {"Pod/late": ["early.example.com"]}, timeout_s=30)


def test_a11_a_client_on_the_host_network_is_counted_and_nobody(town: Town) -> None:
    spec: Object = {"hostNetwork": True, "nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
    meta = {"namespace": town.namespace, "name": "agent"}
    pod = town.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    addresses = {"hostIP": HOST_IP, "podIP": HOST_IP, "podIPs": [{"ip": HOST_IP}]}
    town.api.merge_status(pod, {"phase": "Running", "startTime": "2023-11-14T22:13:20Z", **addresses})
    before = town.unresolved("host-network")
    town.ask(HOST_IP, "api.example.com", now_ms())

    assert (town.found(), town.unresolved("host-network")) == ({}, before + 1)
