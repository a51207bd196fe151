"""Whether what the resolver knows is the cluster as it is now. The clock is an argument."""

import asyncio
import contextlib
from collections.abc import Callable

from grapevine.model.metric import Metric


class Currency:
    """Holds decisions back while the informers cannot follow the cluster, and not for ever.

    A pod that started meanwhile is not known, and the address of one that ended seems to be its own still. Who asked is
    told right once the informers have caught up; until then it would be guessed.
    """

    def __init__(self, *, settle_ms: int, max_behind_ms: int, clock: Callable[[], int]) -> None:
        """Take how long a watch opened anew may need to tell what it missed, and the longest that anything is held."""
        self._settle_ms = settle_ms
        self._max_behind_ms = max_behind_ms
        self._clock = clock
        self._since_ms = 0
        """When the present state, current or behind, began; it has always been current."""
        self._is_current = asyncio.Event()
        self._is_current.set()

    def put(self, is_current: bool) -> None:
        """Take in whether the informers follow the cluster."""
        self._since_ms = self._clock()
        if is_current:
            self._is_current.set()
        else:
            self._is_current.clear()

    def is_current(self) -> bool:
        """Whether the informers follow the cluster now."""
        return self._is_current.is_set()

    def may_decide(self) -> bool:
        """Whether what is unknown now has had its time to become known."""
        limit_ms = self._settle_ms if self._is_current.is_set() else self._max_behind_ms
        return self._clock() - self._since_ms >= limit_ms

    async def wait(self) -> None:
        """Return once the informers are current, or have been behind for as long as anything is held."""
        left_ms = self._since_ms + self._max_behind_ms - self._clock()
        if not self._is_current.is_set() and left_ms > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_ms / 1000):
                    await self._is_current.wait()

    def metrics(self) -> list[Metric]:
        """Return whether the informers are current."""
        text = "1 while the informers follow the cluster; while they do not, batches wait."
        return [Metric("grapevine_cluster_current", "gauge", text, {"": float(self._is_current.is_set())})]
