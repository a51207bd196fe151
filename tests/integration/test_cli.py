"""`list`, `export`, `diff` and `convert` against a real API server, as `grapevine …` and as `kubectl grapevine …`."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.support.api import MERGE, Api, Object
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.golden import GOLDEN, check_golden
from tests.support.kubectl import Kubectl
from tests.support.objects import SHOP, install_crd
from tests.support.processes import GRAPEVINE

from grapevine.cli.main import main

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SHOP_FILES = GOLDEN / "shop"
OTTERIZE = SHOP.parent / "otterize"
STRANGER = "stranger"
GROUP_VERSION = "k8s.otterize.com/v2beta1"
HOSTILE = "\x1b]0;owned\x07\u202egnp"


@pytest.fixture(scope="module")
def plane(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server of this module's own, with the CRD and the shop's map: what is listed is the whole cluster."""
    with ControlPlane(tmp_path_factory.mktemp("cli"), control_plane_binaries, users={STRANGER: ()}) as plane:
        with plane.api() as api:
            install_crd(api)
            objects = [yaml.safe_load(file.read_text()) for file in sorted(SHOP_FILES.rglob("*.yaml"))]
            for namespace in sorted({*(each["metadata"]["namespace"] for each in objects), "manifests"}):
                api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            for each in objects:
                api.apply(each, manager="grapevine")  # as the operator: what another manager writes is a person's
        yield plane


@pytest.fixture
def api(plane: ControlPlane) -> Iterator[Api]:
    with plane.api() as connection:
        yield connection


@pytest.fixture(autouse=True)
def _as_admin(plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig()))


@pytest.fixture
def of_a_person(api: Api) -> Iterator[Object]:
    """An object without the label, for as long as the test."""
    created = api.create(
        {
            "apiVersion": GROUP_VERSION,
            "kind": "ClientIntents",
            "metadata": {"name": "by-hand", "namespace": "manifests", "labels": {"team": "shop"}},
            "spec": {"workload": {"name": HOSTILE}, "targets": [{"service": {"name": "cart.orders"}}]},
        }
    )
    yield created
    api.delete(created)


def test_a_cluster_is_listed_as_its_files_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["list"])

    check_golden("cli/list.txt", capsys.readouterr().out)


def test_a_cluster_is_exported_in_the_same_bytes_as_its_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["export", "-n", "orders,tools"])

    check_golden("cli/export.yaml", capsys.readouterr().out)


