"""Queries, their responses, and the copies of both, by raw bytes. Pure; time is packet time.

A response is on the wire once to three times on a node (pre-NAT, post-NAT, bridge), its query as often before it. All
have the client's address and port, the transaction id and the question in common, octet for octet, the case of the name
included. The copy on its way out to the client (packet type OUTGOING) is the client-side one: it is seen after un-NAT,
with the resolver's address as the client knows it. Where the link layer gives no packet type, and among several
outgoing ones, it is the last. So a response is held until its copies must have come, unless its reader knows that there
are none.

One table holds queries that wait for their response and responses that wait for their copies, in two generations; a
query that outlives them moves to a set where it waits for seconds. So what is usual, a query answered within a
generation, costs one look-up and one store a frame. Its key has no question, for that is the dearest part of one: what
has the same address, port and id as another and a different question stands under both.

Bounds: each generation of the table and of the set, over which it ends early; what is kept of a query.
"""

import itertools
from typing import Final

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.frames import DIRECTION_OUTGOING
from grapevine.capture.heard import MIN_QUESTION_BYTES
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

MAX_ASKED_BYTES: Final = 320
"""Kept of a query: the longest question, and the options that usually follow one."""

Asked = bytes
"""A query without response: its octets from the question on, `MAX_ASKED_BYTES` at most."""
Counted = tuple[DnsTally, bytes]
"""A response that was counted when it came: what on, and its question."""
Held = tuple[DnsTally, bytes, int, int]
"""A response that is to be counted, and its time in ms and direction as in `frames.Packet`."""
State = Asked | Counted | Held

Key = bytes | tuple[bytes, bytes]
"""The client's address, port and transaction id, behind a letter for TCP; the question too where that is taken."""

UNKNOWN: Final[Held] = (DnsTally((b"", b"", "", "", "", (), (), "")), b"", 0, 0)
"""What a look-up gives for a key that is in no table."""


