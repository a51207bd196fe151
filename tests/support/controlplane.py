"""A real etcd and kube-apiserver on loopback ports: no root, no node, no controllers; ready in about four seconds.

The binaries come from `build-control-plane.sh`, which also owns their versions. Authentication is a static token file
and a certificate the API server makes for itself, so nothing but the three binaries is needed.
"""

import base64
import ctypes
import json
import secrets
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from tests.support.api import Api, ApiError, Object
from tests.support.kubectl import Kubectl

BUILD = Path(__file__).with_name("build-control-plane.sh")
ADMIN = "admin"
SERVICE_CIDR = "10.96.0.0/16"  # the recorded shop's, so that its Services keep their addresses
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0


class ControlPlaneError(Exception):
    """The control plane cannot be started; the text says why and where the logs are."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the three programs are."""

    etcd: Path
    kube_apiserver: Path
    kubectl: Path


def find_binaries() -> Binaries:
    """Return the cached binaries of the versions `build-control-plane.sh` names.

    Raises:
        ControlPlaneError: One of them was not built yet.
    """
    printed = subprocess.run([BUILD, "--print-bin"], check=True, capture_output=True, text=True)
    directory = Path(printed.stdout.strip())
    for name in ("etcd", "kube-apiserver", "kubectl"):
        if not (directory / name).exists():
            raise ControlPlaneError(f"{name} is not in {directory}; run `make control-plane` (4 minutes, once)")
    return Binaries(directory / "etcd", directory / "kube-apiserver", directory / "kubectl")