def test_what_was_observed_counts_once_there_is_a_status(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    seen = {"firstSeen": "2020-01-01T00:00:00.000Z", "names": ["x"], "evidence": ["dns"], "state": "active"}
    observed = [{**seen, "lastSeen": "2020-01-01T00:00:00.000Z", "target": {"service": {"name": "seen.batch"}}}]
    debug = api.get(GROUP_VERSION, "ClientIntents", "tools", "debug")
    api.merge_status(debug, {"observed": observed, "summary": {"targets": 7}})
    try:
        assert 0 == main(["list", "-n", "tools", "--client", "debug"])
        text = capsys.readouterr().out
        assert 0 == main(["list", "-n", "tools", "--client", "debug", "-o", "wide", "--no-headers"])
        row = capsys.readouterr().out
        assert 0 == main(["list", "-n", "tools", "--client", "debug", "--since", "1h"])
        late = capsys.readouterr()
    finally:
        api.merge_status(debug, {"observed": None, "summary": None})

    assert "debug in namespace tools calls:\n  - seen in namespace batch\n" == text
    assert ["tools", "debug", "debug", "Pod", "7"] == row.split()[:5]
    assert ("", "grapevine: No connections found.\n") == (late.out, late.err)


def test_a_list_that_is_watched_says_a_client_again_when_its_calls_are_others(api: Api, tmp_path: Path) -> None:
    def make(name: str, *called: str) -> Object:
        spec = {"workload": {"name": name}, "targets": [{"service": {"name": each}} for each in called]}
        metadata = {"name": name, "namespace": "manifests", "labels": {"watched": "yes"}}
        return {"apiVersion": GROUP_VERSION, "kind": "ClientIntents", "metadata": metadata, "spec": spec}

    def says(file: Path, *expected: str) -> None:
        assert list(expected) == [line for line in file.read_text().splitlines() if line]

    first = api.create(make("first", "cart.orders"))
    text, rows = tmp_path / "text", tmp_path / "rows"
    where = ["list", "--watch", "-n", "manifests", "-l", "watched=yes"]
    with text.open("w") as one, rows.open("w") as other:
        watchers = [
            subprocess.Popen([*GRAPEVINE, *where], stdout=one),
            subprocess.Popen([*GRAPEVINE, *where, "-o", "name"], stdout=other),
        ]
        try:
            head, name = "first in namespace manifests", "clientintents.k8s.otterize.com/first"
            so_far = [f"{head} calls:", "  - cart in namespace orders"]
            eventually(lambda: says(text, *so_far), timeout_s=30)
            eventually(lambda: says(rows, name), timeout_s=30)
            for patch in (
                {"metadata": {"annotations": {"says": "nothing"}}},
                {"spec": {"targets": [{"service": {"name": "pay"}}]}},
            ):
                api.request("PATCH", api.path_of(first), patch, content_type=MERGE)
            so_far += [f"{head} calls:", "  - pay in namespace manifests"]
            eventually(lambda: says(text, *so_far), timeout_s=30)
            eventually(lambda: says(rows, name, name, name), timeout_s=30)
            api.delete(first)
            eventually(lambda: says(text, *so_far, f"{head}: its object is gone"), timeout_s=30)
            eventually(lambda: says(rows, name, name, name, name), timeout_s=30)
        finally:
            for watcher in watchers:
                watcher.send_signal(signal.SIGINT)
            try:
                codes = [watcher.wait(timeout=30) for watcher in watchers]
            finally:
                for watcher in watchers:
                    watcher.kill()
                    watcher.wait()
    assert [130, 130] == codes


def test_a_person_s_object_is_taken_along_on_demand(of_a_person: Object, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["export", "-n", "manifests"])
    left_out = capsys.readouterr()
    assert 0 == main(["export", "-l", "team=shop", "--declared", "--output-version", "v2alpha1"])
    taken = capsys.readouterr()

    assert ("", "grapevine: 1 objects of persons left out; --declared takes them in\n") == (left_out.out, left_out.err)
    assert {
        "apiVersion": "k8s.otterize.com/v2alpha1",
        "kind": "ClientIntents",
        "metadata": {"name": "by-hand", "namespace": "manifests", "labels": {"team": "shop"}},
        "spec": of_a_person["spec"],
    } == yaml.safe_load(taken.out)
    assert taken.out.replace("\n", "").isprintable()


def test_a_name_the_api_server_takes_is_no_command_to_a_terminal(
    of_a_person: Object, capsys: pytest.CaptureFixture[str]
) -> None:
    for form in ("text", "table", "wide", "json", "yaml", "name"):
        assert 0 == main(["list", "-n", "manifests", "-o", form])
        printed = capsys.readouterr().out
        assert printed.replace("\n", "").isprintable()
        assert ("by-hand" if form == "name" else "owned") in printed
    assert 1 == main(["diff", "-n", "manifests", str(SHOP_FILES), "cluster:"])
    assert "\\u001b]0;owned\\u0007\\u202egnp: added" in capsys.readouterr().out


def test_an_object_without_a_spec_costs_no_other(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    empty = api.create(
        {"apiVersion": GROUP_VERSION, "kind": "ClientIntents", "metadata": {"name": "empty", "namespace": "manifests"}}
    )
    try:
        assert 0 == main(["list"])
    finally:
        api.delete(empty)

    printed = capsys.readouterr()
    check_golden("cli/list.txt", printed.out)
    assert "ClientIntents manifests/empty has no spec.workload.name" in printed.err


def test_an_exported_directory_is_a_kustomization_that_stays_grapevine_s_if_applied_so(
    plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["export", "--keep-origin", "-o", f"{tmp_path}/out/"])

    applied = plane.kubectl().run("apply", "-k", f"{tmp_path}/out", "--server-side", "--field-manager=grapevine")

    assert 13 == len(applied.splitlines())
    assert 0 == main(["diff", f"{tmp_path}/out", "cluster:"])
    capsys.readouterr()
    assert 0 == main(["export"])
    assert "" == capsys.readouterr().err  # nothing is a person's


@pytest.mark.parametrize("version", ["v1alpha2", "v1alpha3", "v1beta1"])
def test_converted_manifests_are_taken_but_for_what_is_said(version: str, plane: ControlPlane, tmp_path: Path) -> None:
    main(["convert", str(OTTERIZE / f"clientintents-{version}.yaml"), "-o", str(tmp_path / "converted.yaml")])
    objects = [o for o in yaml.safe_load_all((tmp_path / "converted.yaml").read_text()) if o["kind"] == "ClientIntents"]
    for each in objects:
        each["metadata"]["namespace"] = "manifests"
        said = [t for t in each["spec"]["targets"] if t.get("kubernetes", {}).get("name") != "redis.orders.svc"]
        each["spec"]["targets"] = said

    plane.kubectl().run("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(objects))


def test_diff_is_0_for_the_same_1_for_others_2_for_none(
    api: Api, plane: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["diff", str(SHOP_FILES), "cluster:"])
    cart = api.get(GROUP_VERSION, "ClientIntents", "orders", "cart")
    api.delete(cart)
    try:
        assert 1 == main(["diff", "cluster:test", str(SHOP_FILES)])
    finally:
        api.apply(yaml.safe_load((SHOP_FILES / "orders" / "cart.yaml").read_text()), manager="grapevine")
    assert (
        "orders/cart (Deployment): added\n  + kubernetes: {name: redis, kind: StatefulSet}\n" in capsys.readouterr().out
    )

    assert 2 == main(["diff", str(SHOP_FILES), "cluster:nowhere"])
    assert "nowhere" in capsys.readouterr().err


def test_who_may_not_list_is_told_what_is_missing(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["list", "--kubeconfig", str(plane.kubeconfig(STRANGER))])

    printed = capsys.readouterr()
    assert 'grant it: apiGroups: ["k8s.otterize.com"], resources: [clientintents], verbs: [list]' in printed.err
    assert "or name a namespace you may read with -n" in printed.err
    assert 1 == printed.err.count("\n")


def test_who_may_read_one_namespace_lists_that_one(
    api: Api, plane: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "reader", "namespace": "orders"}}
    rule = {"apiGroups": ["k8s.otterize.com"], "resources": ["clientintents"], "verbs": ["list"]}
    api.create({**rbac, "kind": "Role", "rules": [rule]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": STRANGER}
    api.create({**rbac, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]})

    assert 0 == main(["list", "-n", "orders", "-o", "name", "--kubeconfig", str(plane.kubeconfig(STRANGER))])

    names = [line.rpartition("/")[2] for line in capsys.readouterr().out.splitlines()]
    assert ["cart", "checkout"] == names


@pytest.fixture
def kubectl(plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    """Kubectl with the plugin on PATH, as pip put it there."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return plane.kubectl()


def test_kubectl_finds_the_plugin_and_gives_it_flags_and_kubeconfig(kubectl: Kubectl) -> None:
    assert "/kubectl-grapevine\n" in kubectl.run("plugin", "list")
    check_golden("cli/list.txt", kubectl.run("grapevine", "list"))
    assert kubectl.run("grapevine", "list", "--help").startswith("usage: kubectl grapevine list ")


def test_kubectl_completes_the_plugins_words_from_the_cluster(kubectl: Kubectl) -> None:
    def words(*typed: str) -> list[str]:
        return kubectl.run("__complete", "grapevine", *typed).splitlines()[:-1]

    # A cluster that does not tell in time completes nothing: a person presses the key again.
    eventually(lambda: ["orders"] == words("list", "-n", "o"), timeout_s=60)
    eventually(lambda: ["orders/cart", "orders/checkout"] == words("blast", "orders/c"), timeout_s=60)


def test_kubectl_ends_with_the_plugin_s_exit_code(kubectl: Kubectl, tmp_path: Path) -> None:
    command = [kubectl.binary, "grapevine", "diff", "-n", "orders", str(tmp_path), "cluster:"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 1 == done.returncode
    assert "orders/cart (Deployment): added" in done.stdout
