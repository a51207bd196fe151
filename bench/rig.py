"""A node to measure capture on: its network, CoreDNS in one pod, dnsperf to be run in another, a tally of what came.

Needs root, dnsperf, iproute2, nftables and CoreDNS (`make coredns`).
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.eventually import eventually
from tests.support.node import Node, NodeError, Pod, Stream
from tests.support.tls import a_pair, server_context

from bench import load
from bench.tally import Sums, Tally

_SOURCE: Final = Path(__file__).parents[1] / "operator"
SETTLE_S: Final = 7.0
"""After a load: a window, then a heartbeat (5 s) with the last counters."""
_WARM_UP_S: Final = 2.0
_START_TIMEOUT_S: Final = 30.0
_COREDNS_LOG: Final = "coredns.log"


@dataclass(frozen=True, slots=True)
class Rig:
    """One node, ready to be asked."""

    node: Node
    client: Pod
    directory: Path
    """For files of the run; removed with the rig."""
    tally: Tally
    python: str
    """The interpreter that runs capture."""
    tls: tuple[str, ...] = ()
    """Flags for a tally that is reached over TLS."""

    def capture(self, source: str, *arguments: str, stdin: Stream = subprocess.DEVNULL) -> "subprocess.Popen[str]":
        """Start `grapevine capture` on the node."""
        common = ("capture", f"--source={source}", f"--operator={self.tally.url}", "--node=bench")
        # env executes it, and capture needs nothing but its own package; the rest as in the image
        command = ("env", f"PYTHONPATH={_SOURCE}", "MALLOC_ARENA_MAX=1", self.python, "-m", "grapevine.cli.main")
        return self.node.start(*command, *common, *self.tls, *arguments, stdin=stdin)

    def warm_up(self, process: "subprocess.Popen[str]", is_ready: Callable[[Sums], bool]) -> None:
        """Wait until a live capture is ready, have it hear a little, and let it come to rest.

        Raises:
            RuntimeError: It ended instead.
        """
        eventually(lambda: process.poll() is not None or is_ready(self.tally.sums), timeout_s=_START_TIMEOUT_S)
        if process.returncode is not None:
            raise RuntimeError(f"capture ended with code {process.returncode}")
        self.ask(500, _WARM_UP_S, new_share=0)
        time.sleep(SETTLE_S)

    def ask(self, per_s: int, seconds: float, *, new_share: float) -> load.Asked:
        """Ask the Service for names as pods do, `new_share` of them never asked for before."""
        names = self.directory / "names"
        load.write_names(names, int(per_s * seconds), new_share=new_share)
        return load.ask(self.node, self.client, names, per_s=per_s)

    def coredns_log(self) -> str:
        """Return what CoreDNS logged, where that went nowhere else."""
        return (self.directory / _COREDNS_LOG).read_text()


def require_tools(*tools: str) -> None:
    """Raise where a tool is missing.

    Raises:
        NodeError: The text says which.
    """
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise NodeError(f"needs {' and '.join(missing)} (Debian: apt-get install {' '.join(missing)})")


@contextmanager
def open_rig(
    *plugins: str, stdout: Stream = None, python: str = sys.executable, has_tls: bool = False
) -> Iterator[Rig]:
    """Make a node while entered; `plugins` are lines of CoreDNS's server block, `stdout` is where its log goes.

    Raises:
        NodeError: It cannot be made here.
        CoreDnsError: CoreDNS was not built.
    """
    require_tools("dnsperf")
    # As the image is: a process that has to compile what it imports keeps some of the memory for that
    subprocess.run([python, "-m", "compileall", "-q", _SOURCE / "grapevine"], check=True)
    with tempfile.TemporaryDirectory() as path, Node() as node, node.inside(Tally) as tally:
        directory, client, server = Path(path), node.pod(), node.pod()
        tls = _put_tls_on(tally, directory) if has_tls else ()
        with (directory / _COREDNS_LOG).open("wb") as log:
            load.start_coredns(node, server, directory, *plugins, stdout=log if stdout is None else stdout)
        with tally.serving():
            yield Rig(node, client, directory, tally, python, tls)


def _put_tls_on(tally: Tally, directory: Path) -> tuple[str, ...]:
    """Have it reached over TLS alone; return the flags with which capture does."""
    pair = a_pair("localhost")
    authority, token = directory / "ca.crt", directory / "token"
    authority.write_text(pair.authority.pem)
    token.write_text("anybody's")
    directory.chmod(0o755)  # who capture becomes must read it
    tally.socket = server_context(pair).wrap_socket(tally.socket, server_side=True)
    tally.url = tally.url.replace("http:", "https:")
    return f"--ca-file={authority}", f"--token-file={token}", "--server-name=localhost"


def has_begun(sums: Sums) -> bool:
    """Tell whether capture has said anything yet: its first heartbeat follows its socket."""
    return sums.batches > 0


def has_sender(sums: Sums) -> bool:
    """Tell whether a dnstap sender has connected."""
    return "dnstap-senders" in sums.counters
