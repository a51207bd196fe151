"""Observations that wait for an object still under way. Pure; bounded; the clock is an argument."""

import itertools
from dataclasses import dataclass

from grapevine.model.observation import Observation

BatchId = tuple[str, int]
"""Stream and sequence number: a batch is not durable while something of it is parked."""


@dataclass(frozen=True, slots=True)
class Parked:
    """One waiting observation."""

    number: int
    """Tells it from another one of the same content."""
    observation: Observation
    node: str
    """Where it was observed."""
    batch: BatchId
    until_ms: int


class Parking:
    """First in, first out: everything waits equally long."""

    def __init__(self, *, park_ms: int, max_parked: int) -> None:
        self._park_ms = park_ms
        self._max_parked = max_parked
        self._numbers = itertools.count()
        self._parked: dict[int, Parked] = {}
        self._of_batch: dict[BatchId, int] = {}

    def __len__(self) -> int:
        return len(self._parked)

    def __contains__(self, parked: Parked) -> bool:
        return parked.number in self._parked

    @property
    def is_half_full(self) -> bool:
        """Whether what may as well not wait should not."""
        return len(self._parked) >= self._max_parked // 2

    def try_add(self, observation: Observation, node: str, batch: BatchId, now_ms: int) -> bool:
        """Let an observation wait; False where there is no room, and the caller decides with what is known."""
        if len(self._parked) >= self._max_parked:
            return False
        parked = Parked(next(self._numbers), observation, node, batch, now_ms + self._park_ms)
        self._parked[parked.number] = parked
        self._of_batch[batch] = self._of_batch.get(batch, 0) + 1
        return True

    def all(self) -> list[Parked]:
        """Return what waits, what has waited longest first."""
        return list(self._parked.values())

    def due(self, now_ms: int) -> list[Parked]:
        """Return what has waited long enough."""
        return list(itertools.takewhile(lambda parked: parked.until_ms <= now_ms, self._parked.values()))

    def remove(self, parked: Parked) -> None:
        """Take out what need not wait any more."""
        del self._parked[parked.number]
        self._of_batch[parked.batch] -= 1
        if not self._of_batch[parked.batch]:
            del self._of_batch[parked.batch]

    def holds(self, batch: BatchId) -> bool:
        """Whether something of the batch waits."""
        return batch in self._of_batch
