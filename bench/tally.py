"""An operator that takes batches and adds them up."""

from dataclasses import dataclass

from tests.support.fake_operator import FakeOperator

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


class Tally(FakeOperator):
    """Keeps sums, no batches: a soak sends millions of observations."""

    def __init__(self) -> None:
        super().__init__()
        self.sums = Sums(0, 0, 0, {})
        """A new one after every batch."""
        self._seq = 0

    def take(self, batch: Batch) -> int:
        """Add a batch up; all are durable at once."""
        before, seen = self.sums, batch.observations
        responses = sum(each.count for each in seen if isinstance(each, DnsObservation))
        counters = dict(batch.header.counters)
        self.sums = Sums(before.batches + 1, before.responses + responses, before.records + len(seen), counters)
        self._seq = max(self._seq, batch.header.seq)
        return self._seq
