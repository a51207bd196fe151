"""Whether what the resolver knows is the cluster as it was when something was heard. The clock is an argument."""

import asyncio
from collections.abc import Callable

from grapevine.model.metric import Metric

_TICK_S = 0.25
"""Between two looks at whether the informers are current."""


class Currency:
    """Holds decisions back until the watch has had time to tell, and while the informers cannot follow the cluster.

    A pod that started meanwhile is not known, and the address of one that ended seems to be its own still. Who asked is
    told right once the informers have caught up; until then it would be guessed. Nothing is held for ever.
    """

    def __init__(self, *, recover_ms: int, max_behind_ms: int, clock: Callable[[], int]) -> None:
        """Take how long a watch opened anew may need to tell what it missed, and the longest that anything is held."""
        self._recover_ms = recover_ms
        self._max_behind_ms = max_behind_ms
        self._clock = clock
        self._since_ms = 0
        """When the present state, current or behind, began; it has always been current."""
        self._is_current = True

    def put(self, is_current: bool) -> None:
        """Take in whether the informers follow the cluster."""
        self._since_ms = self._clock()
        self._is_current = is_current

    def is_current(self) -> bool:
        """Whether the informers follow the cluster now."""
        return self._is_current

    def may_decide(self, due_ms: int = 0) -> bool:
        """Whether what is unknown now has had its time to become known: not before `due_ms`, by the clock."""
        return self._left_ms(due_ms) <= 0

    async def wait(self, due_ms: int) -> None:
        """Return once a decision due at `due_ms` may be made."""
        while (left_ms := self._left_ms(due_ms)) > 0:  # noqa: ASYNC110 - what ends it is the clock, or the informers
            await asyncio.sleep(min(left_ms / 1_000, _TICK_S))

    def metrics(self) -> list[Metric]:
        """Return whether the informers are current."""
        text = "1 while the informers follow the cluster; while they do not, batches wait."
        return [Metric("grapevine_cluster_current", "gauge", text, {"": float(self._is_current)})]

    def _left_ms(self, due_ms: int) -> int:
        limit_ms = self._recover_ms if self._is_current else self._max_behind_ms
        return max(due_ms, self._since_ms + limit_ms) - self._clock()
