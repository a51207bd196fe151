"""Which nodes hear their own pods now, so that what two nodes heard is taken once. Pure; time comes with the batches.

A response between two nodes passes both of them. The client's own is the one to believe: it alone hears what never
leaves it. That a node is there does not mean it hears anything (a data plane may pass its tap by), so its word counts
once it has told of something of that kind itself.
"""

from dataclasses import dataclass, field

_HEARD_FOR_MS = 30_000
"""A node silent for this long, six heartbeats, is not heard any more."""
_MAX_NODES = 10_000


@dataclass(slots=True)
class _Node:
    stream: str
    since_ms: int
    """Since when its capture has listened without a gap, by its own clock."""
    heard_ms: int
    tells: set[type] = field(default_factory=set)
    """Kinds of observation that came from it."""


class HeardNodes:
    """Nodes by name, each with its newest capture process."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._now_ms = 0

    def note(self, node: str, stream: str, since_ms: int | None, kinds: set[type], now_ms: int) -> None:
        """Take in that a batch or heartbeat of a node's capture came at `now_ms`, with these kinds of observation.

        It has listened to the wire since `since_ms`; None where it does not (another source, a socket that closed).
        """
        self._now_ms = max(self._now_ms, now_ms)
        known = self._nodes.get(node)
        if not node or since_ms is None:
            if known is not None and known.stream == stream:
                del self._nodes[node]
            return
        if known is None or known.stream != stream:
            self._nodes.pop(node, None)
            known = self._nodes[node] = _Node(stream, since_ms, now_ms)
            if len(self._nodes) > _MAX_NODES:
                del self._nodes[next(iter(self._nodes))]
        known.since_ms, known.heard_ms = since_ms, now_ms
        known.tells |= kinds

    def hears(self, node: str, kind: type, first_ms: int) -> bool:
        """Whether that node's capture, heard now, listened at `first_ms` and tells of such observations."""
        known = self._nodes.get(node)
        return (
            known is not None
            and kind in known.tells
            and known.since_ms <= first_ms
            and self._now_ms - known.heard_ms <= _HEARD_FOR_MS
        )
