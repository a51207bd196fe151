"""`grapevine migrate --from-otterize` on a real API server: CRDs and objects as Otterize leaves them."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.support.api import Api, ApiError, Object
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.objects import CRD, install_crd
from tests.support.otterize import NAME, OURS, WEBHOOK, conversion_webhook, otterizes_crd

from grapevine.cli.main import main
from grapevine.kube.errors import refusal
from grapevine.kube.migration import Migration
from grapevine.kube.session import Session
from grapevine.model.errors import PermanentInputError

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CRD_VERSION, CRD_KIND = "apiextensions.k8s.io/v1", "CustomResourceDefinition"
HOOK_VERSION, HOOK_KIND = "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"
PROTECTED = ("ProtectedService", "protectedservices")
PROTECTED_NAME = "protectedservices.k8s.otterize.com"
FINALIZER = "intents.otterize.com/client-intents-finalizer"
PROGRAMS = ("intents-operator-controller-manager", "intents-operator-webhook-server")
SPECS = {
    "checkout": {"workload": {"name": "checkout"}, "targets": [{"kubernetes": {"name": "payment"}}]},
    "cart": {"workload": {"name": "cart"}, "targets": [{"service": {"name": "redis.queues"}}]},
}


@pytest.fixture(scope="module")
def plane(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server of this module's own, for its CRDs are replaced."""
    with ControlPlane(tmp_path_factory.mktemp("migrate"), control_plane_binaries) as plane:
        with plane.api() as api:
            api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": WEBHOOK["namespace"]}})
        yield plane


@pytest.fixture
def api(plane: ControlPlane, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Api]:
    """The API server, left without anything of Otterize's; commands act as admin, in a directory of the test's own."""
    monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig()))
    monkeypatch.chdir(tmp_path)
    with plane.api() as connection:
        yield connection
        for api_version, kind in (
            ("networking.k8s.io/v1", "NetworkPolicy"),
            (HOOK_VERSION, HOOK_KIND),
            ("apps/v1", "Deployment"),
        ):
            for each in connection.list(api_version, kind):
                connection.delete({"apiVersion": api_version, "kind": kind, **each})
        for crd in connection.list(CRD_VERSION, CRD_KIND):
            stored = next(version["name"] for version in crd["spec"]["versions"] if version["storage"])
            with suppress(ApiError, LookupError):  # one that cannot be read has no finalizer that a test left
                for each in connection.list(f"k8s.otterize.com/{stored}", crd["spec"]["names"]["kind"]):
                    _patch(connection, each, {"metadata": {"finalizers": None}})
            connection.delete({"apiVersion": CRD_VERSION, "kind": CRD_KIND, **crd})
        eventually(lambda: not connection.list(CRD_VERSION, CRD_KIND))


@pytest.fixture
def webhook() -> Iterator[Object]:
    """Otterize's conversion webhook, which answers."""
    with conversion_webhook() as client_config:
        yield client_config


def _patch(api: Api, obj: Object, change: Object) -> None:
    api.request("PATCH", api.path_of(obj), change, content_type="application/merge-patch+json")


