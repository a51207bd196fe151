"""docs/reference/benchmarks.md: one section a part, each with the machine and the day it was measured on."""

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"
_LOOP: Final = """
import platform, time
def turn(number):
    data, get, put = bytes(range(200)), {}.get, {}.setdefault
    for _ in range(number):
        key = data[20:24] + data[40:90]; get(key); put(key, data.find(90, 40, 150))
def measure():
    start = time.thread_time()
    turn(10_000)
    return time.thread_time() - start
print(platform.python_version(), min(measure() for _ in range(50)) * 1e5)
"""
_INTRO: Final = """\
# Benchmarks

Written by `make bench ARGS=--record`, and `make soak`, `make fuzz`, `make oracle` with the same; each part runs alone
as `make bench ARGS=NAME`. Machines are shared and noisy: compare figures of one section only. Bounds: DESIGN §5.
`make bench ARGS='live --python /usr/bin/python3'` measures capture on another interpreter than the one of `.venv`.
"""


def record(name: str, title: str, figures: Iterable[tuple[str, str]]) -> None:
    """Write a part's section, in the place of its last one or at the end; the others stay."""
    rows = [f"| {label} | {figure} |" for label, figure in figures]
    section = "\n".join([f"## {title} (`{name}`)", "", describe_machine(), "", "| what | figure |", "|---|---|", *rows])
    sections = {_name(old): old for old in _sections()} | {name: section}
    PAGE.write_text("\n\n".join([_INTRO.rstrip(), *sections.values()]) + "\n", encoding="utf-8")


def describe_machine() -> str:
    """Return one line: date, processor, cores, memory, kernel, Python and how fast it is here."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores of {cpu}, {memory_gib:.0f} GiB, "
        f"Linux {platform.release()}, {describe_python(sys.executable)}."
    )


def describe_python(path: str) -> str:
    """Return an interpreter's version and what a little of what capture does takes in it.

    The latter says how it was built (with the compiler's profile, as those of distributions and images are, or without)
    and how busy the machine is.
    """
    done = subprocess.run([path, "-c", _LOOP], capture_output=True, text=True, check=True)
    version, loop_ns = done.stdout.split()
    return f"Python {version} (a loop over slices and a dict: {float(loop_ns):.0f} ns a turn)"


def _sections() -> list[str]:
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    return [section.rstrip() for section in re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]]


def _name(section: str) -> str:
    """Return the name in a section's title, between backticks."""
    return section.partition("\n")[0].split("`")[1]
