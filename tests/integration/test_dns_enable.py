"""`grapevine dns enable --dry-run` against a real API server, and its command in a real shell."""

import os
import subprocess
from pathlib import Path

import pytest
from tests.support.api import Api
from tests.support.controlplane import ControlPlane
from tests.support.processes import run_grapevine

pytestmark = pytest.mark.integration

COREFILE = """\
.:53 {
    errors
    log . "{remote} it's $HOME `x` {name}"
    reload
}
"""


@pytest.fixture
def words(api: Api, namespace: str, control_plane: ControlPlane) -> list[str]:
    """The flags that name a ConfigMap and a Service of the test's own."""
    metadata = {"name": "coredns", "namespace": namespace}
    api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"Corefile": COREFILE}})
    return [
        "dns", "enable", "--dry-run", f"--kubeconfig={control_plane.kubeconfig()}",
        f"--configmap={namespace}/coredns", f"--service={namespace}/grapevine-dnstap",
    ]  # fmt: skip


def a_service(namespace: str, **spec: object) -> dict[str, object]:
    ports = [{"name": "dnstap", "port": 6000}]
    metadata = {"name": "grapevine-dnstap", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports, **spec}}


def test_its_command_applies_what_it_showed_and_only_once(
    api: Api, namespace: str, words: list[str], control_plane: ControlPlane
) -> None:
    address = api.create(a_service(namespace))["spec"]["clusterIP"]
    shown = run_grapevine(*words)
    assert shown.returncode == 0, shown.stderr
    assert f"+    dnstap tcp://{address}:6000 full\n" in shown.stdout
    path = api.path("v1", "ConfigMap", namespace, "coredns")
    assert api.request("GET", path)["data"] == {"Corefile": COREFILE}

    assert _apply(shown.stdout, control_plane).returncode == 0
    expected = COREFILE.replace(".:53 {\n", f".:53 {{\n    dnstap tcp://{address}:6000 full\n")
    assert api.request("GET", path)["data"] == {"Corefile": expected}
    assert "nothing to do" in run_grapevine(*words).stdout
    again = _apply(shown.stdout, control_plane)
    assert (again.returncode, "Conflict" in again.stderr) == (1, True), again.stderr


def test_says_what_is_missing(api: Api, namespace: str, words: list[str]) -> None:
    missing = run_grapevine(*words)
    assert missing.returncode == 2
    assert f"{namespace}/grapevine-dnstap is not among the services of" in missing.stderr
    api.create(a_service(namespace, clusterIP="None"))
    headless = run_grapevine(*words)
    assert (headless.returncode, "give --address IP" in headless.stderr) == (2, True)
    assert "name CoreDNS's with --configmap" in run_grapevine(*words, f"--configmap={namespace}/none").stderr


def _apply(shown: str, control_plane: ControlPlane) -> "subprocess.CompletedProcess[str]":
    """Run the command that was shown as a person does: pasted into a shell."""
    command = shown[shown.index("\nkubectl") : shown.index("\nPATCH\n") + len("\nPATCH\n")]
    binaries: Path = control_plane.binaries.kubectl.parent
    env = os.environ | {"KUBECONFIG": str(control_plane.kubeconfig()), "PATH": f"{binaries}:{os.environ['PATH']}"}
    return subprocess.run(["sh"], input=command, env=env, capture_output=True, text=True, check=False, timeout=60)
