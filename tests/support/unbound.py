"""Debian's Unbound on loopback: a second real sender of dnstap, which answers from its configuration alone."""

import shutil
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.eventually import eventually

STOP_TIMEOUT_S = 10.0


def find_unbound() -> str | None:
    """Return the program if it is installed and knows dnstap."""
    program = shutil.which("unbound", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        return None
    version = subprocess.run([program, "-V"], capture_output=True, text=True, check=True)
    return program if "--enable-dnstap" in version.stdout else None


class Unbound:
    """One Unbound on a port of 127.0.0.1, ended with this object. Knows `records` and says of all else that it is not.

    `sink` is where its dnstap goes: `IP@PORT`, or the path of a unix socket.
    """

    def __init__(self, program: str, directory: Path, sink: str, records: Iterable[str]) -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            self.port: int = held.getsockname()[1]
        self._program = program
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        where = f'dnstap-ip: "{sink}"\n  dnstap-tls: no' if "@" in sink else f'dnstap-socket-path: "{sink}"'
        data = "".join(f"  local-data: '{record}'\n" for record in records)
        (directory / "unbound.conf").write_text(
            f"""server:
  interface: 127.0.0.1@{self.port}
  access-control: 127.0.0.0/8 allow
  do-daemonize: no
  use-syslog: no
  logfile: ""
  chroot: ""
  username: ""
  pidfile: ""
  directory: "{directory}"
  module-config: "iterator"
  local-zone: "." static
{data}remote-control:
  control-enable: no
dnstap:
  dnstap-enable: yes
  {where}
  dnstap-send-identity: yes
  dnstap-send-version: yes
  dnstap-log-client-query-messages: yes
  dnstap-log-client-response-messages: yes
""",
            encoding="ascii",
        )

    def __enter__(self) -> Self:
        with (self._directory / "unbound.log").open("ab") as log:
            command = [self._program, "-d", "-c", str(self._directory / "unbound.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            eventually(self._is_ready)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _is_ready(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            log = (self._directory / "unbound.log").read_text(errors="replace")
            raise RuntimeError(f"unbound ended with code {self._process.returncode}:\n{log}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
