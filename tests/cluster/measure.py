"""Write docs/reference/benchmarks-cluster.md: `python -m tests.cluster.measure`, as root, after `make test-cluster`.

What the two pods cost on a real node that does nothing but ask for names: CPU time and memory as their control groups
count them, between two readings `IDLE_S` apart.
"""

import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.installation import install, seen, start_shop
from tests.cluster.node import Node, process_of
from tests.support.eventually import eventually
from tests.support.truth import shop_truth

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "benchmarks-cluster.md"
IMAGES = ROOT / "out" / "images"
COMMANDS = {"operator": ("grapevine", "operator"), "capture": ("grapevine", "capture")}
SETTLE_S, IDLE_S = 20.0, 60.0


@dataclass(frozen=True, slots=True)
class Reading:
    """A container's cost so far."""

    cpu_s: float
    rss_mib: float


def read(name: str) -> Reading:
    """Return what the container of a command has cost."""
    process = process_of("/opt/grapevine/bin/grapevine", *COMMANDS[name][1:])
    groups = dict(line.split(":", 2)[1:] for line in (process / "cgroup").read_text().splitlines())
    if "cpuacct" in ",".join(groups):
        usage = Path("/sys/fs/cgroup/cpuacct") / groups["cpuacct"].lstrip("/") / "cpuacct.usage"
        cpu_s = int(usage.read_text()) / 1e9
    else:
        stat = (Path("/sys/fs/cgroup") / groups[""].lstrip("/") / "cpu.stat").read_text()
        cpu_s = int(dict(line.split() for line in stat.splitlines())["usage_usec"]) / 1e6
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return Reading(cpu_s, int(status["VmRSS"].split()[0]) / 1024)


def measure(node: Node) -> list[str]:
    """Return the rows of the table: nothing to hear, then the shop."""
    install(node)
    rows = [_row("a cluster that asks for nothing but its own")]
    start_shop(node)
    eventually(lambda: shop_truth() == seen(node), timeout_s=150, every_s=0.5)
    return [*rows, _row("the shop: 20 workloads that ask every five seconds, 21 edges")]


def _row(what: str) -> str:
    time.sleep(SETTLE_S)
    before = {name: read(name) for name in COMMANDS}
    time.sleep(IDLE_S)
    after = {name: read(name) for name in COMMANDS}
    cells = [
        f"{(after[name].cpu_s - before[name].cpu_s) / IDLE_S:.2%} | {after[name].rss_mib:.0f} MiB"
        for name in ("capture", "operator")
    ]
    return f"| {what} | {' | '.join(cells)} |"


def main() -> int:
    """Measure and write the page."""
    archives = [IMAGES / f"{name}.tar" for name in COMMANDS]
    with tempfile.TemporaryDirectory() as directory, Node(Path(directory) / "node", *archives) as node:
        rows = measure(node)
    sizes = ", ".join(f"{archive.stem} {archive.stat().st_size / 1e6:.0f} MB" for archive in archives)
    lines = [
        "# Benchmarks on a node",
        "",
        f"Written by `python -m tests.cluster.measure` on the node of `make test-cluster` ({platform.machine()}).",
        f"CPU is that of one core, by the containers' control groups over {IDLE_S:.0f} s; RSS the process's. TLS on.",
        "",
        "| | capture, CPU | RSS | operator, CPU | RSS |",
        "|---|---|---|---|---|",
        *rows,
        "| Otterize's network mapper 2025 on a like node, idle (sniffer; mapper) | 4.8 % | 59 MiB | | 68 MiB |",
        "",
        f"Images, uncompressed, on Debian's Python: {sizes}.",
        "",
    ]
    PAGE.write_text("\n".join(lines))
    print(PAGE.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
