"""Which Events are written, and which would only repeat or flood. Pure; the clock is an argument.

What is left out is counted, never silently lost: the status has it all the same.
"""

from collections import Counter, OrderedDict, deque
from typing import TypeVar

from grapevine.model.event import Event

K = TypeVar("K")
V = TypeVar("V")
WINDOW_MS = 3_600_000
"""What was said of an object is not said again within it: as long as an API server keeps Events by default."""
MAX_OF_OBJECT = 20
"""Events about one object within that time."""
MAX_WAITING = 500
"""Events that wait to be written."""
MAX_REMEMBERED = 10_000
"""Things said, and objects they were said of; the ones said longest ago are forgotten."""
LEFT_OUT = ("repeated", "object-full", "queue-full")


class EventBook:
    """Takes what could be said, and hands out what is to be, in order."""

    def __init__(self) -> None:
        self._said_ms: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        self._of_object: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """By uid: since when is counted, and how many."""
        self._waiting: deque[Event] = deque()
        self.left_out: Counter[str] = Counter(dict.fromkeys(LEFT_OUT, 0))
        """What was not said, by why."""

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, event: Event, now_ms: int) -> None:
        """Take in something to be said, unless it was said already or there is too much of it."""
        uid = event.about.uid
        key = (uid, event.reason, event.subject)
        since_ms, count = self._of_object.get(uid, (now_ms, 0))
        if now_ms - since_ms >= WINDOW_MS:
            since_ms, count = now_ms, 0
        if now_ms - self._said_ms.get(key, now_ms - WINDOW_MS) < WINDOW_MS:
            self.left_out["repeated"] += 1
        elif count >= MAX_OF_OBJECT:
            self.left_out["object-full"] += 1
        elif len(self._waiting) >= MAX_WAITING:
            self.left_out["queue-full"] += 1
        else:
            _remember(self._said_ms, key, now_ms)
            _remember(self._of_object, uid, (since_ms, count + 1))
            self._waiting.append(event)

    def take(self) -> Event | None:
        """Return what has waited longest, or None."""
        return self._waiting.popleft() if self._waiting else None


def _remember(table: OrderedDict[K, V], key: K, value: V) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > MAX_REMEMBERED:
        table.popitem(last=False)
