"""Batches between being cut and being durable, in order and within a bound. Pure; not thread-safe.

What is kept is the encoded records (a tenth of the objects) and the header as a value, for its `oldest` and clock must
be true when it is sent, not when it was cut.
"""

import zlib
from collections.abc import Mapping
from typing import Final

from grapevine.capture.counters import Counters, Reason
from grapevine.model.value import replace, value
from grapevine.wire.codec import encode_batch
from grapevine.wire.schema import Batch, BatchHeader

HEADER_BYTES: Final = 1_024
"""What a kept header is taken to cost, without its host addresses."""


@value
class Kept:
    """One batch, ready to be sent as often as needed."""

    header: BatchHeader
    records: bytes
    """The lines below the header line; empty for a heartbeat."""

    def cost_bytes(self) -> int:
        """Return the memory it is taken to cost."""
        return HEADER_BYTES + len(self.records)

    def encode(self, oldest: int, clock_ms: int, counters: Mapping[str, int], *, deflate: bool) -> bytes:
        """Return the request body, with `oldest` and clock as of now and the sender's own counters beside capture's."""
        counters = {**self.header.counters, **counters}
        header = replace(self.header, oldest=oldest, clock_ms=clock_ms, counters=counters)
        body = encode_batch(Batch(header, ())) + self.records
        return zlib.compress(body, 1) if deflate else body


class Spool:
    """Batches of one stream that are not durable yet; oldest first. All operations but `resend` are O(1) amortised."""

    def __init__(self, max_bytes: int, counters: Counters) -> None:
        self._max_bytes = max_bytes
        self._counters = counters
        self._kept: dict[int, Kept] = {}
        self._bytes = 0
        self._last_seq = 0
        self._next_seq = 1
        """Everything kept from here on is to be sent."""

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def oldest(self) -> int:
        """Lowest sequence number kept; the next one to come where nothing is."""
        return next(iter(self._kept), self._last_seq + 1)

    def has_room(self) -> bool:
        """Tell whether the spool is at most half full, so that no batch would push another out."""
        return self._bytes <= self._max_bytes // 2

    def add(self, batch: Batch) -> None:
        """Keep a batch; the oldest ones are dropped and counted where it does not fit beside them."""
        _, _, records = encode_batch(batch).partition(b"\n")
        kept = Kept(batch.header, records)
        self._last_seq = batch.header.seq
        self._kept[self._last_seq] = kept
        self._bytes += kept.cost_bytes()
        while self._bytes > self._max_bytes and len(self._kept) > 1:
            self.drop(self.oldest)
            self._counters.add(Reason.SPOOL_OVERFLOW)

    def next_unsent(self) -> Kept | None:
        """Return the batch to send next, None where all are sent."""
        self._next_seq = max(self._next_seq, self.oldest)
        while self._next_seq <= self._last_seq:
            kept = self._kept.get(self._next_seq)
            if kept is not None:
                return kept
            self._next_seq += 1
        return None

    def mark_sent(self, seq: int) -> None:
        """Go on with the batch after `seq`."""
        self._next_seq = max(self._next_seq, seq + 1)

    def resend(self) -> int:
        """Have everything kept sent again, in order; return how many batches had been sent already."""
        again = sum(seq < self._next_seq for seq in self._kept)
        self._next_seq = self.oldest
        return again

    def forget_through(self, seq: int) -> None:
        """Forget what is durable: everything up to and including `seq`, of what was sent."""
        while self._kept and self.oldest <= min(seq, self._next_seq - 1):
            self.drop(self.oldest)

    def drop(self, seq: int) -> None:
        """Forget one batch, if it is still kept."""
        kept = self._kept.pop(seq, None)
        if kept is not None:
            self._bytes -= kept.cost_bytes()