def install_otterize(api: Api, client_config: Object) -> None:
    """Bring about what years of Otterize leave: objects stored in two versions, finalizers, programs, a webhook."""
    for kind, plural in (("ClientIntents", "clientintents"), PROTECTED):
        crd = otterizes_crd(kind, plural, storage="v1alpha3", client_config=client_config)
        api.create(crd)
        eventually(lambda kind=kind: _is_served(api, kind))  # type: ignore[misc]
    old = {"service": {"name": "checkout"}, "calls": [{"name": "payment"}]}
    api.create(_object("ClientIntents", "v1alpha3", "checkout", old, [FINALIZER]))
    api.create(
        _object("ProtectedService", "v1alpha3", "payment", {"name": "payment"}, ["intents.otterize.com/x", "kept/y"])
    )
    for kind, plural in (("ClientIntents", "clientintents"), PROTECTED):
        api.apply(otterizes_crd(kind, plural, client_config=client_config), manager="tests", force=True)
    eventually(lambda: {"v1alpha3", "v2alpha1"} == set(_crd(api)["status"]["storedVersions"]))
    eventually(lambda: _can_be_read(api, "ClientIntents") and _can_be_read(api, "ProtectedService"))
    api.create(_object("ClientIntents", "v2alpha1", "cart", SPECS["cart"], []))
    for name in PROGRAMS:
        api.create(_deployment(name))
    hook = {
        "name": "clientintents.otterize.com",
        "clientConfig": {"service": {**WEBHOOK, "path": "/validate"}},
        "rules": [
            {
                "apiGroups": ["k8s.otterize.com"],
                "apiVersions": ["*"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["clientintents"],
            }
        ],
        "failurePolicy": "Ignore",  # Otterize's is Fail; its Service is not here to answer
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    metadata = {"name": "otterize-validating-webhook-configuration"}
    api.create({"apiVersion": HOOK_VERSION, "kind": HOOK_KIND, "metadata": metadata, "webhooks": [hook]})


def _object(kind: str, version: str, name: str, spec: Object, finalizers: list[str]) -> Object:
    metadata = {"name": name, "namespace": "default", "finalizers": finalizers}
    return {"apiVersion": f"k8s.otterize.com/{version}", "kind": kind, "metadata": metadata, "spec": spec}


def _deployment(name: str) -> Object:
    pod = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "otterize/x:v3.0.19"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": WEBHOOK["namespace"]},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": pod},
    }


def _is_served(api: Api, kind: str) -> bool:
    try:
        return api.list("k8s.otterize.com/v1alpha3", kind) == []
    except (ApiError, LookupError):
        return False


def _crd(api: Api, name: str = NAME) -> Object:
    return api.get(CRD_VERSION, CRD_KIND, "", name)


def state(api: Api) -> dict[str, Any]:
    """Return the version of everything the command could change."""
    listed = [
        *api.list(CRD_VERSION, CRD_KIND),
        *api.list(HOOK_VERSION, HOOK_KIND),
        *api.list("apps/v1", "Deployment"),
        *api.list("k8s.otterize.com/v2alpha1", "ClientIntents"),
        *api.list("k8s.otterize.com/v2alpha1", "ProtectedService"),
    ]
    return {each["metadata"]["uid"]: each["metadata"]["resourceVersion"] for each in listed}


def assert_migrated(api: Api, plane: ControlPlane) -> None:
    """Everything is there, readable without a webhook, and nothing of Otterize's holds it."""
    for version in ("v2beta1", "v2alpha1"):
        found = {o["metadata"]["name"]: o["spec"] for o in api.list(f"k8s.otterize.com/{version}", "ClientIntents")}
        assert SPECS == found
    crd = _crd(api)
    assert "grapevine" == crd["metadata"]["labels"]["app.kubernetes.io/part-of"]
    assert (OURS["spec"]["conversion"], ["v2alpha1"]) == (crd["spec"]["conversion"], crd["status"]["storedVersions"])
    protected = _crd(api, PROTECTED_NAME)["spec"]
    assert {"strategy": "None"} == protected["conversion"]
    assert ["v2beta1", "v2alpha1"] == [version["name"] for version in protected["versions"]]
    (kept,) = api.list("k8s.otterize.com/v2beta1", "ProtectedService")
    assert ["kept/y"] == kept["metadata"]["finalizers"]
    assert [0, 0] == [each["spec"]["replicas"] for each in api.list("apps/v1", "Deployment")]
    assert [] == api.list(HOOK_VERSION, HOOK_KIND)
    plane.kubectl().run("apply", "-f", str(CRD))
    for each in api.list("k8s.otterize.com/v2beta1", "ClientIntents"):
        written_in = {entry["apiVersion"] for entry in each["metadata"].get("managedFields", ())}
        assert {"k8s.otterize.com/v2beta1", "k8s.otterize.com/v2alpha1"} >= written_in
        status = {"apiVersion": "k8s.otterize.com/v2beta1", "kind": "ClientIntents", "status": {"mode": "Observe"}}
        status["metadata"] = {key: each["metadata"][key] for key in ("namespace", "name")}
        api.apply(status, manager="grapevine", subresource="status", force=True)
    for each in api.list("k8s.otterize.com/v2beta1", "ClientIntents"):
        api.delete(each)
    assert [] == api.list("k8s.otterize.com/v2beta1", "ClientIntents")


