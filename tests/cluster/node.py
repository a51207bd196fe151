"""A real one-node Kubernetes for the tests: up.sh and down.sh, and what a test reads of it from outside."""

import contextlib
import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.controlplane import find_binaries
from tests.support.eventually import eventually
from tests.support.kubectl import Kubectl, KubectlError

HERE = Path(__file__).parent
UP_TIMEOUT_S = 300.0

CAPTURE = ("/opt/grapevine/bin/grapevine", "capture", "--source", "packet")
OPERATOR = ("/opt/grapevine/bin/grapevine", "operator")
"""Command lines in the pods, for `process_of`."""

Object = dict[str, Any]


class NodeError(Exception):
    """The node cannot be brought up; the text says why."""


def why_impossible() -> str:
    """Return why this machine cannot be a node, or the empty string."""
    done = subprocess.run([HERE / "check.sh"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stdout or done.stderr).strip()


def is_built() -> bool:
    """Tell whether build.sh has made what a node needs."""
    printed = subprocess.run([HERE / "build.sh", "--print-home"], check=True, capture_output=True, text=True)
    return (Path(printed.stdout.strip()) / "images" / "coredns.tar").exists()


class Node:
    """One node with its control plane, up for as long as the `with` block."""

    def __init__(self, directory: Path, *archives: Path) -> None:
        """Take a directory for its state and logs, and images to import."""
        self.directory = directory
        self.kubeconfig = directory / "admin.kubeconfig"
        self._archives = archives

    def __enter__(self) -> Self:
        done = subprocess.run(
            [HERE / "up.sh", self.directory, *self._archives],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=UP_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            self._down()
            raise NodeError(done.stdout)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._down()

    def _down(self) -> None:
        subprocess.run([HERE / "down.sh", self.directory], check=True, timeout=UP_TIMEOUT_S)

    @property
    def kubectl(self) -> Kubectl:
        """Kubectl as the cluster's administrator."""
        return Kubectl(find_binaries().kubectl, self.kubeconfig, cache=self.directory / "kubectl-cache")

    def apply(self, manifests: str) -> None:
        """Apply manifests."""
        self.kubectl.run("apply", "-f", "-", stdin=manifests)

    def objects(self, *arguments: str) -> list[Object]:
        """Return the items of `kubectl get … -o json`."""
        items: list[Object] = json.loads(self.kubectl.run("get", *arguments, "-o", "json"))["items"]
        return items

    def wait_for_pod(self, namespace: str, name: str, *, phases: tuple[str, ...], timeout_s: float) -> Object:
        """Wait until a pod is in one of these phases, and return it."""

        def found() -> list[Object]:
            pods = self.objects("pods", "-n", namespace, f"--field-selector=metadata.name={name}")
            return [pod for pod in pods if pod["status"]["phase"] in phases]

        return eventually(found, timeout_s=timeout_s, every_s=0.2)[0]

    def answers(self) -> bool:
        """Tell whether the API server says that it is ready."""
        with contextlib.suppress(KubectlError, subprocess.TimeoutExpired):
            return self.kubectl.run("get", "--raw", "/readyz") == "ok"
        return False

    def stop_api_server(self) -> None:
        """End the API server alone, as a crash does: told to end, it would wait a minute for its watches."""
        pid = (self.directory / "apiserver.pid").read_text().strip()
        subprocess.run(["kill", "-KILL", pid], check=True)
        subprocess.run(["tail", f"--pid={pid}", "-f", "/dev/null"], check=True, timeout=90)

    def start_api_server(self) -> None:
        """Start it again, nobody's child like everything of up.sh, with its id where down.sh looks for it."""
        start = "setsid ./start-apiserver.sh >>logs/apiserver.log 2>&1 </dev/null & echo $! >apiserver.pid"
        subprocess.run(["bash", "-c", start], cwd=self.directory, check=True)


def process_of(*words: str) -> Path:
    """Return the `/proc` directory of the one process in a pod whose command line has these words in a row.

    Raises:
        LookupError: there is none, or there are several.
    """
    wanted = "\0".join(words).encode()
    found = [
        path.parent
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if wanted in _read(path) and "kubepods" in _read(path.parent / "cgroup").decode()
    ]
    if len(found) != 1:
        raise LookupError(f"{len(found)} processes in pods run {' '.join(words)}")
    return found[0]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it ended meanwhile
