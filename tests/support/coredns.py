"""A real CoreDNS on loopback, and a client that asks it: no root, ready in a fraction of a second."""

import socket
import struct
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support import packets as p
from tests.support.eventually import eventually

BUILD = Path(__file__).with_name("build-coredns.sh")
STOP_TIMEOUT_S = 10.0


class CoreDnsError(Exception):
    """CoreDNS cannot be started; the text says why."""


def find_coredns() -> Path:
    """Return the cached binary of the version `build-coredns.sh` names.

    Raises:
        CoreDnsError: It was not built yet.
    """
    printed = subprocess.run([BUILD, "--print-bin"], check=True, capture_output=True, text=True)
    binary = Path(printed.stdout.strip()) / "coredns"
    if not binary.exists():
        raise CoreDnsError(f"coredns is not in {binary.parent}; run `make coredns` (2.5 minutes, once)")
    return binary


def ask(port: int, qname: str, qtype: int = p.A, *, tcp: bool = False, source: str = "127.0.0.1") -> bytes:
    """Ask the DNS server on a port of 127.0.0.1 from a loopback address, and return its response."""
    header = struct.pack("!HHHHHH", 0x1234, 0x0100, 1, 0, 0, 0)
    query = header + p.encode_name(qname) + struct.pack("!HH", qtype, 1)
    with socket.socket(type=socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.bind((source, 0))
        client.connect(("127.0.0.1", port))
        if not tcp:
            client.send(query)
            return client.recv(65_535)
        client.sendall(struct.pack("!H", len(query)) + query)
        with client.makefile("rb") as stream:
            (length,) = struct.unpack("!H", stream.read(2))
            return stream.read(length)


class CoreDns:
    """One CoreDNS on a port of 127.0.0.1, ended with this object.

    `plugins` are the lines of its one server block.
    """

    def __init__(self, binary: Path, directory: Path, *plugins: str) -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            self.port: int = held.getsockname()[1]
        self._binary = binary
        self._directory = directory
        lines = ["bind 127.0.0.1", *plugins]
        self._corefile = directory / "Corefile"
        self._corefile.write_text("\n    ".join([f".:{self.port} {{", *lines]) + "\n}\n")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self._directory / "coredns.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, "-conf", self._corefile], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            eventually(self._is_ready)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """End it as kubelet does: it flushes and says good-bye to its dnstap sink."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def ask(self, qname: str, qtype: int = p.A, *, tcp: bool = False, source: str = "127.0.0.1") -> bytes:
        """Ask from a loopback address and return the response."""
        return ask(self.port, qname, qtype, tcp=tcp, source=source)

    def log_text(self) -> str:
        """Return what it logged."""
        return (self._directory / "coredns.log").read_text(errors="replace")

    def _is_ready(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise CoreDnsError(f"coredns ended with code {self._process.returncode}:\n{self.log_text()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
