"""An account of what was taken in: what it became, each look-up or connection counted exactly once."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """Look-ups, or connections, since the process began. It closes: `missing` is 0, or there is a defect."""

    taken_in: int
    restored: int
    """Counts that came back with the objects' status after a restart, and are booked with the rest."""
    booked: Mapping[str, int]
    """What became of them: `edge`, `dead`, `itself`, `resent`, `retired`, `forgotten`, `parked`, a bound, or a reason
    of docs/reference/operator.md. Zeros are left out."""

    @property
    def missing(self) -> int:
        """What is booked nowhere; negative where something is booked twice."""
        return self.taken_in + self.restored - sum(self.booked.values())
