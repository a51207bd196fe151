"""`make fuzz N=…`: fuzz every target, then measure the slowest inputs again, without the fuzzer.

An input that raises, or takes too long, becomes a vector in tests/data/fuzz, which the unit tests replay.
"""

import argparse
import importlib.util
import json
import logging
import subprocess
import sys
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from bench.figures import record
from tests.fuzz.targets import TARGETS, run

ROOT: Final = Path(__file__).parents[2]
WORK: Final = ROOT / "out" / "fuzz"
"""Corpora, which a later run begins with."""
VECTORS: Final = ROOT / "tests" / "data" / "fuzz"
MAX_ITEM_MS: Final = 5.0
REPEATS: Final = 5
"""How often a slow input is measured; the least of them counts, for a shared machine only ever adds."""
TITLE: Final = "Capture, hostile bytes"


@dataclass(frozen=True, slots=True)
class Found:
    """What fuzzing one target found."""

    items: int
    inputs: int
    seconds: float
    slowest_ms: float
    faults: list[str]
    """What must be mended; empty where all is well."""


def fuzz(name: str, items: int) -> Found:
    """Fuzz a target until it has taken so many items."""
    directory = WORK / name
    directory.mkdir(parents=True, exist_ok=True)
    result = directory / "result.json"
    result.unlink(missing_ok=True)
    began_s = time.monotonic()
    with (directory / "log").open("wb") as log:
        command = [sys.executable, "-m", "tests.fuzz.worker", name, str(items), str(directory)]
        code = subprocess.run(command, stdout=log, stderr=log, cwd=ROOT, check=False).returncode
    seconds = time.monotonic() - began_s
    if not result.exists():
        return Found(0, 0, seconds, 0.0, [f"the fuzzer ended with code {code}, see {directory.relative_to(ROOT)}/log"])
    told = json.loads(result.read_text())
    faults = []
    if told["error"]:
        faults.append(f"{_keep(name, bytes.fromhex(told['crash']))}: {told['error'].strip().splitlines()[-1]}")
    slowest_ms = 0.0
    for data in map(bytes.fromhex, told["slowest"]):
        ms = measure(name, data)
        slowest_ms = max(slowest_ms, ms)
        if ms > MAX_ITEM_MS:
            faults.append(f"{_keep(name, data)}: an item took {ms:.1f} ms, more than {MAX_ITEM_MS:g}")
    return Found(told["items"], told["inputs"], seconds, slowest_ms, faults)


def measure(name: str, data: bytes) -> float:
    """Return the CPU ms of the slowest item of an input."""
    times_ns = [run(TARGETS[name], data) for _ in range(REPEATS)]
    return max(map(min, zip(*times_ns, strict=True)), default=0) / 1e6


def _keep(name: str, data: bytes) -> str:
    """Make an input a vector; return its path."""
    path = VECTORS / f"{name}-{sha256(data).hexdigest()[:12]}.bin"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return str(path.relative_to(ROOT))


def main() -> int:
    """Fuzz as the flags say; return 1 where something must be mended."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(TARGETS)} (default: all)")
    parser.add_argument(
        "--items", type=int, default=200_000, metavar="N", help="to try, over all targets (%(default)s)"
    )
    parser.add_argument("--record", action="store_true", help="write the figures to benchmarks.md")
    args = parser.parse_args()
    unknown = set(args.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        parser.error("atheris is not installed; it has wheels for Linux and Python 3.11 to 3.13: make fuzz installs it")
    logging.disable()  # of lines that look like a format we do not know, there are many
    names = args.targets or list(TARGETS)
    figures, faults = [], []
    for name in names:
        found = fuzz(name, -(-args.items // len(names)))
        faults += [f"{name}: {fault}" for fault in found.faults]
        figure = (
            f"{found.items:,} in {found.inputs:,} inputs, {found.seconds:.0f} s; slowest {found.slowest_ms:.2f} ms; "
            f"{len(found.faults)} faults"
        )
        figures.append((name, figure))
        print(f"{name.ljust(12)} {figure}", flush=True)
    print(*faults, sep="\n", end="\n" if faults else "")
    if args.record:
        record("fuzz", TITLE, figures)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
