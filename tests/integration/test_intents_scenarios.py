"""The scenarios of reference/clientintents §8.2 on a real API server, each by its number.

One operator and one API server for all; each test has a namespace of its own.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.api import Api, ApiError, Object
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.objects import install_crd
from tests.support.processes import Operator, run_grapevine
from tests.support.traffic import Sender, a_look_up, deploy, expose, owner_reference, run_pod

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

INTENTS = "k8s.otterize.com/v2beta1"
DOMAIN = "cluster.local"
DATA = Path(__file__).parents[1] / "data" / "otterize"
GRACE_S = 2


@pytest.fixture(scope="module")
def plane(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with the CRD; shared by this module."""
    with ControlPlane(tmp_path_factory.mktemp("scenarios"), control_plane_binaries) as plane:
        with plane.api() as api:
            install_crd(api)
        yield plane


@pytest.fixture(scope="module")
def operator(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A running operator, shared by this module."""
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with Operator(
        plane.kubeconfig(), log, park_ms="500", recreate_after_s=str(GRACE_S), write_policy="sync"
    ) as process:
        yield process


@pytest.fixture(scope="module")
def sender(operator: Operator) -> Sender:
    return Sender(operator.url)


@pytest.fixture
def api(plane: ControlPlane) -> Iterator[Api]:
    with plane.api() as connection:
        yield connection


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count(1)


class Shop:
    """A namespace with the workload `web`, another one called `cart` behind a Service, and who tells of them."""

    def __init__(self, api: Api, plane: ControlPlane, sender: Sender, number: int) -> None:
        self.api = api
        self.plane = plane
        self.sender = sender
        self.namespace = f"shop-{number}"
        self.web_ip, self.cart_ip = f"10.50.{number}.1", f"10.50.{number}.2"
        self._number = number
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})

    def deploy(self, *, kind: str = "Deployment", annotations: dict[str, str] | None = None) -> None:
        """Make both workloads."""
        deploy(self.api, self.namespace, "web", self.web_ip, kind=kind, annotations=annotations or {})
        deploy(self.api, self.namespace, "cart", self.cart_ip)
        expose(self.api, self.namespace, "cart", f"10.96.{self._number}.2", "cart-1-x")

    def ask(self, *names: str, client_ip: str = "", namespace: str = "") -> None:
        """Let `web` look names up, Services by their short ones, and wait until that is written."""
        at_ms = _now_ms()
        whole = [n if "." in n else f"{n}.{namespace or self.namespace}.svc.{DOMAIN}" for n in names]
        self.sender.tell(*(a_look_up(client_ip or self.web_ip, name, at_ms) for name in whole))

    def get(self, name: str = "web") -> Object:
        return self.api.get(INTENTS, "ClientIntents", self.namespace, name)

    def names(self) -> list[str]:
        return sorted(o["metadata"]["name"] for o in self.objects())

    def objects(self) -> list[Object]:
        return self.api.list(INTENTS, "ClientIntents", self.namespace)

    def targets(self, name: str = "web") -> list[Any]:
        return list(self.get(name)["spec"]["targets"])

    def ready(self, name: str = "web") -> tuple[str, str]:
        return condition(self.get(name), "Ready")

    def declare(self, name: str, *targets: Object, kind: str = "Deployment") -> Object:
        """Write an object about `web` as a person does."""
        return self.api.create(
            {
                "apiVersion": INTENTS,
                "kind": "ClientIntents",
                "metadata": {"namespace": self.namespace, "name": name},
                "spec": {"workload": {"name": "web", **({"kind": kind} if kind else {})}, "targets": list(targets)},
            }
        )


@pytest.fixture
def shop(api: Api, plane: ControlPlane, sender: Sender, numbers: Iterator[int]) -> Shop:
    return Shop(api, plane, sender, next(numbers))


CART = {"kubernetes": {"name": "cart", "kind": "Deployment"}}
OTHER = {"service": {"name": "other"}}


def domain(name: str) -> Object:
    return {"internet": {"domains": [name]}}


def condition(resource: Object, kind: str) -> tuple[str, str]:
    found = [c for c in resource.get("status", {}).get("conditions", ()) if c["type"] == kind]
    assert found, f"no condition {kind} yet"
    return found[0]["status"], found[0]["reason"]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def until_equal(expected: object, read: Callable[[], object]) -> None:
    """Wait until what is read is as expected."""

    def check() -> None:
        assert expected == read()

    eventually(check, timeout_s=30)


# --- 1 to 4: manifests


@pytest.mark.parametrize(("written", "read"), [("v2beta1", "v2alpha1"), ("v2alpha1", "v2beta1")])
def test_01_every_kind_of_target_applies_in_both_versions_and_reads_as_the_other(
    shop: Shop, written: str, read: str
) -> None:
    documents = yaml.safe_load_all((DATA / f"clientintents-{written}.yaml").read_text())
    sent = [{**doc, "metadata": {**doc["metadata"], "namespace": shop.namespace}} for doc in documents]
    for document in sent:
        shop.api.create(document)

    stored = shop.api.list(f"k8s.otterize.com/{read}", "ClientIntents", shop.namespace)
    assert {o["metadata"]["name"]: o["spec"] for o in sent} == {o["metadata"]["name"]: o["spec"] for o in stored}


@pytest.mark.parametrize(
    ("target", "workload", "said"),
    [
        ({"service": {"name": "a"}, "sql": {"name": "b"}}, "web", "exactly one of"),
        ({}, "web", "exactly one of"),
        ({"service": {"name": "a.b.c"}}, "web", "one dot at most"),
        ({"kubernetes": {"name": "a", "kind": "deployment"}}, "web", "upper-case"),
        ({"internet": {"ips": ["10.0.0.0/33"]}}, "web", "IPv4 or IPv6"),
        ({"internet": {"ports": [1]}}, "web", "at least one of domains, ips"),
        ({"service": {"name": "a"}}, "we.b", "must not contain a dot"),
    ],
)
def test_02_what_is_wrong_is_refused_without_a_webhook(shop: Shop, target: Object, workload: str, said: str) -> None:
    wrong = {
        "apiVersion": INTENTS,
        "kind": "ClientIntents",
        "metadata": {"namespace": shop.namespace, "name": "wrong"},
        "spec": {"workload": {"name": workload}, "targets": [target]},
    }

    with pytest.raises(ApiError, match=said):
        shop.api.create(wrong)
    assert [] == shop.api.list("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")


def test_03_the_columns_work_for_an_object_nobody_has_seen_and_fill_for_one_that_was(shop: Shop) -> None:
    shop.deploy()
    shop.api.create(
        {
            "apiVersion": INTENTS,
            "kind": "ClientIntents",
            "metadata": {"namespace": shop.namespace, "name": "mine"},
            "spec": {"workload": {"name": "web"}, "targets": [OTHER, CART]},
        }
    )
    shop.ask("cart")

    def row() -> tuple[str, ...]:
        rows = shop.plane.kubectl().table("clientintents", "-n", shop.namespace, "-o", "wide")
        assert ["mine"] == [each["NAME"] for each in rows]
        return tuple(rows[0][c] for c in ("WORKLOAD", "TARGETS", "UNDECLARED", "MODE", "READY", "UNUSED", "REASON"))

    until_equal(("web", "2", "0", "Observe", "True", "1", "Declared"), row)
    waited = shop.plane.kubectl().run("wait", "--for=condition=Ready", "ci/mine", "-n", shop.namespace, "--timeout=30s")
    assert "clientintents.k8s.otterize.com/mine condition met\n" == waited


def test_04_old_manifests_convert_with_a_line_for_each_loss_and_apply(shop: Shop) -> None:
    done = run_grapevine("convert", DATA / "clientintents-v1alpha3.yaml")

    converted = {doc["metadata"]["name"]: doc for doc in yaml.safe_load_all(done.stdout) if doc}
    lost = [line for line in done.stderr.splitlines() if line.startswith("grapevine: lost: ")]
    refused = set()
    for name, document in converted.items():
        try:
            shop.api.create({**document, "metadata": {"namespace": shop.namespace, "name": name}})
        except ApiError:
            refused.add(name)
    assert {"everything", "losses"} <= converted.keys(), done.stderr
    assert {"losses"} == refused
    assert any("ClientIntents shop/losses: " in line and "will refuse it" in line for line in lost), lost


# --- 5: two objects


def test_05_of_two_objects_the_older_is_in_force_and_the_second_gets_conflict(shop: Shop) -> None:
    shop.deploy()
    shop.declare("first", OTHER)
    time.sleep(1)  # creation times are whole seconds: what is tested is that they decide
    second = shop.declare("a-second", CART)

    shop.ask("cart")

    until_equal(("True", "Declared"), lambda: shop.ready("first"))
    until_equal(("False", "Conflict"), lambda: shop.ready("a-second"))
    assert shop.get("a-second")["spec"] == second["spec"]
    shop.api.delete(shop.get("first"))
    until_equal(("True", "Declared"), lambda: shop.ready("a-second"))


# --- 6, 7: whose pods


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_06_a_pod_is_its_root_owners(shop: Shop, kind: str) -> None:
    deploy(shop.api, shop.namespace, "web", shop.web_ip, kind=kind)
    shop.ask("api.example.com")

    assert {"name": "web", "kind": kind} == shop.get()["spec"]["workload"]


@pytest.mark.parametrize(
    ("name", "metadata", "expected"),
    [
        ("tool", {}, {"name": "tool", "kind": "Pod"}),
        ("to.ol", {}, {"name": "to_ol", "kind": "Pod"}),
        ("a", {"annotations": {"intents.otterize.com/workload-name": "named"}}, {"name": "named"}),
        ("b", {"annotations": {"intents.otterize.com/service-name": "older"}}, {"name": "older"}),
        ("c", {"ownerReferences": [owner_reference("Rollout", "canary")]}, {"name": "canary", "kind": "Rollout"}),
        ("d", {"ownerReferences": [owner_reference("Job", "gone-123")]}, {"name": "gone-123", "kind": "Job"}),
    ],
    ids=["bare", "dotted", "annotation", "older-annotation", "unknown-root", "missing-owner"],
)
def test_06_a_pod_without_a_readable_root_has_a_documented_name(
    shop: Shop, name: str, metadata: Object, expected: Object
) -> None:
    run_pod(shop.api, shop.namespace, name, shop.web_ip, **metadata)
    shop.ask("api.example.com")

    (only,) = shop.api.list(INTENTS, "ClientIntents", shop.namespace)
    assert expected == only["spec"]["workload"]


def test_07_namesakes_of_two_kinds_share_no_edge(shop: Shop) -> None:
    deploy(shop.api, shop.namespace, "web", shop.web_ip)
    deploy(shop.api, shop.namespace, "web", shop.cart_ip, kind="StatefulSet")
    shop.ask("one.example.com")
    shop.ask("two.example.com", client_ip=shop.cart_ip)

    found = {o["spec"]["workload"]["kind"]: o["spec"]["targets"] for o in shop.objects()}
    assert {"Deployment": [domain("one.example.com")], "StatefulSet": [domain("two.example.com")]} == found
    assert ["web", "web-statefulset"] == shop.names()


# --- 8, 9: what is written, and what is not


def test_08_edges_appear_as_targets_and_repeats_write_no_spec(shop: Shop) -> None:
    shop.deploy()
    shop.ask("cart", "api.example.com")
    first = shop.get()

    shop.ask("cart", "api.example.com")

    assert [CART, domain("api.example.com")] == shop.targets()
    assert first["metadata"]["generation"] == shop.get()["metadata"]["generation"] == 1


def test_09_the_spec_of_a_persons_object_stays_byte_for_byte(shop: Shop) -> None:
    shop.deploy()
    mine = shop.declare("mine", OTHER)
    shop.ask("cart")

    until_equal(1, lambda: shop.get("mine").get("status", {}).get("summary", {}).get("undeclared"))
    assert (shop.names(), shop.get("mine")["spec"]) == (["mine"], mine["spec"])
    assert 1 == shop.get("mine")["status"]["summary"]["unused"]


def test_09_who_edits_a_discovered_object_owns_it_at_once(shop: Shop) -> None:
    shop.deploy()
    shop.ask("cart")
    shop.api.request(
        "PATCH",
        shop.api.path_of(shop.get()),
        {"spec": {"targets": [OTHER]}},
        content_type="application/merge-patch+json",
    )

    shop.ask("api.example.com")

    until_equal(("True", "Declared"), shop.ready)
    assert [OTHER] == shop.targets()
    assert 2 == shop.get()["status"]["summary"]["undeclared"]


def test_09_who_promotes_a_discovered_object_owns_it_at_once(shop: Shop) -> None:
    shop.deploy()
    shop.ask("cart")
    kubeconfig = shop.plane.kubeconfig()

    done = run_grapevine("promote", f"{shop.namespace}/web", "--kubeconfig", kubeconfig)
    shop.ask("api.example.com")

    assert (0, f"clientintents {shop.namespace}/web promoted\n") == (done.returncode, done.stdout), done.stderr
    until_equal(("True", "Declared"), shop.ready)
    assert [CART] == shop.targets()
    assert "labels" not in shop.get()["metadata"]
    again = run_grapevine("promote", f"{shop.namespace}/web", "--kubeconfig", kubeconfig)
    assert (2, True) == (again.returncode, "is a person's already" in again.stderr)


def test_09_a_persons_object_takes_the_place_of_a_discovered_one(shop: Shop) -> None:
    shop.deploy()
    shop.ask("cart")
    shop.declare("mine", CART)

    until_equal(["mine"], shop.names)  # the write policy here is sync
    until_equal(("False", "InStep"), lambda: condition(shop.get("mine"), "Drifted"))


def test_09_a_deleted_object_stays_away_for_the_grace_and_comes_back_with_what_is_seen_then(shop: Shop) -> None:
    shop.deploy()
    shop.ask("cart", "api.example.com")
    shop.api.delete(shop.get())
    shop.ask("cart")
    within = shop.names()
    time.sleep(GRACE_S + 0.1)  # the grace is what is tested

    shop.ask("cart")

    assert ([], ["web"]) == (within, eventually(shop.names, timeout_s=30))
    assert [CART] == shop.targets()


def test_09_a_workload_can_keep_itself_out(shop: Shop) -> None:
    shop.deploy(annotations={"grapevine.dev/discover": "false"})
    shop.ask("cart")

    assert [] == shop.names()


def test_09_names_that_are_taken_are_avoided_the_same_way_each_time(shop: Shop) -> None:
    shop.deploy()
    for name in ("web", "web-deployment"):
        shop.api.create(
            {
                "apiVersion": INTENTS,
                "kind": "ClientIntents",
                "metadata": {"namespace": shop.namespace, "name": name},
                "spec": {"workload": {"name": f"not-{name}"}, "targets": []},
            }
        )
    shop.ask("cart")

    (ours,) = set(shop.names()) - {"web", "web-deployment"}
    assert ours.startswith("web-deployment-")
    assert len("web-deployment-") + 8 == len(ours)


# --- 10: how targets are named


def test_10_a_target_elsewhere_has_its_namespace_the_api_server_its_one_name_and_a_domain_no_port(
    shop: Shop, api: Api, plane: ControlPlane, sender: Sender, numbers: Iterator[int]
) -> None:
    shop.deploy()
    elsewhere = Shop(api, plane, sender, next(numbers))
    elsewhere.deploy()
    shop.ask("cart", namespace=elsewhere.namespace)
    shop.ask("kubernetes", namespace="default")
    shop.ask("api.example.com")

    assert [
        {"kubernetes": {"name": f"cart.{elsewhere.namespace}", "kind": "Deployment"}},
        {"service": {"name": "kubernetes.default"}},
        domain("api.example.com"),
    ] == shop.targets()
    assert [{"dns": "api.example.com", "ips": ["192.0.2.1"]}] == shop.get()["status"]["resolvedIPs"]


# --- 11: GitOps


@pytest.mark.parametrize("manager", ["argocd-controller", "kustomize-controller"])
def test_11_a_tool_that_applies_again_and_again_finds_no_difference(shop: Shop, manager: str) -> None:
    shop.deploy()
    manifest = {
        "apiVersion": INTENTS,
        "kind": "ClientIntents",
        "metadata": {
            "namespace": shop.namespace,
            "name": "web",
            "labels": {"app.kubernetes.io/instance": "shop"},
        },
        "spec": {"workload": {"name": "web", "kind": "Deployment"}, "targets": [OTHER]},
    }
    shop.ask("cart")  # a discovered object of that name is there already
    for round_ in range(5):
        applied = shop.api.apply(manifest, manager=manager, force=True)
        shop.ask("cart", f"d{round_}.example.com")
        dry_run = shop.api.request(
            "PATCH",
            f"{shop.api.path_of(manifest)}?fieldManager={manager}&dryRun=All",
            manifest,
            content_type="application/apply-patch+yaml",
        )
        assert [OTHER] == dry_run["spec"]["targets"]
        assert applied["metadata"]["generation"] == dry_run["metadata"]["generation"], "nothing to sync"

    until_equal(6, lambda: shop.get()["status"]["summary"]["undeclared"])
    owners = {
        entry["manager"]
        for entry in shop.get()["metadata"]["managedFields"]
        if "f:targets" in entry["fieldsV1"].get("f:spec", {})
    }
    assert {manager} == owners


# --- 21, 22


def test_21_objects_can_be_deleted_while_nobody_is_there(shop: Shop, operator: Operator) -> None:
    shop.deploy()
    shop.ask("cart")
    assert 0 == operator.stop()
    try:
        shop.api.delete(shop.get())

        assert [] == shop.names()
    finally:
        operator.start()


def test_22_one_changed_edge_is_one_spec_and_one_status(shop: Shop, operator: Operator) -> None:
    ips = [f"{shop.web_ip.rpartition('.')[0]}.{n}" for n in range(100, 120)]
    for n, ip in enumerate(ips):
        run_pod(shop.api, shop.namespace, f"client-{n}", ip)
        shop.ask("a.example.com", "b.example.com", client_ip=ip)
    before = writes(operator)

    shop.ask("c.example.com", client_ip=ips[7])

    assert {"ApplySpec": 1, "ApplyStatus": 1} == {k: v - before.get(k, 0) for k, v in writes(operator).items()}


def writes(operator: Operator) -> dict[str, float]:
    """Return the writes that the operator has made, by kind."""
    prefix = 'grapevine_intents_writes_total{result="'
    found = {k.removeprefix(prefix)[:-2]: v for k, v in operator.metrics().items() if k.startswith(prefix)}
    return {k: v for k, v in found.items() if k.startswith("Apply")}
