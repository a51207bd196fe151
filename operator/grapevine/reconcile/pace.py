"""A rate for all writes together: so many a second, and a burst at once. Pure; the clock is an argument.

The generic cell rate algorithm: one number says when the next turn would be at the steady rate.
"""


class Pace:
    """Hands out turns in order."""

    def __init__(self, *, per_s: int, burst: int) -> None:
        """Take the rate, 0 for no limit, and how many turns may come at once after a rest."""
        self._interval_ms = 1_000 / per_s if per_s else 0.0
        self._burst_ms = (burst - 1) * self._interval_ms
        self._next_ms = 0.0

    def take_turn(self, now_ms: int) -> float:
        """Return how many seconds to wait before the turn that is now taken."""
        self._next_ms = max(self._next_ms, now_ms - self._burst_ms)
        wait_ms = max(self._next_ms - now_ms, 0.0)
        self._next_ms += self._interval_ms
        return wait_ms / 1_000
