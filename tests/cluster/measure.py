"""Write docs/reference/benchmarks-cluster.md: `python -m tests.cluster.measure`, as root, after `make test-cluster`.

What the two pods cost on a real node that does nothing but ask for names: CPU time and memory as their control groups
count them, between two readings.
"""

import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.installation import install, start_shop, wait_for_shop
from tests.cluster.node import CAPTURE, OPERATOR, Node, process_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "benchmarks-cluster.md"
IMAGES = ROOT / "out" / "images"
COMMANDS = {"operator": OPERATOR, "capture": CAPTURE}
IDLE_S = 300.0
"""How long it has been idle at the first reading."""
SETTLED_S = 60.0
"""How long it has been busy at the first reading."""
BETWEEN_S = 60.0
"""From the first reading to the second."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A container's cost so far."""

    cpu_s: float
    rss_mib: float
    """Resident, with what it shares of libraries."""
    anonymous_mib: float
    """What its control group is charged for, page cache aside."""


def read(name: str) -> Reading:
    """Return what the container of a command has cost."""
    process = process_of(*COMMANDS[name])
    by_controllers = dict(line.split(":", 2)[1:] for line in (process / "cgroup").read_text().splitlines())
    groups = {each: path for controllers, path in by_controllers.items() for each in controllers.split(",")}
    if "cpuacct" in groups:  # version 1
        cpu_s = int((_group(groups, "cpuacct") / "cpuacct.usage").read_text()) / 1e9
        anonymous = _numbers(_group(groups, "memory") / "memory.stat")["rss"]
    else:
        cpu_s = _numbers(_group(groups, "") / "cpu.stat")["usage_usec"] / 1e6
        anonymous = _numbers(_group(groups, "") / "memory.stat")["anon"]
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return Reading(cpu_s, int(status["VmRSS"].split()[0]) / 1024, anonymous / 1024**2)


def _group(groups: dict[str, str], controller: str) -> Path:
    return Path("/sys/fs/cgroup") / controller / groups[controller].lstrip("/")


def _numbers(path: Path) -> dict[str, int]:
    return {name: int(number) for name, number in map(str.split, path.read_text().splitlines())}


def measure(node: Node) -> list[str]:
    """Return the rows of the table: nothing to hear, then the shop."""
    install(node)
    rows = [_row(f"idle for {IDLE_S / 60:.0f} minutes: a cluster that asks for nothing but its own", IDLE_S)]
    start_shop(node)
    wait_for_shop(node)
    return [*rows, _row("the shop: 20 workloads that ask every five seconds, 21 edges", SETTLED_S)]


def _row(what: str, settle_s: float) -> str:
    time.sleep(settle_s)
    before = {name: read(name) for name in COMMANDS}
    time.sleep(BETWEEN_S)
    after = {name: read(name) for name in COMMANDS}
    cells = [
        f"{(after[name].cpu_s - before[name].cpu_s) / BETWEEN_S:.2%} "
        f"| {after[name].rss_mib:.0f} MiB ({after[name].anonymous_mib:.0f})"
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
        f"CPU is that of one core, by the containers' control groups over {BETWEEN_S:.0f} s. RSS is the process's; in",
        "brackets, what its control group is charged for without page cache. TLS on.",
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
