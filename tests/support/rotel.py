"""rotel, an OTLP collector in Rust from PyPI: an independent decoder of what we send, which it passes on."""

import importlib.util
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.eventually import eventually
from tests.support.missing import give_up

_START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Rotel:
    """A running one."""

    grpc_url: str
    http_url: str


@contextmanager
def running_rotel(pass_on_to: str, directory: Path, host: str = "127.0.0.1") -> Iterator[Rotel]:
    """Run one, at an address of this machine, that passes on over HTTP what it decoded; skips the test without it."""
    spec = importlib.util.find_spec("rotel")
    if spec is None or spec.origin is None:
        give_up("needs rotel: pip install --group collector")
    program = Path(spec.origin).with_name("rotel-agent")
    grpc_port, http_port = _free_port(host), _free_port(host)
    command = [
        str(program),
        "start",
        f"--otlp-grpc-endpoint={host}:{grpc_port}",
        f"--otlp-http-endpoint={host}:{http_port}",
        "--exporter=otlp",
        "--otlp-exporter-protocol=http",
        f"--otlp-exporter-endpoint={pass_on_to}",
        f"--pid-file={directory / 'pid'}",
    ]
    with (directory / "rotel.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
    try:
        eventually(lambda: _listens(host, grpc_port) and _listens(host, http_port), timeout_s=_START_TIMEOUT_S)
        yield Rotel(f"http://{host}:{grpc_port}", f"http://{host}:{http_port}")
    finally:
        process.terminate()
        process.wait(30)


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