def test_says_what_it_would_do_and_does_nothing(
    api: Api, webhook: Object, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    install_otterize(api, webhook)
    before = state(api)

    assert 0 == main(["migrate", "--from-otterize", "--dry-run"])
    assert 2 == main(["migrate", "--from-otterize"])  # nobody is there to ask

    printed = capsys.readouterr()
    assert [
        "0. write a backup to otterize-backup.json",
        "1. rewrite 2 clientintents unchanged as v2alpha1, and strike v1alpha3 off storedVersions",
        "2. rewrite 1 protectedservices unchanged as v2alpha1, and strike v1alpha3 off storedVersions",
        f"3. scale Deployment otterize-system/{PROGRAMS[0]} to 0, and wait for its pods",
        f"4. scale Deployment otterize-system/{PROGRAMS[1]} to 0, and wait for its pods",
        f"5. delete {HOOK_KIND} otterize-validating-webhook-configuration: it would refuse every write",
        f"6. replace CRD {NAME} by Grapevine's, without v1alpha3; every object stays",
        f"7. take the conversion webhook off CRD {PROTECTED_NAME}, without v1alpha3; every object stays",
        "8. take Otterize's finalizers off 1 clientintents",
        "9. take Otterize's finalizers off 1 protectedservices",
    ] == [line.strip() for line in printed.out.partition("\n\n")[2].partition("\n\n")[0].splitlines()]
    assert "say --yes to do it" in printed.err
    assert before == state(api)
    assert [] == list(tmp_path.glob("*.json"))


def test_takes_everything_over_and_has_nothing_left_to_do(
    api: Api, plane: ControlPlane, webhook: Object, capsys: pytest.CaptureFixture[str]
) -> None:
    install_otterize(api, webhook)

    assert 0 == main(["migrate", "--from-otterize", "--yes", "--backup", "b.json"])

    assert "9. done: release protectedservices" in capsys.readouterr().out
    backup = json.loads(Path("b.json").read_text())["items"]
    kinds = [each["kind"] for each in backup]
    assert (2, 1, 2, 1) == tuple(map(kinds.count, (CRD_KIND, HOOK_KIND, "ClientIntents", "ProtectedService")))
    assert SPECS == {o["metadata"]["name"]: o["spec"] for o in backup if o["kind"] == "ClientIntents"}
    assert 0 == main(["migrate", "--from-otterize", "--yes"])
    assert "Nothing of Otterize's is left to take over." in capsys.readouterr().out
    assert_migrated(api, plane)


def test_cut_short_after_any_step_it_goes_on_where_it_was(
    api: Api, plane: ControlPlane, webhook: Object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install_otterize(api, webhook)
    do, done = Migration.do, 0

    async def do_one(self: Migration, step: Any) -> None:
        nonlocal done
        if done:
            raise PermanentInputError("cut short")
        await do(self, step)
        done += 1

    monkeypatch.setattr(Migration, "do", do_one)
    codes = []
    while not codes or codes[-1]:
        done = 0
        codes.append(main(["migrate", "--from-otterize", "--yes"]))
        assert len(codes) < 20

    printed = capsys.readouterr()
    assert {2} == set(codes[:-1])
    assert "run the same again to go on" in printed.err
    assert "otterize-backup.json is there from an earlier run, and stays as it is" in printed.out
    kinds = [each["kind"] for each in json.loads(Path("otterize-backup.json").read_text())["items"]]
    assert 1 == kinds.count(HOOK_KIND)
    assert_migrated(api, plane)


def test_a_server_that_asks_to_come_again_is_asked_again(
    api: Api, plane: ControlPlane, webhook: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_otterize(api, webhook)
    ask, refused = Session.request, set()

    async def refuse_once(self: Session, method: str, path: str, *args: Any, **kwargs: Any) -> bytes:
        if path.startswith("/apis/k8s.otterize.com/") and (method, path) not in refused:
            refused.add((method, path))
            raise refusal(method, path, {}, 429, b'{"message": "storage is (re)initializing"}', "0")
        return await ask(self, method, path, *args, **kwargs)

    monkeypatch.setattr(Session, "request", refuse_once)
    assert 0 == main(["migrate", "--from-otterize", "--yes"])

    assert {"GET", "PUT", "PATCH"} == {method for method, _ in refused}
    assert_migrated(api, plane)


def test_without_its_webhook_what_cannot_be_read_is_not_touched(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    with conversion_webhook() as client_config:
        install_otterize(api, client_config)

    assert 2 == main(["migrate", "--from-otterize", "--yes"])

    assert "objects stored as v1alpha3, v2alpha1 need Otterize's webhook server: is it" in capsys.readouterr().err
    assert {"v1alpha3", "v2alpha1"} == set(_crd(api)["status"]["storedVersions"])
    with conversion_webhook() as client_config:  # so that what is stored can be deleted
        crds = (("ClientIntents", "clientintents"), PROTECTED)
        for kind, plural in crds:
            api.apply(otterizes_crd(kind, plural, client_config=client_config), manager="tests", force=True)
        eventually(lambda: all(_can_be_read(api, kind) for kind, _ in crds))
        for kind, _ in crds:
            for each in api.list("k8s.otterize.com/v2alpha1", kind):
                _patch(api, each, {"metadata": {"finalizers": None}})
                api.delete(each)


def _can_be_read(api: Api, kind: str) -> bool:
    try:
        api.list("k8s.otterize.com/v2alpha1", kind)
    except ApiError:
        return False
    return True


def test_policies_in_force_stop_it_before_anything_is_changed(
    api: Api, webhook: Object, capsys: pytest.CaptureFixture[str]
) -> None:
    install_otterize(api, webhook)
    labels = {"intents.otterize.com/network-policy": "payment-default-1234"}
    metadata = {"name": "payment-access", "namespace": "default", "labels": labels}
    spec = {"podSelector": {}, "policyTypes": ["Ingress"]}
    api.create({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec})
    before = state(api)

    assert 1 == main(["migrate", "--from-otterize", "--yes"])
    assert 0 == main(["migrate", "--from-otterize", "--dry-run", "--accept-policies"])

    assert "In the way: 1 NetworkPolicies of Otterize's are in force." in capsys.readouterr().out
    assert before == state(api)


def test_a_backup_of_another_cluster_is_not_taken_for_this_one_s(
    api: Api, webhook: Object, capsys: pytest.CaptureFixture[str]
) -> None:
    install_otterize(api, webhook)
    before = state(api)
    Path("otterize-backup.json").write_text('{"items": [{"metadata": {"name": "x"}}]}')

    assert 2 == main(["migrate", "--from-otterize", "--yes"])

    assert "otterize-backup.json is there and no backup of this cluster" in capsys.readouterr().err
    assert before == state(api)


def test_a_cluster_without_otterize_has_nothing_to_do(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["migrate", "--from-otterize", "--yes"])
    install_crd(api)
    assert 0 == main(["migrate", "--from-otterize", "--yes"])

    assert 2 == capsys.readouterr().out.count("Nothing of Otterize's is left to take over.")
