"""What listens now, and where: an edge grows old only by time in which it could have been heard. Pure.

A capture on the wire hears the pods of its node; one whose node is not known hears them all. What tells or writes of
look-ups (dnstap, a log) stands at the cluster's DNS and hears every client. A file hears nobody.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

HEARD_FOR_MS = 30_000
"""A stream is taken to listen for so long after its newest batch or heartbeat; these come every 5 s."""
_MAX_STREAMS = 5_000
_WIRE = "packet"
_TOLD = frozenset({"dnstap", "log"})


@dataclass(slots=True)
class _Stream:
    node: str
    sources: frozenset[str]
    at_ms: int


class Hearing:
    """Streams by name, the one silent longest first."""

    def __init__(self) -> None:
        self._streams: OrderedDict[str, _Stream] = OrderedDict()

    def note(self, stream: str, node: str, sources: Iterable[str], now_ms: int) -> None:
        """Take in that a batch or heartbeat of a stream came, and which of its sources are open."""
        self._streams.pop(stream, None)
        self._streams[stream] = _Stream(node, frozenset(sources), now_ms)
        if len(self._streams) > _MAX_STREAMS:
            self._streams.popitem(last=False)

    def now(self, now_ms: int) -> "Heard":
        """Return what is heard at this moment, and forget what has been silent for long; O(streams)."""
        while self._streams and now_ms - next(iter(self._streams.values())).at_ms > HEARD_FOR_MS:
            self._streams.popitem(last=False)
        streams = self._streams.values()
        return Heard(
            nodes=frozenset(each.node for each in streams if _WIRE in each.sources),
            told=frozenset(source for each in streams for source in each.sources & _TOLD),
        )


@dataclass(frozen=True, slots=True)
class Heard:
    """What listens at one moment."""

    nodes: frozenset[str]
    """Nodes whose wire is heard; one without name means all of them."""
    told: frozenset[str]
    """Sources that stand at the cluster's DNS."""

    def at(self, nodes: Iterable[str]) -> frozenset[str]:
        """Return the sources that hear a client on all of these nodes; one without pods is on every node or none."""
        where = frozenset(nodes)
        is_heard = "" in self.nodes or (where <= self.nodes if where else bool(self.nodes))
        return self.told | {_WIRE} if is_heard else self.told
