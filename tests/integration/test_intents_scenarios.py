"""The scenarios of reference/clientintents §8.2 on a real API server, each by its number.

One operator and one API server for all; each test has a namespace of its own.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.api import Api, Object
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.objects import install_crd
from tests.support.processes import Operator, run_grapevine
from tests.support.traffic import Sender, a_look_up, deploy, expose

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

INTENTS = "k8s.otterize.com/v2beta1"
DOMAIN = "cluster.local"
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
        return sorted(o["metadata"]["name"] for o in self.api.list(INTENTS, "ClientIntents", self.namespace))

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
