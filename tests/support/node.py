"""A Kubernetes node's network in namespaces of its own: a bridge, pods on veth pairs, and a Service for DNS.

Packets pass it as they pass a node with a bridge CNI and kube-proxy: a pod asks the Service's address, the node turns
it into the DNS pod's, and turns the answer's back on the way through the bridge. No packet leaves the namespaces.
Needs root, iproute2, nftables and the kernel's bridge netfilter.
"""

import contextlib
import ctypes
import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, TypeVar

SERVICE: Final = "10.96.0.10"
"""Address of the Service `kube-dns`."""
GATEWAY: Final = "10.244.0.1"
"""The node's address on the bridge."""
_NAMESPACES: Final = Path("/run/netns")
_CLONE_NEWNET: Final = 0x40000000
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
"""For setns(2), which `os` has from Python 3.12 on."""
_KUBE_PROXY: Final = """
table ip kube-proxy {{
  chain prerouting {{
    type nat hook prerouting priority dstnat
    ip daddr {service} udp dport 53 dnat to {pod}
    ip daddr {service} tcp dport 53 dnat to {pod}
  }}
}}
"""
T = TypeVar("T")
Stream = int | IO[Any] | None
"""As `subprocess` takes one."""

_numbers: Final[Iterator[int]] = itertools.count(1)


class NodeError(Exception):
    """A node's network cannot be made here; the text says why."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A network namespace with one address."""

    namespace: str
    address: str


class Node:
    """The network of one node while entered; leaving it ends what was started there and removes it all."""

    def __init__(self) -> None:
        self.namespace = f"node-{os.getpid()}-{next(_numbers)}"
        self._pods: list[Pod] = []
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        """Make it.

        Raises:
            NodeError: No root, a tool is missing, or the kernel refuses.
        """
        if os.geteuid() != 0:
            raise NodeError("needs root to make network namespaces")
        missing = [tool for tool in ("ip", "nft") if shutil.which(tool) is None]
        if missing:
            raise NodeError(f"needs {' and '.join(missing)} (Debian: apt-get install iproute2 nftables)")
        try:
            _run("ip", "netns", "add", self.namespace)
            self._ip("link", "set", "lo", "up")
            self._ip("link", "add", "cni0", "type", "bridge")
            self._ip("address", "add", f"{GATEWAY}/24", "dev", "cni0")
            self._ip("link", "set", "cni0", "up")
            for setting in ("ipv4/ip_forward", "bridge/bridge-nf-call-iptables"):
                self.run(f"echo 1 > /proc/sys/net/{setting}")
        except NodeError:
            self._remove()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._remove()

    def pod(self) -> Pod:
        """Make a pod on the bridge."""
        number = len(self._pods) + 2
        pod = Pod(f"{self.namespace}-pod{number}", f"10.244.0.{number}")
        _run("ip", "netns", "add", pod.namespace)
        self._pods.append(pod)
        veth = ("link", "add", "eth0", "netns", pod.namespace, "type", "veth", "peer", "name", f"veth{number}")
        self._ip(*veth)
        self._ip("link", "set", f"veth{number}", "master", "cni0", "up")
        for words in (
            ("address", "add", f"{pod.address}/24", "dev", "eth0"),
            ("link", "set", "lo", "up"),
            ("link", "set", "eth0", "up"),
            ("route", "add", "default", "via", GATEWAY),
        ):
            _run("ip", "-n", pod.namespace, *words)
        return pod

    def serve_dns(self, pod: Pod) -> None:
        """Put the pod behind `SERVICE`, as kube-proxy does."""
        self.run(f"nft -f - <<'end'\n{_KUBE_PROXY.format(service=SERVICE, pod=pod.address)}\nend")

    def run(self, script: str, pod: Pod | None = None) -> str:
        """Run a line of shell in a pod, or on the node itself, and return what it printed."""
        return _run("ip", "netns", "exec", self._namespace(pod), "sh", "-c", script)

    def start(
        self,
        *command: str | Path,
        pod: Pod | None = None,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = None,
        stderr: Stream = None,
    ) -> "subprocess.Popen[str]":
        """Start a process in a pod, or on the node itself; its id is that of the command."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", self._namespace(pod), *map(str, command)],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
        )
        self._processes.append(process)
        return process

    def inside(self, make: Callable[[], T], pod: Pod | None = None) -> T:
        """Return what `make` makes in a pod, or on the node itself: a socket stays where it was made."""
        path = _NAMESPACES / self._namespace(pod)

        def call() -> T:
            with path.open("rb") as namespace:
                if _LIBC.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"cannot enter {path}")
            return make()

        with ThreadPoolExecutor(1) as thread:  # which alone is in there, and ends
            return thread.submit(call).result()

    def _namespace(self, pod: Pod | None) -> str:
        return self.namespace if pod is None else pod.namespace

    def _ip(self, *words: str) -> None:
        _run("ip", "-n", self.namespace, *words)

    def _remove(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        for namespace in (*(pod.namespace for pod in self._pods), self.namespace):
            with contextlib.suppress(NodeError):  # it was not made
                _run("ip", "netns", "delete", namespace)


def _run(*command: str) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
    except subprocess.CalledProcessError as error:
        raise NodeError(f"{' '.join(command)}: {error.stderr.strip() or error.returncode}") from error
