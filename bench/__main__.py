"""`python -m bench [NAME …] [--record]`: measure, print, and with `--record` write docs/reference/benchmarks.md."""

import argparse
import importlib
import os
import platform
import sys
import time
from collections.abc import Iterable
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"
PARTS = {
    "capture": "Capture, from a file",
    "live": "Capture, on a node under load",
    "plan": "Plan, in memory",
    "operator": "Operator, on a real API server",
}
INTRO = """\
# Benchmarks

Written by `make bench ARGS=--record`; machines are shared and noisy, so compare figures of one run only.
Bounds: DESIGN §5. Each part runs alone as `make bench ARGS=NAME`.
"""


def main() -> int:
    """Measure the parts asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the bounds of the design.")
    parser.add_argument("parts", nargs="*", metavar="NAME", help=f"some of: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--record", action="store_true", help=f"write the figures to {PAGE.name}")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    machine = describe_machine()
    print(machine, end="\n\n")
    page = [INTRO, machine, ""]
    for name in args.parts or PARTS:
        figures = importlib.import_module(f"bench.{name}").run()
        print(PARTS[name], *(f"  {label.ljust(72)} {figure}" for label, figure in figures), sep="\n", end="\n\n")
        page += table(f"{PARTS[name]} (`{name}`)", figures)
    if args.record:
        PAGE.write_text("\n".join(page), encoding="utf-8")
    return 0


def describe_machine() -> str:
    """Return one line: date, processor, cores, memory, kernel, Python."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores of {cpu}, {memory_gib:.0f} GiB, "
        f"Linux {platform.release()}, Python {platform.python_version()}."
    )


def table(title: str, figures: Iterable[tuple[str, str]]) -> list[str]:
    """Return a Markdown section."""
    return [f"## {title}", "", "| what | figure |", "|---|---|", *(f"| {a} | {b} |" for a, b in figures), ""]


if __name__ == "__main__":
    sys.exit(main())
