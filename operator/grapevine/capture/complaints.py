"""What a person must hear of, at most once a period a reason: the counters tell how often."""

import logging
from typing import Final

from grapevine.capture.counters import Counters, Reason

PERIOD_S: Final = 60.0

_log = logging.getLogger(__name__)


class Complaints:
    """Logs a warning the first time, and again after a period if it goes on. Bounded by the number of reasons."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._last_s: dict[Reason, float] = {}

    def add(self, reason: Reason, who: str, remedy: str, now_s: float) -> None:
        """Complain about `who`; what is counted under `reason` goes with it. `now_s` is a monotonic clock's."""
        if now_s >= self._last_s.get(reason, float("-inf")) + PERIOD_S:
            self._last_s[reason] = now_s
            fields = {"peer": who, "reason": reason.value, "so_far": self._counters[reason], "remedy": remedy}
            _log.warning(reason.meaning, extra=fields)
