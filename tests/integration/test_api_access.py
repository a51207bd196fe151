"""Who may read the map over TLS: tokens and RBAC of a real API server, and nothing but the manifests' rights."""

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.support.api import Api
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.expired import expired
from tests.support.granted import freshly_installed, granting_plane
from tests.support.kubelet import request_token
from tests.support.manifests import DEPLOY, Object
from tests.support.processes import TlsOperator, run_grapevine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

RBAC = "rbac.authorization.k8s.io/v1"
RIGHT = list(yaml.safe_load_all((DEPLOY / "components" / "api" / "rbac.yaml").read_text()))
READERS: Object = {
    "apiVersion": RBAC,
    "kind": "ClusterRole",
    "metadata": {"name": "map-readers"},
    "rules": [{"apiGroups": ["k8s.otterize.com"], "resources": ["clientintents"], "verbs": ["list"]}],
}
PATHS = ("/", "/api/v1/graph", "/api/v1/doctor")
KNOWN = ("alice", "bob", "carol", "robot", "capture")
"""Of the tokens, those the API server accepts; the others are shown once each, for guessing is slowed."""


def binding(kind: str, name: str, *subjects: Object, namespace: str = "") -> Object:
    return {
        "apiVersion": RBAC,
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "roleRef": {"apiGroup": RBAC.partition("/")[0], "kind": "ClusterRole", "name": "map-readers"},
        "subjects": list(subjects),
    }


@pytest.fixture(scope="module")
def plane(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with people: alice of sre may list everywhere, bob in one namespace, carol nowhere."""
    group = {"kind": "Group", "name": "sre", "apiGroup": RBAC.partition("/")[0]}
    robot = {"kind": "ServiceAccount", "name": "robot", "namespace": "storefront"}
    bob = {"kind": "User", "name": "bob", "apiGroup": RBAC.partition("/")[0]}
    users = {"alice": ("sre",), "bob": (), "carol": ()}
    with granting_plane(tmp_path_factory.mktemp("access"), control_plane_binaries, users) as plane:
        with plane.api() as api:
            account = {"name": robot["name"], "namespace": robot["namespace"]}
            api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
            for each in (
                *RIGHT,
                READERS,
                binding("ClusterRoleBinding", "map-readers", group, robot),
                binding("RoleBinding", "map-readers", bob, namespace="storefront"),
            ):
                api.apply(each, manager="tests")
        yield plane


@pytest.fixture
def api(plane: ControlPlane) -> Iterator[Api]:
    """The API server as freshly installed."""
    with freshly_installed(plane) as connection:
        yield connection


@pytest.fixture
def operator(plane: ControlPlane, api: Api, tmp_path: Path) -> Iterator[TlsOperator]:
    """A running operator that answers over TLS."""
    with TlsOperator.with_api(plane, tmp_path / "operator.log") as process:
        yield process


@pytest.fixture
def ca_file(api: Api, operator: TlsOperator, tmp_path: Path) -> Path:
    """Whom to trust, as a person reads it."""
    path = tmp_path / "ca.crt"
    path.write_text(api.get("v1", "ConfigMap", "grapevine-capture", "grapevine-ca")["data"]["ca.crt"])
    return path


def ask(operator: TlsOperator, ca_file: Path, path: str, token: str) -> tuple[int, str]:
    context = ssl.create_default_context(cafile=str(ca_file))
    connection = http.client.HTTPSConnection("localhost", operator.api_tls_port, timeout=20, context=context)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, "" if answer.status == 200 else json.loads(text)["error"]
    finally:
        connection.close()


def tokens(plane: ControlPlane, api: Api) -> dict[str, str]:
    of_grapevine = request_token(api, "storefront", "robot", "grapevine")
    return {
        "alice": plane.token("alice"),
        "bob": plane.token("bob"),
        "carol": plane.token("carol"),
        "robot": of_grapevine,
        "expired": expired(plane, of_grapevine),
        "capture": request_token(api, "grapevine-capture", "grapevine-capture", "grapevine"),
        "for another": request_token(api, "storefront", "robot", "vault"),
        "invented": "no-such-token",
        "none": "",
    }


def test_who_may_list_clientintents_everywhere_may_read_and_nobody_else(
    plane: ControlPlane, api: Api, operator: TlsOperator, ca_file: Path
) -> None:
    """Among those who may not is carol, who like everybody may `get` /api/* of the API server itself."""
    given = tokens(plane, api)

    answers = {
        who: {ask(operator, ca_file, path, token) for path in (PATHS if who in KNOWN else PATHS[:1])}
        for who, token in given.items()
    }

    statuses = {who: {status for status, _ in each} for who, each in answers.items()}
    assert {
        "alice": {200},
        "robot": {200},
        "bob": {403},
        "carol": {403},
        "capture": {403},
        "expired": {401},
        "for another": {401},
        "invented": {401},
        "none": {401},
    } == statuses
    said = {who: next(iter(each))[1] for who, each in answers.items()}
    assert "bob may not list clientintents.k8s.otterize.com in all namespaces" in said["bob"]
    assert "--audience grapevine" in said["none"]
    assert "orbidden" not in operator.log_text()


def test_commands_ask_with_a_token(plane: ControlPlane, operator: TlsOperator, ca_file: Path, tmp_path: Path) -> None:
    url = f"--operator=https://localhost:{operator.api_tls_port}"
    files = {}
    for who in ("alice", "carol"):
        files[who] = tmp_path / who
        files[who].write_text(plane.token(who) + "\n")
    trust = f"--ca-file={ca_file}"

    good = run_grapevine("doctor", url, trust, f"--token-file={files['alice']}", "-o", "json")
    assert "findings" in json.loads(good.stdout), good.stderr
    refused = run_grapevine("explain", "storefront/web", "cart", url, trust, f"--token-file={files['carol']}")
    assert (2, "") == (refused.returncode, refused.stdout)
    assert "carol may not list clientintents.k8s.otterize.com" in refused.stderr
    without = run_grapevine("explain", "storefront/web", "cart", url, trust)
    assert "--token-file" in without.stderr
    untrusted = run_grapevine("explain", "storefront/web", "cart", url, f"--token-file={files['alice']}")
    assert "--ca-file names whom to trust" in untrusted.stderr


def test_without_the_components_right_nobody_comes_in_and_it_says_which(
    plane: ControlPlane, api: Api, operator: TlsOperator, ca_file: Path
) -> None:
    role_binding = next(each for each in RIGHT if each["kind"] == "ClusterRoleBinding")
    api.delete(role_binding)
    try:
        eventually(
            lambda: ask(operator, ca_file, "/", request_token(api, "storefront", "robot", "grapevine"))[0] == 503
        )
        missing = 'cannot create resource "subjectaccessreviews" in API group "authorization.k8s.io"'
        assert missing in operator.log_text()
    finally:
        api.create(role_binding)
