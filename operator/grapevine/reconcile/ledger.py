"""Which batches have been seen, and through which sequence number everything stands in a written object. Pure.

This is what makes a 202 followed by a crash lose nothing: capture keeps a batch until `durable_through` covers it.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from grapevine.model.workload import WorkloadRef

_MAX_OPEN = 20_000
"""Batches of one stream that are not durable yet. A sender keeps fewer (its spool); past it the oldest is let go.

As many may have been seen behind a gap; past that the gap will not be filled.
"""


@dataclass(slots=True)
class _Stream:
    durable_through: int
    seen_through: int
    """Every number up to here was seen or will never come."""
    seen: set[int] = field(default_factory=set)
    open: OrderedDict[int, set[object]] = field(default_factory=OrderedDict)
    """Batch → what it waits for: clients to be written, and the batch itself while it is being worked on."""


class Ledger:
    """Deduplication and durability by stream; the stream silent longest is forgotten over `max_streams`."""

    def __init__(self, *, max_streams: int) -> None:
        self._max_streams = max_streams
        self._streams: OrderedDict[str, _Stream] = OrderedDict()
        self._waiting: dict[object, set[tuple[str, int]]] = {}

    def admit(self, stream: str, seq: int, oldest: int) -> bool:
        """Note a batch (or, with seq 0, a heartbeat); return whether it is new and has to be worked on.

        `oldest` is the lowest number the sender keeps: what is below is durable or lost and is waited for no more.
        """
        state = self._streams.get(stream)
        if state is None:
            state = self._streams[stream] = _Stream(max(oldest - 1, 0), max(oldest - 1, 0))
            while len(self._streams) > self._max_streams:
                self._forget(next(iter(self._streams)))
        self._streams.move_to_end(stream)
        for number in [n for n in state.open if n < oldest]:
            self._close(stream, state, number)
        if oldest - 1 > state.seen_through:
            state.seen_through = oldest - 1
            state.seen = {n for n in state.seen if n > state.seen_through}
        is_new = seq > state.seen_through and seq not in state.seen
        if is_new:
            state.seen.add(seq)
            state.open[seq] = set()
            self._wait(stream, seq, (stream, seq))
            if len(state.open) > _MAX_OPEN:
                self._close(stream, state, next(iter(state.open)))
            if len(state.seen) > _MAX_OPEN:
                state.seen_through = min(state.seen) - 1
        while state.seen_through + 1 in state.seen:
            state.seen_through += 1
            state.seen.discard(state.seen_through)
        self._advance(state)
        return is_new

    def wait_for(self, stream: str, seq: int, clients: Iterable[WorkloadRef]) -> None:
        """Make a batch wait until these clients' objects are written."""
        state = self._streams.get(stream)
        if state is not None and seq in state.open:
            for client in clients:
                self._wait(stream, seq, client)

    def worked(self, stream: str, seq: int) -> None:
        """Say that all of a batch has been taken in (nothing of it is parked): it waits for its clients alone now."""
        self._release((stream, seq))

    def written(self, client: WorkloadRef) -> None:
        """Say that the client's object holds all that is known of it."""
        self._release(client)

    def durable_through(self, stream: str) -> int:
        """Return the highest number of the stream up to which every edge stands in a written object."""
        state = self._streams.get(stream)
        return state.durable_through if state else 0

    def open_batches(self) -> int:
        """Return how many batches are not durable yet."""
        return sum(len(s.open) for s in self._streams.values())

    def _wait(self, stream: str, seq: int, what: object) -> None:
        self._streams[stream].open[seq].add(what)
        self._waiting.setdefault(what, set()).add((stream, seq))

    def _release(self, what: object) -> None:
        for stream, seq in self._waiting.pop(what, ()):
            state = self._streams[stream]
            state.open[seq].discard(what)
            if not state.open[seq]:
                del state.open[seq]
                self._advance(state)

    def _close(self, stream: str, state: _Stream, seq: int) -> None:
        for what in state.open.pop(seq):
            batches = self._waiting[what]
            batches.discard((stream, seq))
            if not batches:
                del self._waiting[what]

    def _forget(self, stream: str) -> None:
        state = self._streams[stream]
        for seq in list(state.open):
            self._close(stream, state, seq)
        del self._streams[stream]

    def _advance(self, state: _Stream) -> None:
        first_open = min(state.open, default=state.seen_through + 1)
        state.durable_through = max(state.durable_through, min(first_open - 1, state.seen_through))
