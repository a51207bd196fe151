"""`grapevine doctor` and `explain` find the operator's pod and ask it through a real API server, without kubectl.

The API server hands a forward on to the pod's kubelet, which a bare one has not: `ForwardingKubelet` stands in for it.
On a real node: tests/cluster.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.api import Api, Object
from tests.support.controlplane import ControlPlane
from tests.support.forwarding_kubelet import ForwardingKubelet
from tests.support.processes import Operator, run_grapevine

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
