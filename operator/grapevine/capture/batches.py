"""Windows → batches: who sends, what is heard, which number. Pure."""

from collections.abc import Callable

from grapevine.capture.counters import Counters
from grapevine.capture.window import Cut
from grapevine.wire.schema import HEARTBEAT_SEQ, Batch, BatchHeader, Hearing


class Batcher:
    """Numbers the batches of one stream, from 1 without a gap, and makes heartbeats.

    One thread cuts batches; another may make heartbeats at the same time.
    """

    def __init__(self, stream: str, node: str, counters: Counters, clock_ms: Callable[[], int]) -> None:
        self._stream = stream
        self._node = node
        self._counters = counters
        self._clock_ms = clock_ms
        self._seq = 0
        self.hearing = Hearing((), 0)
        """What is listened to now; set by the loop."""
        self.host_ips: tuple[str, ...] = ()
        """Addresses of the node; set by the loop."""
        self.wants: tuple[str, ...] = ()
        """What to ask the operator for; set by the loop."""

    def batch(self, cut: Cut) -> Batch:
        """Return the next batch. Its `oldest` is 1, for nothing was given up here; the sender knows better."""
        self._seq += 1
        return Batch(self._header(self._seq), cut)

    def heartbeat(self) -> BatchHeader:
        """Return the header of a batch without observations."""
        return self._header(HEARTBEAT_SEQ)

    def _header(self, seq: int) -> BatchHeader:
        return BatchHeader(
            stream=self._stream,
            seq=seq,
            oldest=1,
            node=self._node,
            clock_ms=self._clock_ms(),
            hearing=self.hearing,
            host_ips=self.host_ips,
            counters=self._counters.snapshot(),
            wants=self.wants,
        )
