"""Queries, their responses, and the copies of both, by raw bytes. Pure; time is packet time.

A response is on the wire once to three times on a node (pre-NAT, post-NAT, bridge), its query as often before it. All
have the client's address and port, the transaction id and the question in common, octet for octet, the case of the name
included; that is the key. The copy on its way out to the client (packet type OUTGOING) is the client-side one: it is
seen after un-NAT, with the resolver's address as the client knows it. Where the link layer gives no packet type, and
among several outgoing ones, it is the last. So a response is held until its copies must have come.

One table holds queries that wait for their response and responses that wait for their copies, in two generations; a
query that outlives them moves to a set where it waits for seconds. So what is usual, a query answered within a
generation, costs one look-up and one store a frame.

Bounds: each generation of the table and of the set; over it, the generation ends early.
"""

import itertools
from collections.abc import Collection
from typing import Final

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.frames import DIRECTION_OUTGOING
from grapevine.capture.window import DnsTally

GENERATION_MS: Final = 100
"""A response is held for one to two of these: its copies follow within microseconds, a client's retry (same port, same
transaction id) after seconds."""
MAX_FRAMES: Final = 8_192
"""Queries, and responses, a generation takes: 80,000 a second of each."""
WAIT_MS: Final = 5_000
"""A query waits for one to two of these: stub resolvers give up or ask again after 5 s at most."""
MAX_WAITING: Final = 8_192
"""Queries of one generation that wait for seconds."""
MAX_LOOKED_BACK: Final = 32
"""Exchanges among which the response before NAT is sought of a copy that has another client."""

Held = tuple[DnsTally, int, int]
"""A response: what it counts on, its time in ms, and its direction as in `frames.Packet`."""

UNKNOWN: Final[Held] = (DnsTally((b"", b"", "", "", "", (), (), "")), 0, 0)
"""What a look-up gives for a key that is in no table."""


class Exchanges:
    """What has been asked and what has been answered of late."""

    def __init__(self, counters: Counters, *, is_matching: bool) -> None:
        self._counters = counters
        self.is_matching = is_matching
        """Whether a response must have a query."""
        self.recent: dict[bytes, Held | None] = {}
        """Of the running generation: None for a query without response. Callers that cannot afford a call of `ask` or
        `hold` may add a query, and answer one, themselves; they end the generation after `MAX_FRAMES` of each, or at
        the end of the block of frames in which they came."""
        self.before: dict[bytes, Held | None] = {}
        """Of the generation before it. A query in it that was answered in `recent` is not asked for any more."""
        self._before_ended_ms = 0
        self.due_ms = 0
        """When the running generation is over."""
        self._waiting: set[bytes] = set()
        self._waiting_before: set[bytes] = set()
        self._waiting_due_ms = 0

    def __bool__(self) -> bool:
        """Tell whether anything is held that the passing of time would release."""
        return bool(self.recent or self.before)

    def is_full(self) -> bool:
        """Tell whether the generation holds more than those who add to it themselves may have put there."""
        return len(self.recent) >= 2 * MAX_FRAMES

    def ask(self, key: bytes) -> None:
        """Take a query, or a copy of one."""
        self.recent.setdefault(key, None)

    def expects(self, key: bytes, same: int, direction: int) -> Reason | None:
        """Return None for a response that is to be held, else why not: unsolicited, or a copy no better than one held.

        `same` is the number of octets at the end of `key` that address translation leaves alone. Changes nothing.
        """
        held = self.recent.get(key, UNKNOWN)
        if held is UNKNOWN:
            held = self.before.get(key, UNKNOWN)
        if held is None:
            return None
        if held is UNKNOWN:
            if not self.is_matching or key in self._waiting or key in self._waiting_before:
                return None
            return Reason.FOLDED if self._is_translated(key[-same:]) else Reason.UNSOLICITED
        return None if _is_better(direction, held) else Reason.FOLDED

    def _is_translated(self, end: bytes) -> bool:
        """Tell whether a response of late had the same id and question.

        A client on the host network is masqueraded: what it asks is on the wire with the translated address alone, but
        a copy of the response also with its own. One in a flood of unsolicited ones is looked for no further than this.
        """
        for key in itertools.islice(reversed(self.recent), MAX_LOOKED_BACK):
            if key.endswith(end) and self.recent[key] is not None:
                return True
        return False

    def hold(self, key: bytes, response: Held) -> None:
        """Hold a response that is expected; it takes the place of a copy held already."""
        held = self.recent.get(key, UNKNOWN)
        if held is UNKNOWN:
            held = self.before.get(key, UNKNOWN)
            if held is UNKNOWN:
                self._waiting.discard(key)
                self._waiting_before.discard(key)
            elif held is None:
                del self.before[key]
            else:
                self.fold(self.before, key, response)
                return
        elif held is not None:
            self.fold(self.recent, key, response)
            return
        self.recent[key] = response

    def fold(self, table: dict[bytes, Held | None], key: bytes, copy: Held) -> None:
        """Count a copy of the response that `table` holds by `key`; the better of the two is held."""
        self._counters.add(Reason.FOLDED)
        if _is_better(copy[2], table[key]):
            table[key] = copy

    def turn(self, now_ms: int, *, is_early: bool = False) -> Collection[Held | None]:
        """End the generation; return what was in the one before it, in the order it came: responses to be released.

        Queries without a response are None there, and wait on. Counts what is released too early, if it `is_early`.
        """
        released = self.before
        if is_early:
            early = [held for held in released.values() if held is not None and held[1] + GENERATION_MS > now_ms]
            self._counters.add(Reason.FOLD_EARLY, len(early))
        is_young = now_ms < self._before_ended_ms + WAIT_MS
        self.before, self.recent = self.recent, {}
        self._before_ended_ms = min(now_ms, self.due_ms)
        self.due_ms = now_ms + GENERATION_MS
        if now_ms >= self._waiting_due_ms:
            self._turn_waiting(now_ms)
        if is_young and None in released.values():
            self._wait([key for key, held in released.items() if held is None and key not in self.before], now_ms)
        return released.values()

    def reset(self) -> None:
        """Forget the queries: the clock was set back. To be called when nothing is held."""
        self._waiting, self._waiting_before = set(), set()
        self.due_ms = self._waiting_due_ms = self._before_ended_ms = 0

    def _wait(self, keys: list[bytes], now_ms: int) -> None:
        if len(self._waiting) + len(keys) > MAX_WAITING:
            self._counters.add(Reason.QUERIES_EVICTED, len(self._waiting_before))
            self._turn_waiting(now_ms)
        self._waiting.update(keys)

    def _turn_waiting(self, now_ms: int) -> None:
        self._waiting_before = self._waiting if now_ms < self._waiting_due_ms + WAIT_MS else set()
        self._waiting = set()
        self._waiting_due_ms = now_ms + WAIT_MS


def _is_better(direction: int, held: Held | None) -> bool:
    return direction == DIRECTION_OUTGOING or held is None or held[2] != DIRECTION_OUTGOING
