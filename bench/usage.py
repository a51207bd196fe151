"""What a running process has used: CPU to the nanosecond, memory as the kernel counts it. Linux."""

import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a process, KiB."""

    rss_kib: int
    """Resident, shared pages in full: what DESIGN §5 bounds."""
    peak_kib: int
    """Highest it has been."""
    pss_kib: int
    """Resident, a shared page in equal parts: what another capture of the node does not pay again."""


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and all its threads, ended ones too.

    Source: clock_getcpuclockid(3): a process's clock is known by its id, and counts what the scheduler does, not ticks.
    """
    return time.clock_gettime((~pid << 3) | 2)


def memory(pid: int | str) -> Memory:
    """Return the memory of a process; `self` is this one."""
    status = _fields(Path(f"/proc/{pid}/status"))
    return Memory(status["VmRSS"], status["VmHWM"], _fields(Path(f"/proc/{pid}/smaps_rollup"))["Pss"])


def reset_peak(pid: int) -> None:
    """Let a process's peak begin anew. Source: proc_pid_clear_refs(5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _fields(path: Path) -> dict[str, int]:
    """Return the fields of a file of `Name: NUMBER kB`."""
    rows = (line.split() for line in path.read_text().splitlines())
    return {row[0].rstrip(":"): int(row[1]) for row in rows if row[-1] == "kB"}
