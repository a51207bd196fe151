"""Observations that wait for an object still under way. Pure; bounded; the clock is an argument."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from grapevine.model.observation import Observation

BatchId = tuple[str, int]
"""Stream and sequence number: a batch is not durable while something of it is parked."""


@dataclass(frozen=True, slots=True)
class Parked:
    """One waiting observation."""

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
        self._parked: deque[Parked] = deque()
        self._of_batch: dict[BatchId, int] = {}

    def __len__(self) -> int:
        return len(self._parked)

    @property
    def is_half_full(self) -> bool:
        """Whether what may as well not wait should not."""
        return len(self._parked) >= self._max_parked // 2

    def waiting(self) -> Iterator[Observation]:
        """Yield what waits."""
        return (parked.observation for parked in self._parked)

    def try_add(self, observation: Observation, node: str, batch: BatchId, now_ms: int) -> bool:
        """Let an observation wait; False where there is no room, and the caller decides with what is known."""
        if len(self._parked) >= self._max_parked:
            return False
        self._push(Parked(observation, node, batch, now_ms + self._park_ms))
        return True

    def put_back(self, parked: Parked) -> None:
        """Let an observation that still cannot be resolved wait on, until its own deadline."""
        self._push(parked)

    def take_all(self) -> list[Parked]:
        """Take out everything, because objects have arrived that may resolve it."""
        taken = list(self._parked)
        self._parked.clear()
        self._of_batch.clear()
        return taken

    def take_due(self, now_ms: int) -> list[Parked]:
        """Take out what has waited long enough."""
        taken: list[Parked] = []
        while self._parked and self._parked[0].until_ms <= now_ms:
            parked = self._parked.popleft()
            self._of_batch[parked.batch] -= 1
            if not self._of_batch[parked.batch]:
                del self._of_batch[parked.batch]
            taken.append(parked)
        return taken

    def holds(self, batch: BatchId) -> bool:
        """Whether something of the batch waits."""
        return batch in self._of_batch

    def _push(self, parked: Parked) -> None:
        self._parked.append(parked)
        self._of_batch[parked.batch] = self._of_batch.get(parked.batch, 0) + 1
