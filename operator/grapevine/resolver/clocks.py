"""How far the nodes' clocks are from ours, so that a time is compared in the clock of whoever wrote it. Pure; bounded.

A pod's start and end are its kubelet's word, and what a node heard of it is told in the same clock: these two compare
as they stand, however wrong the clock is. Everything else crosses clocks and is moved by the difference of their
offsets (docs/decisions/009).
"""

from dataclasses import dataclass

OURS = ""
"""The operator's own clock: when an object was seen."""
UNKNOWN = "?"
"""The clock of somebody who is no node that is known; no node can have this name (RFC 1123)."""
KNOWN_MARGIN_MS = 500
"""How far two clocks may still differ once both offsets are known: what is taken as none, and the way of the newest
batches."""
UNKNOWN_MARGIN_MS = 1_000
"""The same where an offset is not known and taken as 0: clocks that NTP keeps, with room."""
_NONE_MS = 200
"""An offset up to this is none: it is the way of the batch rather than the clock."""
_WINDOW_MS = 30_000
"""The offset is that of the least delayed batch of the last one to two of these; a clock set back is believed after
that, one set forward at once."""
_MAX_CLOCKS = 10_000


@dataclass(slots=True)
class _Heard:
    began_ms: int
    before_ms: int
    newest_ms: int


class Clocks:
    """Clocks by the name of their node, or of the stream where a sender told no node."""

    def __init__(self) -> None:
        self._heard: dict[str, _Heard] = {}
        self._ahead: dict[str, int] = {OURS: 0}

    def note(self, name: str, ahead_ms: int, now_ms: int) -> None:
        """Take in that a request came at `now_ms` and was sent, by its sender's clock, `ahead_ms` later.

        A request is never early, so the one that seems most ahead of us was delayed least.
        """
        known = self._heard.pop(name, None)
        if known is None:
            known = _Heard(now_ms, ahead_ms, ahead_ms)
        elif now_ms - known.began_ms >= _WINDOW_MS:
            is_recent = now_ms - known.began_ms < 2 * _WINDOW_MS
            known = _Heard(now_ms, known.newest_ms if is_recent else ahead_ms, ahead_ms)
        else:
            known.newest_ms = max(known.newest_ms, ahead_ms)
        self._heard[name] = known
        best_ms = max(known.before_ms, known.newest_ms)
        self._ahead[name] = best_ms if abs(best_ms) > _NONE_MS else 0
        if len(self._heard) > _MAX_CLOCKS:
            oldest = next(iter(self._heard))
            del self._heard[oldest], self._ahead[oldest]

    def ahead_ms(self, name: str) -> int:
        """Return how far that clock is ahead of ours; negative behind, 0 where it is not known."""
        return self._ahead.get(name, 0)

    def between(self, writer: str, reader: str) -> tuple[int, int]:
        """Return what to add to a time that `writer` wrote to have it in `reader`'s clock, and how wrong it may be."""
        if writer == reader:
            return 0, 0
        wrote, reads = self._ahead.get(writer), self._ahead.get(reader)
        margin_ms = UNKNOWN_MARGIN_MS if wrote is None or reads is None else KNOWN_MARGIN_MS
        return (reads or 0) - (wrote or 0), margin_ms
