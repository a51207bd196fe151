"""Which names outside the cluster are nodes of their own; bounded, and steady: a name keeps its place. Pure.

One node a name is what makes a graph of a busy cluster unreadable, and its metrics expensive; a node that comes and
goes with its rank would be worse.
"""

from collections.abc import Mapping


class Externals:
    """Names with a node, at most `max_names`; one not live for `ttl_ms` gives its place away."""

    def __init__(self, max_names: int, ttl_ms: int) -> None:
        self._max_names = max_names
        self._ttl_ms = ttl_ms
        self._live_ms: dict[str, int] = {}
        self.overflow = 0
        """Live names without a node at the last look."""

    def __len__(self) -> int:
        return len(self._live_ms)

    def has(self, name: str) -> bool:
        """Whether the name has a node."""
        return name in self._live_ms

    def see(self, clients: Mapping[str, int], at_ms: int) -> None:
        """Take in the live names with their number of clients; free places go to those with the most."""
        for name in clients:
            if name in self._live_ms:
                self._live_ms[name] = at_ms
        for name in [name for name, seen_ms in self._live_ms.items() if at_ms - seen_ms > self._ttl_ms]:
            del self._live_ms[name]
        waiting = sorted((name for name in clients if name not in self._live_ms), key=lambda n: (-clients[n], n))
        free = max(0, self._max_names - len(self._live_ms))
        self._live_ms.update(dict.fromkeys(waiting[:free], at_ms))
        self.overflow = len(waiting[free:])
