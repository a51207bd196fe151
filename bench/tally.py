"""An operator that takes batches and adds them up, as a process of its own: `Tally` starts one in a network namespace.

Its first line is its URL; for every line it reads it answers with one JSON object of sums.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Self

from tests.support.fake_operator import FakeOperator
from tests.support.node import Node

from grapevine.model.observation import DnsObservation
from grapevine.wire.schema import Batch


@dataclass(frozen=True, slots=True)
class Sums:
    """What arrived until now."""

    batches: int
    """Requests, heartbeats too: 0 until capture has begun."""
    responses: int
    """DNS responses, each as often as it was seen."""
    records: int
    """Observations, those of connections too."""
    counters: dict[str, int]
    """Capture's counters as last told."""


class SummingOperator(FakeOperator):
    """Keeps sums, no batches: a soak sends millions of observations."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.responses = 0
        self.records = 0
        self.counters: dict[str, int] = {}
        self._seq = 0

    def take(self, batch: Batch) -> int:
        """Add a batch up; all are durable at once."""
        self.count += 1
        self.responses += sum(each.count for each in batch.observations if isinstance(each, DnsObservation))
        self.records += len(batch.observations)
        self.counters = dict(batch.header.counters)
        self._seq = max(self._seq, batch.header.seq)
        return self._seq


class Tally:
    """A summing operator on the loopback of a node; ended with the node."""

    def __init__(self, node: Node) -> None:
        process = node.start(sys.executable, "-m", "bench.tally", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self.url = self._stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stdin.close()
        self._process.wait(10)

    def sums(self) -> Sums:
        """Return what arrived until now."""
        self._stdin.write("\n")
        self._stdin.flush()
        return Sums(**json.loads(self._stdout.readline()))


def main() -> None:
    """Serve until standard input ends."""
    with SummingOperator() as operator, operator.serving():
        print(operator.url, flush=True)
        for _ in sys.stdin:
            sums = Sums(operator.count, operator.responses, operator.records, operator.counters)
            print(json.dumps(asdict(sums)), flush=True)


if __name__ == "__main__":
    main()
