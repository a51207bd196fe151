"""What DNS servers tell of their own responses (dnstap, logs) → cut windows. Pure; nothing in it raises.

What is told comes once. But CoreDNS also tells of look-ups of its own (the target of a CNAME in a zone it serves, of an
ExternalName) as if the client had asked: with the client's address, port and transaction id, before the response they
were for. So of one transaction all but the last are folded. No query is waited for: the server knows that it was asked.
"""

from collections import deque
from typing import Final

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import Response, parse_response
from grapevine.capture.frames import DIRECTION_UNKNOWN
from grapevine.capture.sources.corelog import LogLine
from grapevine.capture.sources.tap import Tap
from grapevine.capture.window import MAX_BACKWARD_MS, Copy, Cut, Window

FOLD_MS: Final = 1_500
"""How long a response waits for a later one of its transaction: CoreDNS flushes what fills no buffer only every second,
so the two may come that far apart."""
MAX_HELD: Final = 32_768
"""Responses waiting at once: 21,000 a second."""
MAX_SKEW_MS: Final = 60_000
"""A server's clock further from ours than this is not believed."""


class Told:
    """Takes what servers tell and the passing of time; gives windows of observations.

    Memory: `MAX_HELD` responses and one window.
    """

    def __init__(self, source: str, window_ms: int, counters: Counters) -> None:
        self._counters = counters
        self._window = Window(source, window_ms, counters)
        self._cuts: list[Cut] = []
        self._newest_ms = 0
        self._held: dict[object, Copy] = {}
        """The last response so far, by transaction."""
        self._arrivals: deque[tuple[int, list[object]]] = deque()
        """When transactions were first told of, and which; oldest first, each of `_held` once."""

    def is_idle(self) -> bool:
        """Tell whether nothing is held that the passing of time would cut."""
        return not self._held and not self._window

    def tap(self, tap: Tap, now_ms: int) -> None:
        """Take a response told by dnstap, which came at `now_ms`."""
        self.advance(now_ms)
        self._counters.add(Reason.MESSAGES)
        response = parse_response(tap.message)
        if isinstance(response, Reason):
            self._counters.add(response)
            return
        for note in response.notes:
            self._counters.add(note)
        time_ms = tap.time_ms
        if abs(time_ms - now_ms) > MAX_SKEW_MS:
            self._counters.add(Reason.TAP_TIME)
            time_ms = now_ms
        copy = Copy(time_ms, tap.client, tap.client_port, tap.resolver, tap.transport, DIRECTION_UNKNOWN, response)
        question = () if tap.client_port else (response.qname, response.qtype)
        self._hold((tap.transport, tap.client, tap.client_port, response.transaction_id, *question), copy, now_ms)

    def line(self, line: LogLine, resolver: bytes, now_ms: int) -> None:
        """Take a line that the server at `resolver` logged, and that came at `now_ms`.

        The time before the line is believed however old it is, for a log may be read late; not one that is to come.
        """
        self.advance(now_ms)
        self._counters.add(Reason.MESSAGES)
        time_ms = line.time_ms if 0 < line.time_ms <= now_ms + MAX_SKEW_MS else now_ms
        response = Response(line.transaction_id or 0, line.qname, line.qtype, line.rcode, (), (), ())
        copy = Copy(time_ms, line.client, line.client_port, resolver, line.transport, DIRECTION_UNKNOWN, response)
        if line.client_port and line.transaction_id is not None:
            self._hold((line.transport, line.client, line.client_port, line.transaction_id), copy, now_ms)
        else:  # repeats cannot be told from a server's own look-ups: take them all
            self._keep(self._window.add(copy))

    def advance(self, now_ms: int) -> None:
        """Let time pass: what has waited long enough is released, a window that is over is cut."""
        if now_ms < self._newest_ms - MAX_BACKWARD_MS:
            self.flush()
            self._newest_ms = now_ms
        self._newest_ms = max(self._newest_ms, now_ms)
        self._release(self._newest_ms - FOLD_MS)
        self._keep(self._window.advance(self._newest_ms))

    def flush(self) -> None:
        """Cut everything held, complete or not."""
        self._release(None)
        self._keep(self._window.flush())

    def take(self) -> list[Cut]:
        """Return the windows cut since the last call."""
        cuts, self._cuts = self._cuts, []
        return cuts

    def _hold(self, transaction: object, copy: Copy, now_ms: int) -> None:
        if transaction in self._held:
            self._counters.add(Reason.FOLDED)
            self._held[transaction] = copy
            return
        if len(self._held) >= MAX_HELD:
            self._counters.add(Reason.FOLD_EARLY, len(self._arrivals[0][1]))
            self._release(self._arrivals[0][0])
        self._held[transaction] = copy
        if not self._arrivals or self._arrivals[-1][0] != now_ms:
            self._arrivals.append((now_ms, []))
        self._arrivals[-1][1].append(transaction)

    def _release(self, through_ms: int | None) -> None:
        """Count the responses whose transaction was first told of by `through_ms`; all with None."""
        while self._arrivals and (through_ms is None or self._arrivals[0][0] <= through_ms):
            _, transactions = self._arrivals.popleft()
            for transaction in transactions:
                self._keep(self._window.add(self._held.pop(transaction)))

    def _keep(self, cut: Cut | None) -> None:
        if cut is not None:
            self._cuts.append(cut)
