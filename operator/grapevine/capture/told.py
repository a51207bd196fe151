"""What DNS servers tell of their own responses (dnstap, logs) → cut windows. Pure; nothing in it raises.

What is told comes once. But CoreDNS also tells of look-ups of its own (the target of a CNAME in a zone it serves, of an
ExternalName) as if the client had asked: with the client's address, port and transaction id, before the response they
were for. So of one transaction all but the last are folded. No query is waited for: the server knows that it was asked.
"""

from collections import deque
from typing import TYPE_CHECKING, Final

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import HEADER_BYTES, Response, parse_response
from grapevine.capture.repeats import Repeats
from grapevine.capture.sources.tap import Tap
from grapevine.capture.window import MAX_BACKWARD_MS, Cut, DnsTally, Window

if TYPE_CHECKING:
    from grapevine.capture.sources.corelog import LogLine  # only its users load it

FOLD_MS: Final = 1_500
"""How long a response waits for a later one of its transaction: CoreDNS flushes what fills no buffer only every second,
so the two may come that far apart."""
MAX_HELD: Final = 32_768
"""Responses waiting at once: 21,000 a second."""
QUESTION_TAIL_BYTES: Final = 5
"""The root label, type and class."""
MAX_SKEW_MS: Final = 60_000
"""A server's clock further from ours than this is not believed."""


class _Known:
    """What a response of a server was decoded to, whoever asked."""

    __slots__ = ("response", "wire_bytes")

    def __init__(self, response: Response) -> None:
        self.response = response
        self.wire_bytes = sum(map(len, (response.qname, *response.answers, *response.cnames)))


class Told:
    """Takes what servers tell and the passing of time; gives windows of observations.

    Memory: `MAX_HELD` responses and one window.
    """

    def __init__(self, source: str, window_ms: int, counters: Counters) -> None:
        self._counters = counters
        self._window = Window(source, window_ms, counters)
        self._cuts: list[Cut] = []
        self._newest_ms = 0
        self._repeats = Repeats[_Known](counters)
        self._held: dict[bytes, tuple[DnsTally, int]] = {}
        """What the last response so far is counted on, and its time, by transaction. At 20,000 a second 30,000 are
        held, so a transaction is a few octets and not a tuple of them, which takes twice the memory."""
        self._arrivals: deque[tuple[int, list[bytes]]] = deque()
        """When transactions were first told of, and which; oldest first, each of `_held` once."""
        self._told_ms = 0
        """Time of the last response."""

    def is_idle(self) -> bool:
        """Tell whether nothing is held that the passing of time would cut."""
        return not self._held and not self._window

    def tap(self, tap: Tap, now_ms: int) -> None:
        """Take a response told by dnstap, which came at `now_ms`."""
        if now_ms != self._newest_ms:
            self.advance(now_ms)
        client, client_port, resolver, transport, time_ms, message = tap
        self._counters.add(Reason.MESSAGES)
        # Wherever the first zero stands: what is found has the same octets before and behind it
        behind = message.find(0, HEADER_BYTES) + QUESTION_TAIL_BYTES
        key = message[2:behind]
        known = self._repeats.find(key, message, behind, len(message), now_ms)
        if known is None:
            known = self._decode(key, message, behind, now_ms)
            if known is None:
                return
        if not -MAX_SKEW_MS <= time_ms - now_ms <= MAX_SKEW_MS:
            self._counters.add(Reason.TAP_TIME)
            time_ms = now_ms
        tally = self._window.tally(client, resolver, known.response, transport)
        transaction = client + client_port.to_bytes(2, "big") + message[:2]
        self._hold(_of(transport, transaction if client_port else transaction + key), tally, time_ms, now_ms)

    def _decode(self, key: bytes, message: bytes, behind: int, now_ms: int) -> "_Known | None":
        response = parse_response(message)
        if isinstance(response, Reason):
            self._counters.add(response)
            return None
        for note in response.notes:
            self._counters.add(note)
        known = _Known(response)
        self._repeats.learn(key, message, behind, response, known, now_ms)
        return known

    def line(self, line: "LogLine", resolver: bytes, now_ms: int) -> None:
        """Take a line that the server at `resolver` logged, and that came at `now_ms`.

        The time before the line is believed however old it is, for a log may be read late; not one that is to come.
        """
        if now_ms != self._newest_ms:
            self.advance(now_ms)
        self._counters.add(Reason.MESSAGES)
        time_ms = line.time_ms if 0 < line.time_ms <= now_ms + MAX_SKEW_MS else now_ms
        response = Response(line.qname, line.qtype, line.rcode, answers=(), cnames=(), notes=())
        tally = self._window.tally(line.client, resolver, response, line.transport)
        if line.client_port and line.transaction_id is not None:
            transaction = line.client + (line.client_port << 16 | line.transaction_id & 0xFFFF).to_bytes(4, "big")
            self._hold(_of(line.transport, transaction), tally, time_ms, now_ms)
        else:  # repeats cannot be told from a server's own look-ups: take them all
            self._cuts += self._window.count(tally, time_ms)

    def advance(self, now_ms: int) -> None:
        """Let time pass: what has waited long enough is released, a window that is over is cut."""
        if now_ms < self._newest_ms - MAX_BACKWARD_MS:
            self.flush()
            self._newest_ms = now_ms
        self._newest_ms = max(self._newest_ms, now_ms)
        self._release(self._newest_ms - FOLD_MS)
        self._cuts += self._window.advance(self._newest_ms)

    def flush(self) -> None:
        """Cut everything held, complete or not."""
        self._release(None)
        self._cuts += self._window.flush()

    def take(self) -> list[Cut]:
        """Return the windows cut since the last call."""
        cuts, self._cuts = self._cuts, []
        return cuts

    def _hold(self, transaction: bytes, tally: DnsTally, time_ms: int, now_ms: int) -> None:
        held = self._held
        if time_ms == self._told_ms:
            time_ms = self._told_ms  # the same object: 20 responses of a millisecond need no number each
        self._told_ms = time_ms
        if transaction in held:
            self._counters.add(Reason.FOLDED)
            held[transaction] = tally, time_ms
            return
        if len(held) >= MAX_HELD:
            self._counters.add(Reason.FOLD_EARLY, len(self._arrivals[0][1]))
            self._release(self._arrivals[0][0])
        held[transaction] = tally, time_ms
        if not self._arrivals or self._arrivals[-1][0] != now_ms:
            self._arrivals.append((now_ms, []))
        self._arrivals[-1][1].append(transaction)

    def _release(self, through_ms: int | None) -> None:
        """Count the responses whose transaction was first told of by `through_ms`; all with None."""
        count, take = self._window.count, self._held.pop
        while self._arrivals and (through_ms is None or self._arrivals[0][0] <= through_ms):
            _, transactions = self._arrivals.popleft()
            for transaction in transactions:
                self._cuts += count(*take(transaction))


def _of(transport: str, transaction: bytes) -> bytes:
    """Return the transaction's key; those of one transport have no octet more."""
    return transaction if transport == "udp" else b"t" + transaction
