"""`grapevine doctor` and `explain` find the operator's pod and ask it through a real API server, without kubectl.

The API server hands a forward on to the pod's kubelet, which a bare one has not: `ForwardingKubelet` stands in for it.
On a real node: tests/cluster.
"""

import http.client
import json
import signal
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.api import Api, Object
from tests.support.controlplane import ControlPlane
from tests.support.forwarding_kubelet import ForwardingKubelet
from tests.support.processes import Operator, run_grapevine, started

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("clientintents_crd")]

LABELS = {"app.kubernetes.io/name": "grapevine-operator"}
NODE = "node-of-the-operator"


@pytest.fixture
def kubelet(api: Api, unused_tcp_port: int) -> Iterator[ForwardingKubelet]:
    """A node's kubelet, known to the API server; nothing listens in its pods."""
    kubelet = ForwardingKubelet(unused_tcp_port)
    with kubelet.serving():
        node = api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
        addresses = [{"type": "InternalIP", "address": "127.0.0.1"}]
        endpoint = {"kubeletEndpoint": {"Port": kubelet.port}}
        api.merge_status(node, {"addresses": addresses, "daemonEndpoints": endpoint})
        yield kubelet
        api.delete(node)


def a_pod(api: Api, namespace: str, name: str, *, ready: bool = True) -> Object:
    """Return a pod of the operator, as kubelet reports it."""
    spec = {"nodeName": NODE, "containers": [{"name": "operator", "image": "none"}]}
    meta = {"namespace": namespace, "name": name, "labels": LABELS}
    pod = api.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return api.merge_status(pod, {"phase": "Running", "conditions": [condition]})


def ask(plane: ControlPlane, namespace: str, *words: str) -> "subprocess.CompletedProcess[str]":
    return run_grapevine(*words, f"--kubeconfig={plane.kubeconfig()}", f"--operator-namespace={namespace}")


def test_asks_the_pod_that_is_ready(
    control_plane: ControlPlane, api: Api, namespace: str, kubelet: ForwardingKubelet, tmp_path: Path
) -> None:
    a_pod(api, namespace, "a-not-ready", ready=False)
    a_pod(api, namespace, "operator")
    with Operator(control_plane.kubeconfig(), tmp_path / "operator.log") as operator:
        kubelet.target_port = int(operator.api_url.rpartition(":")[2])
        doctor = ask(control_plane, namespace, "doctor")
        explain = ask(control_plane, namespace, "explain", "shop/web", "cart", "-o", "json")
        watch = ask(control_plane, namespace, "watch", "--once")

    assert doctor.stderr == explain.stderr == watch.stderr == ""
    assert (watch.returncode, watch.stdout) == (0, "")
    assert doctor.stdout.startswith(f"{namespace}/operator (Grapevine ")
    assert (doctor.returncode, explain.returncode) == (1, 1)
    assert json.loads(explain.stdout)["verdict"] == "client-unknown"


def test_the_map_is_forwarded_with_its_stream_of_changes(
    control_plane: ControlPlane, api: Api, namespace: str, kubelet: ForwardingKubelet, tmp_path: Path
) -> None:
    a_pod(api, namespace, "operator")
    where = (f"--kubeconfig={control_plane.kubeconfig()}", f"--operator-namespace={namespace}")
    with Operator(control_plane.kubeconfig(), tmp_path / "operator.log") as operator:
        kubelet.target_port = int(operator.api_url.rpartition(":")[2])
        with started("map", "--no-browser", "--port=0", *where) as process:
            assert process.stdout
            url, _, said = process.stdout.readline().partition(" ")
            assert f"is the map of {namespace}/operator\n" == said
            connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=30)
            for path, text in (
                ("/", b"<!doctype html>"),
                ("/page/main.js", b"/** Joins"),
                ("/api/v1/graph", b'{"width"'),
            ):
                connection.request("GET", path)  # all of them over one connection
                assert connection.getresponse().read().startswith(text)
            connection.request("GET", "/api/v1/changes")
            assert b"event: change\n" == connection.getresponse().readline()
            connection.close()
            process.send_signal(signal.SIGINT)
            assert (130, "") == (process.wait(30), process.stderr.read() if process.stderr else "")


def test_a_port_nobody_listens_on_is_told_as_kubelet_does(
    control_plane: ControlPlane, api: Api, namespace: str, kubelet: ForwardingKubelet
) -> None:
    a_pod(api, namespace, "operator")
    done = ask(control_plane, namespace, "doctor")

    assert done.returncode == 2
    assert f"grapevine: {namespace}/operator: port 8082: error forwarding port" in done.stderr


def test_without_a_ready_pod_it_says_where_it_looked(control_plane: ControlPlane, namespace: str) -> None:
    done = ask(control_plane, namespace, "doctor")

    assert done.returncode == 2
    assert f"no pod with app.kubernetes.io/name=grapevine-operator is ready in {namespace}" in done.stderr


def test_who_may_not_forward_is_told_the_rule(
    control_plane: ControlPlane, api: Api, namespace: str, kubelet: ForwardingKubelet
) -> None:
    del kubelet
    a_pod(api, namespace, "operator")
    meta = {"namespace": namespace, "name": "reader"}
    rbac = "rbac.authorization.k8s.io"
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
    api.create({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": rules})
    api.create(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", **meta}],
        }
    )
    kubeconfig = control_plane.service_account_kubeconfig(namespace, "reader")
    done = run_grapevine("doctor", f"--kubeconfig={kubeconfig}", f"--operator-namespace={namespace}")

    assert done.returncode == 2
    assert 'grant it: apiGroups: [""], resources: [pods/portforward], verbs: [get]' in done.stderr