class ControlPlane:
    """One etcd and one kube-apiserver, ended with this object (or with the thread that started them).

    Users are those of `users` (name → groups) and `admin`; RBAC is on. Service accounts get real tokens.
    """

    def __init__(
        self,
        directory: Path,
        binaries: Binaries,
        *,
        users: Mapping[str, tuple[str, ...]] | None = None,
        apiserver_flags: Sequence[str] = (),
    ) -> None:
        """Take where to live; `apiserver_flags` are added to those it needs."""
        self._apiserver_flags = apiserver_flags
        self.directory = directory
        """Home of everything that is written: data, certificate, kubeconfigs and `*.log`."""
        self.binaries = binaries
        self._groups = {**(users or {}), ADMIN: ("system:masters",)}
        self._tokens = {user: secrets.token_hex(16) for user in self._groups}
        self._etcd_port, self._peer_port, self._api_port = _free_ports(3)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def server(self) -> str:
        """URL of the API server; stays the same over a restart."""
        return f"https://127.0.0.1:{self._api_port}"

    @property
    def ca_pem(self) -> str:
        """Certificate the server presents, with the authority it made for it."""
        return (self.directory / "pki" / "apiserver.crt").read_text()

    def start(self) -> None:
        """Start both and wait until the API server is ready.

        Raises:
            ControlPlaneError: One of them ended or was not ready in time; nothing is left running.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            self._start_etcd()
            self.start_apiserver()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End what was started, API server first."""
        self.stop_apiserver()
        self._end("etcd")

    def _start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        self._run(
            "etcd",
            [
                self.binaries.etcd,
                f"--data-dir={self.directory / 'etcd'}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
        )

    def start_apiserver(self) -> None:
        """Start the API server on its port, again if need be, and wait until it is ready.

        Raises:
            ControlPlaneError: It ended or was not ready in time.
        """
        if "kube-apiserver" in self._processes:
            return
        tokens, key, pki = self.directory / "tokens.csv", self.directory / "service-account.key", self.directory / "pki"
        rows = [f'{token},{user},{user},"{",".join(self._groups[user])}"' for user, token in self._tokens.items()]
        _write_private(tokens, "\n".join(rows))
        if not key.exists():
            _write_private(key, _new_ec_key_pem())
        self._run(
            "kube-apiserver",
            [
                self.binaries.kube_apiserver,
                f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
                "--bind-address=127.0.0.1",
                f"--secure-port={self._api_port}",
                "--advertise-address=127.0.0.1",
                "--endpoint-reconciler-type=none",  # loopback is no valid endpoint, and the shop brings its own
                f"--service-cluster-ip-range={SERVICE_CIDR}",
                f"--cert-dir={pki}",
                f"--token-auth-file={tokens}",
                "--authorization-mode=RBAC",
                "--disable-admission-plugins=ServiceAccount",  # no controller makes the default accounts
                "--allow-privileged=true",
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                f"--service-account-signing-key-file={key}",
                f"--service-account-key-file={key}",
                *self._apiserver_flags,
            ],
        )
        self._wait_ready()

    def stop_apiserver(self) -> None:
        """End the API server alone; etcd keeps the state."""
        self._end("kube-apiserver")

    def api(self, user: str = ADMIN) -> Api:
        """Return a connection of a user known at the start."""
        return Api(self.server, token=self._tokens[user], ca_pem=self.ca_pem)

    def token(self, user: str) -> str:
        """Return the token of a user known at the start."""
        return self._tokens[user]

    def kubeconfig(self, user: str = ADMIN) -> Path:
        """Write the kubeconfig of a user known at the start and return its path."""
        return self._write_kubeconfig(user, self._tokens[user])

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """Write a kubeconfig with a fresh token of an existing ServiceAccount and return its path.

        Raises:
            ApiError: There is no such ServiceAccount.
        """
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        with self.api() as api:
            path = api.path("v1", "ServiceAccount", namespace, name, "token")
            token = api.request("POST", path, request)["status"]["token"]
        return self._write_kubeconfig(f"{namespace}.{name}", token)

    def kubectl(self, user: str = ADMIN) -> Kubectl:
        """Return a kubectl that acts as a user known at the start."""
        return Kubectl(self.binaries.kubectl, self.kubeconfig(user), cache=self.directory / "kubectl-cache")

    def _write_kubeconfig(self, user: str, token: str) -> Path:
        cluster = {"server": self.server, "certificate-authority-data": base64.b64encode(self.ca_pem.encode()).decode()}
        config: Object = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }
        path = self.directory / f"{quote(user, safe='')}.kubeconfig"
        _write_private(path, json.dumps(config, indent=1))  # JSON is YAML
        return path

    def _run(self, name: str, command: list[str | Path]) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent
            )

    def _end(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        last = "no answer yet"
        while time.monotonic() < deadline:
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise ControlPlaneError(f"{name} ended with code {process.returncode}:\n{self._log_tail(name)}")
            try:
                with self.api() as api:
                    api.request("GET", "/readyz")
            except (OSError, ssl.SSLError, ApiError) as error:
                last = str(error)
                time.sleep(0.05)
            else:
                return
        raise ControlPlaneError(f"not ready after {READY_TIMEOUT_S} s: {last}\n{self._log_tail('kube-apiserver')}")

    def _log_tail(self, name: str) -> str:
        path = self.directory / f"{name}.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join([*lines[-15:], f"(all of it: {path})"])


def _free_ports(count: int) -> list[int]:
    """Return loopback ports nobody listens on, distinct because all are held until the last one is found."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _new_ec_key_pem() -> str:
    """Return a new P-256 private key as PEM, to sign service account tokens.

    Source: RFC 5915. The public half is optional there, and Go computes it; 32 random bytes are a valid scalar but for
    a chance of 2^-32.
    """
    p256 = bytes.fromhex("06082a8648ce3d030107")
    body = b"\x02\x01\x01" + b"\x04\x20" + secrets.token_bytes(32) + b"\xa0" + bytes([len(p256)]) + p256
    text = base64.encodebytes(b"\x30" + bytes([len(body)]) + body).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{text}-----END EC PRIVATE KEY-----\n"


def _end_with_parent() -> None:
    """Make Linux kill this process with the thread that started it, however that ends (`PR_SET_PDEATHSIG`).

    Not by SIGTERM: an API server whose etcd is gone at the same moment would wait for it, orphaned.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