class Exchanges:
    """What has been asked and what has been answered of late."""

    def __init__(self, counters: Counters, *, is_matching: bool) -> None:
        self._counters = counters
        self.is_matching = is_matching
        """Whether a response must have a query."""
        self.recent: dict[Key, State] = {}
        """Of the running generation. Callers that cannot afford a call of `ask` or `hold` may add a query, and answer
        one, themselves; they end the generation after `MAX_FRAMES` of each, or at the end of the block of frames in
        which they came."""
        self.before: dict[Key, State] = {}
        """Of the generation before it. A query in it that was answered in `recent` is not asked for any more."""
        self._before_ended_ms = 0
        self.due_ms = 0
        """When the running generation is over."""
        self._waiting: set[Key] = set()
        """Always by address, port and id, and by question."""
        self._waiting_before: set[Key] = set()
        self._waiting_due_ms = 0

    def __bool__(self) -> bool:
        """Tell whether anything is held that the passing of time would release."""
        return bool(self.recent or self.before)

    def is_full(self) -> bool:
        """Tell whether the generation holds more than those who add to it themselves may have put there."""
        return len(self.recent) >= 2 * MAX_FRAMES

    def ask(self, key: bytes, asked: Asked) -> None:
        """Take a query, or a copy of one."""
        before = self.recent.setdefault(key, asked)
        if before is not asked and question_of(before) != (question := question_of(asked)):
            self.recent.setdefault((key, question), asked)

    def expects(self, key: bytes, question: bytes, direction: int) -> Reason | None:
        """Return None for a response that is to be held, else why not: unsolicited, or a copy no better than one held.

        Changes nothing.
        """
        under, table = self._find(key, question)
        if table is not None:
            return None if _is_better(direction, table[under]) else Reason.FOLDED
        full = key, question
        if not self.is_matching or full in self._waiting or full in self._waiting_before:
            return None
        return Reason.FOLDED if self._is_translated(key[-2:], question) else Reason.UNSOLICITED

    def _find(self, key: bytes, question: bytes) -> tuple[Key, dict[Key, State] | None]:
        """Return the key of an exchange and the table that has it; None, and the key it may be put under, for none."""
        free: Key = key
        for each in (key, (key, question)):
            for table in (self.recent, self.before):
                state = table.get(each)
                if state is not None:
                    if question_of(state) == question:
                        return each, table
                    free = key, question
        return free, None

    def _is_translated(self, transaction_id: bytes, question: bytes) -> bool:
        """Tell whether a response of late had the same id and question.

        A client on the host network is masqueraded: what it asks is on the wire with the translated address alone, but
        a copy of the response also with its own. One in a flood of unsolicited ones is looked for no further than this.
        """
        for key in itertools.islice(reversed(self.recent), MAX_LOOKED_BACK):
            if (key if isinstance(key, bytes) else key[0]).endswith(transaction_id):
                state = self.recent[key]
                if isinstance(state, tuple) and state[1] == question:
                    return True
        return False

    def hold(self, key: bytes, response: Held) -> None:
        """Hold a response that is expected; it takes the place of a copy held already."""
        under, table = self._find(key, response[1])
        if table is None:
            self._waiting.discard((key, response[1]))
            self._waiting_before.discard((key, response[1]))
        elif isinstance(table[under], tuple):
            self.fold(table, under, response)
            return
        elif table is self.before:
            del table[under]
            if under in self.recent:  # another question, of the same id
                under = key, response[1]
        self.recent[under] = response

    def fold(self, table: dict[Key, State], key: Key, copy: Held) -> None:
        """Count a copy of the response that `table` has by `key`; the better of the two is held."""
        self._counters.add(Reason.FOLDED)
        if _is_better(copy[3], table[key]):
            table[key] = copy

    def turn(self, now_ms: int, *, is_early: bool = False) -> list[Held]:
        """End the generation; return the responses of the one before it that are to be counted, in the order they came.

        Queries without a response wait on. Counts what is released too early, if it `is_early`.
        """
        answered, over = self.recent, self.before
        # By class, and no function of ours for each: nearly all of it was counted when it came, and is only passed over
        held = [state for state in over.values() if state.__class__ is tuple and len(state) == 4]
        asked = [(key, state) for key, state in over.items() if state.__class__ is bytes]
        unanswered: list[Key] = [
            key if isinstance(key, tuple) else (key, question_of(state))
            for key, state in asked
            if key not in answered or question_of(answered[key]) != question_of(state)
        ]
        if is_early:
            early = sum(response[2] + GENERATION_MS > now_ms for response in held)
            self._counters.add(Reason.FOLD_EARLY, early)
        is_young = now_ms < self._before_ended_ms + WAIT_MS
        self.before, self.recent = self.recent, {}
        self._before_ended_ms = min(now_ms, self.due_ms)
        self.due_ms = now_ms + GENERATION_MS
        if now_ms >= self._waiting_due_ms:
            self._turn_waiting(now_ms)
        if is_young and unanswered:
            self._wait(unanswered, now_ms)
        return held

    def reset(self) -> None:
        """Forget the queries: the clock was set back. To be called when nothing is held."""
        self._waiting, self._waiting_before = set(), set()
        self.due_ms = self._waiting_due_ms = self._before_ended_ms = 0

    def _wait(self, keys: list[Key], now_ms: int) -> None:
        if len(self._waiting) + len(keys) > MAX_WAITING:
            self._counters.add(Reason.QUERIES_EVICTED, len(self._waiting_before))
            self._turn_waiting(now_ms)
        self._waiting.update(keys)

    def _turn_waiting(self, now_ms: int) -> None:
        self._waiting_before = self._waiting if now_ms < self._waiting_due_ms + WAIT_MS else set()
        self._waiting = set()
        self._waiting_due_ms = now_ms + WAIT_MS


def question_of(state: State) -> bytes:
    """Return the question of a query or a response; all octets of a query that has none."""
    if isinstance(state, tuple):
        return state[1]
    end = state.find(0) + MIN_QUESTION_BYTES
    return state[:end] if MIN_QUESTION_BYTES <= end <= len(state) else state


def _is_better(direction: int, state: State) -> bool:
    """Tell whether a copy in `direction` takes the place of what there is."""
    if isinstance(state, bytes):
        return True
    return len(state) == 4 and (direction == DIRECTION_OUTGOING or state[3] != DIRECTION_OUTGOING)
