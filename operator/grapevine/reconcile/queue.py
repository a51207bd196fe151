"""Keys waiting for work: deduplicated, paced per key, retried with back-off. Pure; the clock is an argument.

Level-based (controller-runtime's workqueue): it holds keys, never events; whoever takes a key reads the state anew.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class KeyQueue(Generic[K]):
    """Bounded by the number of distinct keys, which the caller bounds."""

    def __init__(
        self,
        *,
        coalesce_ms: int,
        backoff_ms: int = 500,
        max_backoff_ms: int = 60_000,
        group_of: Callable[[K], Hashable] = lambda key: key,
    ) -> None:
        """Take the paces, and what keys share that makes them fail together: one in trouble, all are suspected."""
        self._group_of = group_of
        self._coalesce_ms = coalesce_ms
        self._backoff_ms = backoff_ms
        self._max_backoff_ms = max_backoff_ms
        self._due: dict[K, int] = {}
        self._heap: list[tuple[int, int, K]] = []
        self._failed_heap: list[tuple[int, int, K]] = []
        """Of those whose group is in trouble."""
        self._troubles: Counter[Hashable] = Counter()
        """Keys that failed the last time, by their group."""
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

    def take(self, now_ms: int, *, failed_too: bool = True) -> K | None:
        """Return a key that is due, or None; `finish` must follow.

        Whoever leaves out the groups of keys that failed the last time is not held up where those take long to fail.
        """
        for heap in self._heaps(failed_too):
            while heap and heap[0][0] <= now_ms:
                due_ms, _, key = heapq.heappop(heap)
                if self._due.get(key) != due_ms:
                    continue
                if not failed_too and self._is_suspect(key):
                    self._push(key, due_ms)
                    continue
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
            if self._failures.pop(key, None):
                self._leave_trouble(key)
            self._done_ms[key] = now_ms
            if asked_again:
                self.add(key, now_ms)
            if len(self._done_ms) > 4 * (len(self._due) + 1_000):
                self._done_ms = {k: t for k, t in self._done_ms.items() if now_ms - t < self._coalesce_ms}
            return
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._troubles[self._group_of(key)] += failures == 1
        backoff_ms = min(self._backoff_ms << min(failures - 1, 16), self._max_backoff_ms)
        self._push(key, now_ms + max(backoff_ms, after_ms))

    def hurry(self, now_ms: int) -> None:
        """Make every waiting key due at once and forget its failures: their cause is gone, or the process is to end."""
        self._failures.clear()
        self._troubles.clear()
        for key in list(self._due):
            self._push(key, now_ms)

    def next_due_ms(self, *, failed_too: bool = True) -> int | None:
        """Return when the next key is due, or None where none waits."""
        dues = []
        for heap in self._heaps(failed_too):
            while heap and self._due.get(heap[0][2]) != heap[0][0]:
                heapq.heappop(heap)
            dues += [heap[0][0]] if heap else []
        return min(dues, default=None)

    def _heaps(self, failed_too: bool) -> Iterator[list[tuple[int, int, K]]]:
        yield self._heap
        if failed_too:
            yield self._failed_heap

    def _push(self, key: K, due_ms: int) -> None:
        self._due[key] = due_ms
        self._order += 1
        heapq.heappush(self._failed_heap if self._is_suspect(key) else self._heap, (due_ms, self._order, key))

    def _is_suspect(self, key: K) -> bool:
        return self._group_of(key) in self._troubles

    def _leave_trouble(self, key: K) -> None:
        group = self._group_of(key)
        self._troubles[group] -= 1
        if self._troubles[group] <= 0:
            del self._troubles[group]
