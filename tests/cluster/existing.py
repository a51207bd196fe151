"""A cluster of kind instead of a node of our own: docs/guide/kind.md. Same tests, same assertions.

The pods' processes must be this machine's, for tests read `/proc` of capture and operator: kind on Linux, as root.
"""

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.node import HERE, Node
from tests.support.eventually import eventually

CONTROL_PLANE = "kind-control-plane"
"""Docker container of kind's only node, by its default name."""
_MANIFEST = "kube-apiserver.yaml"
_DNS = ("configmap", "coredns", "-n", "kube-system")


class ExistingCluster(Node):
    """A cluster that is there and stays, asked through its kubeconfig; for the tests its Internet is our upstream."""

    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        """Take an administrator's kubeconfig, and a directory for kubectl's cache."""
        super().__init__(directory)
        self.kubeconfig = kubeconfig
        self._corefile = ""

    def __enter__(self) -> Self:
        self.apply(json.dumps(_upstream()))
        upstream = ("deployment/upstream", "-n", "kube-system")
        self.kubectl.run("rollout", "status", *upstream, "--timeout=90s", timeout_s=100)
        service = json.loads(self.kubectl.run("get", "service", "-n", "kube-system", "upstream", "-o", "json"))
        self._corefile = json.loads(self.kubectl.run("get", *_DNS, "-o", "json"))["data"]["Corefile"]
        self._configure_dns(_forwarding_to(service["spec"]["clusterIP"], self._corefile))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._configure_dns(self._corefile)
        self.kubectl.run("delete", "-f", "-", "--ignore-not-found", stdin=json.dumps(_upstream()))

    def stop_api_server(self) -> None:
        """Have kubelet end it: its manifest leaves the directory of static pods."""
        self._in_node("mv", f"/etc/kubernetes/manifests/{_MANIFEST}", f"/etc/kubernetes/{_MANIFEST}")
        eventually(lambda: not self.answers(), timeout_s=150, every_s=0.5)

    def start_api_server(self) -> None:
        """Have kubelet start it again."""
        self._in_node("mv", f"/etc/kubernetes/{_MANIFEST}", f"/etc/kubernetes/manifests/{_MANIFEST}")

    def _in_node(self, *command: str) -> None:
        subprocess.run(["docker", "exec", CONTROL_PLANE, *command], check=True, timeout=60)

    def _configure_dns(self, corefile: str) -> None:
        self.kubectl.run("patch", *_DNS, "--type=merge", "-p", json.dumps({"data": {"Corefile": corefile}}))
        dns = ("deployment/coredns", "-n", "kube-system")
        self.kubectl.run("rollout", "restart", *dns)
        self.kubectl.run("rollout", "status", *dns, "--timeout=120s", timeout_s=150)


def _forwarding_to(upstream: str, corefile: str) -> str:
    """Return a Corefile that asks `upstream` for what it does not know itself."""
    lines = corefile.splitlines(keepends=True)
    (at,) = (n for n, line in enumerate(lines) if line.split()[:2] == ["forward", "."])
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    end = at + 1
    if lines[at].rstrip().endswith("{"):
        end = next(n for n in range(at, len(lines)) if lines[n].strip() == "}") + 1
    return "".join([*lines[:at], f"{indent}forward . {upstream}:5354\n", *lines[end:]])


def _upstream() -> dict[str, object]:
    """Return the manifests of the upstream resolver that stands for the Internet on our own node too."""
    labels = {"app": "upstream"}
    meta = {"name": "upstream", "namespace": "kube-system", "labels": labels}
    files = {
        "Corefile": (HERE / "upstream.Corefile").read_text(),
        "db.example.net": (HERE / "db.example.net").read_text(),
    }
    container = {
        "name": "coredns",
        "image": "localhost/coredns:1",
        "imagePullPolicy": "Never",
        "args": ["-conf", "/zones/Corefile"],
        "env": [{"name": "zones", "value": "/zones"}],
        "volumeMounts": [{"name": "zones", "mountPath": "/zones"}],
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "volumes": [{"name": "zones", "configMap": {"name": "upstream"}}]},
    }
    ports = [{"name": name.lower(), "port": 5354, "protocol": name} for name in ("UDP", "TCP")]
    items = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": files},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": labels, "ports": ports}},
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}
