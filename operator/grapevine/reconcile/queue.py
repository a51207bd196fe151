"""Keys waiting for work: deduplicated, paced per key, retried with back-off. Pure; the clock is an argument.

Level-based (controller-runtime's workqueue): it holds keys, never events; whoever takes a key reads the state anew.
"""

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class KeyQueue(Generic[K]):
    """Bounded by the number of distinct keys, which the caller bounds."""

    def __init__(self, *, coalesce_ms: int, backoff_ms: int = 500, max_backoff_ms: int = 60_000) -> None:
        self._coalesce_ms = coalesce_ms
        self._backoff_ms = backoff_ms
        self._max_backoff_ms = max_backoff_ms
        self._due: dict[K, int] = {}
        self._heap: list[tuple[int, int, K]] = []
        self._order = 0
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._done_ms: dict[K, int] = {}
        self._failures: dict[K, int] = {}

    def __len__(self) -> int:
        """Keys waiting or being worked on."""
        return len(self._due) + len(self._working)

    def holds(self, key: K) -> bool:
        """Whether the key waits or is being worked on."""
        return key in self._due or key in self._working

    def add(self, key: K, now_ms: int) -> None:
        """Ask for work on `key`, no sooner than `coalesce_ms` after its last; one in work is worked on once more."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._due:
            paced_ms = self._done_ms.get(key, now_ms - self._coalesce_ms) + self._coalesce_ms
            self._push(key, max(now_ms, paced_ms))

    def take(self, now_ms: int) -> K | None:
        """Return a key that is due, or None; `finish` must follow."""
        while self._heap and self._heap[0][0] <= now_ms:
            due_ms, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due_ms:
                del self._due[key]
                self._working.add(key)
                return key
        return None

    def finish(self, key: K, now_ms: int, *, is_done: bool, after_ms: int = 0) -> None:
        """End work on a key: done, or to be tried again after its back-off or `after_ms`, whichever is longer."""
        self._working.discard(key)
        asked_again = key in self._again
        self._again.discard(key)
        if is_done:
            self._failures.pop(key, None)
            self._done_ms[key] = now_ms
            if asked_again:
                self.add(key, now_ms)
            if len(self._done_ms) > 4 * (len(self._due) + 1_000):
                self._done_ms = {k: t for k, t in self._done_ms.items() if now_ms - t < self._coalesce_ms}
            return
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        backoff_ms = min(self._backoff_ms << min(failures - 1, 16), self._max_backoff_ms)
        self._push(key, now_ms + max(backoff_ms, after_ms))

    def hurry(self, now_ms: int) -> None:
        """Make every waiting key due at once and forget its failures: their cause is gone, or the process is to end."""
        self._failures.clear()
        for key in list(self._due):
            self._push(key, now_ms)

    def next_due_ms(self) -> int | None:
        """Return when the next key is due, or None where none waits."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _push(self, key: K, due_ms: int) -> None:
        self._due[key] = due_ms
        self._order += 1
        heapq.heappush(self._heap, (due_ms, self._order, key))
