"""Grapevine's two processes as a user starts them, ended with the test."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually

START_TIMEOUT_S = 60.0
GRAPEVINE = (sys.executable, "-m", "grapevine.cli.main")


def run_grapevine(*arguments: str | Path, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*GRAPEVINE, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env=_environment(),
    )


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command that goes on until it is ended, which it is at the latest with the context."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*GRAPEVINE, *arguments], stdout=pipe, stderr=pipe, text=True, env=_environment()) as process:
        try:
            yield process
        finally:
            process.kill()


class Operator:
    """`grapevine operator` on loopback ports that stay the same over a restart."""

    def __init__(
        self, kubeconfig: Path, log: Path, *, environ: Mapping[str, str] | None = None, **settings: str
    ) -> None:
        """Make one; `settings` are `GRAPEVINE_*` variables without the prefix, in lower case, `environ` any others.

        What it hears settles in a tenth of a second: nothing here is as late as a real cluster's news.
        """
        settings = {"settle_ms": "100", **settings}
        self._kubeconfig = kubeconfig
        self._log = log
        self._settings = {f"GRAPEVINE_{name.upper()}": value for name, value in settings.items()} | dict(environ or {})
        self._port, self._health_port, self._api_port = _free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where capture sends to."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        """Where explain and doctor ask."""
        return f"http://127.0.0.1:{self._api_port}"

    @property
    def kubeconfig(self) -> Path:
        """What it, and whoever looks at its cluster, gets to the API server by."""
        return self._kubeconfig

    @property
    def metrics_target(self) -> str:
        """`HOST:PORT` of `/metrics`."""
        return f"127.0.0.1:{self._health_port}"

    @property
    def pid(self) -> int:
        """Process id of the one that runs."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self.kill()

    def start(self, *, wait: bool = True) -> None:
        """Start it and, unless told otherwise, wait until it is ready."""
        command = [
            *GRAPEVINE,
            "operator",
            f"--kubeconfig={self._kubeconfig}",
            f"--listen=127.0.0.1:{self._port}",
            f"--health=127.0.0.1:{self._health_port}",
            f"--api=127.0.0.1:{self._api_port}",
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=_environment() | self._settings
            )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until `/readyz` says so."""
        eventually(self._is_ready, timeout_s=START_TIMEOUT_S)

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as kubelet does, and return its exit code."""
        return self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Stop it where it stands, as a machine that is suspended does."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def has_ended(self) -> bool:
        """Tell whether it has ended by itself."""
        assert self._process is not None
        return self._process.poll() is not None

    def wait_ended(self) -> int:
        """Wait until it has ended by itself, and return its exit code."""
        assert self._process is not None
        process, self._process = self._process, None
        return process.wait(60)

    def metrics(self) -> dict[str, float]:
        """Return `/metrics`: value by series, `name{label="value"}`."""
        lines = self._get("/metrics").splitlines()
        rows = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {series: float(value) for series, _, value in rows}

    def log_text(self) -> str:
        """Return what it logged, all starts together."""
        return self._log.read_text(errors="replace")

    def _is_ready(self) -> bool:
        assert self._process is not None
        code = self._process.poll()
        if code is not None:
            raise RuntimeError(f"operator ended with code {code}:\n{self.log_text()[-3000:]}")
        try:
            self._get("/readyz")
        except OSError:
            return False
        return True

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._health_port}{path}", timeout=5) as reply:
            body: bytes = reply.read()
        return body.decode()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(how)
        return process.wait(30)


def in_pod(name: str) -> dict[str, str]:
    """Return the settings that the manifests take from the pod: with them it asks for the Lease."""
    return {"namespace": "grapevine-system", "pod_name": name, "pod_uid": f"uid-of-{name}", "pod_ip": "127.0.0.1"}


class TlsOperator(Operator):
    """The operator as its service account, with a TLS listener on a port of its own that is known as localhost."""

    def __init__(self, plane: ControlPlane, log: Path, **settings: str) -> None:
        self.tls_port, self.api_tls_port = _free_ports(2)
        super().__init__(
            plane.service_account_kubeconfig("grapevine-system", "grapevine-operator"),
            log,
            tls_listen=f"127.0.0.1:{self.tls_port}",
            tls_secret="grapevine-system/grapevine-serving",  # noqa: S106 - a name
            tls_names="localhost,grapevine-operator.grapevine-system.svc",
            park_ms="500",
            environ=None,
            **settings,
        )

    @classmethod
    def replica(cls, plane: ControlPlane, directory: Path, pod: str) -> Self:
        """Make one of several: a process in a pod of that name, which asks for the Lease."""
        trusting = "grapevine-capture/grapevine-ca,grapevine-system/grapevine-ca"
        return cls(plane, directory / f"{pod}.log", ca_configmap=trusting, **in_pod(pod))

    @classmethod
    def with_api(cls, plane: ControlPlane, log: Path) -> Self:
        """Make one that answers questions over TLS on `api_tls_port` as well."""
        made = cls(plane, log)
        made._settings["GRAPEVINE_API_TLS_LISTEN"] = f"127.0.0.1:{made.api_tls_port}"
        return made

    def leads(self) -> bool:
        """Whether it says so."""
        return self.metrics()["grapevine_leader"] == 1

    @property
    def url(self) -> str:
        """Where capture sends to."""
        return f"https://localhost:{self.tls_port}"

    def requests(self) -> dict[str, float]:
        """Return what requests came to, by result."""
        prefix = 'grapevine_ingest_requests_total{result="'
        return {k.removeprefix(prefix)[:-2]: v for k, v in self.metrics().items() if k.startswith(prefix)}


def start_capture(pcap: Path, operator_url: str, *arguments: str) -> subprocess.Popen[str]:
    """Start `grapevine capture` on a file; its output is read when it has ended."""
    command = [*GRAPEVINE, "capture", "--source=pcap", f"--file={pcap}", f"--operator={operator_url}", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment())


def send_capture(pcap: Path, operator_url: str) -> str:
    """Send a capture until all of it is durable; return what the process printed."""
    capture = start_capture(pcap, operator_url)
    output, _ = capture.communicate(timeout=180)
    assert capture.returncode == 0, output
    return output


def start_dnstap(listen: str, operator_url: str, *arguments: str) -> subprocess.Popen[str]:
    """Start `grapevine capture` as the sidecar does; its output is read when it has ended."""
    command = [*GRAPEVINE, "capture", "--source=dnstap", f"--listen={listen}", f"--operator={operator_url}", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment())


def start_log(operator_url: str, *arguments: str) -> subprocess.Popen[str]:
    """Start `grapevine capture` on a log; its input is the log where it is stdin, its output is read when it ended."""
    command = [*GRAPEVINE, "capture", "--source=log", f"--operator={operator_url}", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=_environment())


def _environment() -> dict[str, str]:
    """Return the environment without anything that would configure the process behind the test's back."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GRAPEVINE_", "OTEL_", "KUBE"))}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
