"""Fuzzes one target in this process by coverage (atheris, libFuzzer) until it has taken so many items.

Ends by itself: the fuzzer never returns. What it found stands in `result.json` of its directory.
"""

import heapq
import json
import logging
import os
import sys
import traceback
from hashlib import sha256
from pathlib import Path
from typing import Final, NoReturn

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["grapevine"], enable_loader_override=False):
    from tests.fuzz.targets import TARGETS, Target, run

MAX_INPUT_BYTES: Final = 66_000
"""Room for one DNS message of the greatest length."""
INPUT_TIMEOUT_S: Final = 60
SLOWEST_KEPT: Final = 16


class Worker:
    """Counts what one target takes and keeps the slowest inputs."""

    def __init__(self, kind: type[Target], items: int, directory: Path) -> None:
        self._kind = kind
        self._left = items
        self._directory = directory
        self._items = self._inputs = 0
        self._slowest: list[tuple[int, bytes]] = []

    def one(self, data: bytes) -> None:
        """Take one input of the fuzzer."""
        try:
            times_ns = run(self._kind, data)
        except Exception:
            self._end(data, traceback.format_exc())
        self._inputs += 1
        self._items += len(times_ns)
        slowest_ns = max(times_ns, default=0)
        if len(self._slowest) < SLOWEST_KEPT:
            heapq.heappush(self._slowest, (slowest_ns, data))
        elif slowest_ns > self._slowest[0][0]:
            heapq.heapreplace(self._slowest, (slowest_ns, data))
        if self._items >= self._left:
            self._end(b"", "")

    def _end(self, crash: bytes, error: str) -> NoReturn:
        """Write down what was found and end the process."""
        slowest = [data.hex() for _, data in self._slowest]
        result = {
            "inputs": self._inputs,
            "items": self._items,
            "slowest": slowest,
            "crash": crash.hex(),
            "error": error,
        }
        (self._directory / "result.json").write_text(json.dumps(result))
        os._exit(1 if error else 0)


def main() -> None:
    """`python -m tests.fuzz.worker TARGET ITEMS DIRECTORY`: fuzz."""
    name, items, directory = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    logging.disable()
    corpus = directory / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in TARGETS[name].seeds():
        (corpus / sha256(seed).hexdigest()).write_bytes(seed)
    options = [f"-max_len={MAX_INPUT_BYTES}", f"-timeout={INPUT_TIMEOUT_S}", f"-artifact_prefix={directory}/"]
    atheris.Setup([sys.argv[0], str(corpus), *options], Worker(TARGETS[name], items, directory).one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
