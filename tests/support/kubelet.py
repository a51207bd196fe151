"""What kubelet does for capture's pod, without a node: its projected token, and the ConfigMap as a file."""

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.api import Api, ApiError, Object
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually

CAPTURE = "grapevine-capture"
"""Namespace and service account of capture."""


def bind_pod(api: Api, namespace: str, account: str, node: str) -> Object:
    """Create a node and a pod of a service account on it, and return the pod; no node for an empty name."""
    try:
        if node:
            api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
    except ApiError as error:
        if error.status != 409:
            raise
    return api.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"generateName": "capture-", "namespace": namespace},
            "spec": {
                "serviceAccountName": account,
                "nodeName": node,
                "containers": [{"name": "capture", "image": "none"}],
            },
        }
    )


def request_token(api: Api, namespace: str, account: str, audience: str, pod: Object | None = None) -> str:
    """Return a token as kubelet asks for it: for an audience, bound to a pod."""
    spec: Object = {"audiences": [audience], "expirationSeconds": 600}
    if pod is not None:
        meta = pod["metadata"]
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
    path = api.path("v1", "ServiceAccount", namespace, account, "token")
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    token: str = api.request("POST", path, body)["status"]["token"]
    return token


class Kubelet:
    """Keeps `ca.crt` and `token` in a directory while entered; waits for the ConfigMap as a pod's start does."""

    def __init__(self, plane: ControlPlane, directory: Path, node: str = "node-1") -> None:
        self._api = plane.api()
        self._directory = directory
        self._node = node
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="kubelet")

    def __enter__(self) -> Self:
        self._directory.mkdir(exist_ok=True)
        pod = bind_pod(self._api, CAPTURE, CAPTURE, self._node)
        (self._directory / "token").write_text(request_token(self._api, CAPTURE, CAPTURE, "grapevine", pod))
        eventually(self._copy, timeout_s=30)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._api.close()

    @property
    def flags(self) -> tuple[str, ...]:
        """What capture is told of it."""
        return (f"--ca-file={self._directory / 'ca.crt'}", f"--token-file={self._directory / 'token'}")

    def _copy(self) -> bool:
        try:
            pem = self._api.get("v1", "ConfigMap", CAPTURE, "grapevine-ca")["data"]["ca.crt"]
        except ApiError:
            return False
        path = self._directory / "ca.crt"
        if not path.exists() or path.read_text() != pem:
            fresh = path.with_suffix(".new")
            fresh.write_text(pem)
            fresh.replace(path)
        return True

    def _follow(self) -> None:
        while not self._ended.wait(0.2):
            self._copy()
