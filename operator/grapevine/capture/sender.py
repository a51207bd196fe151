"""Delivers batches to the operator, in order, at least once, until they are durable (wire: DESIGN §4).

`Sender.step` does one thing at a time on a clock that is passed in; `SenderThread` runs it. A thread, and not the
capture loop, because looking up the operator's name can block for seconds (getaddrinfo has no other form), and because
blocking code with timeouts is the shortest that is right. The two meet in the spool alone, under one lock, and capture
never waits for the network.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.http1 import HttpReply
from grapevine.capture.spool import Kept, Spool
from grapevine.model.errors import RetryableError
from grapevine.wire.codec import decode_reply
from grapevine.wire.schema import (
    HEARTBEAT_SEQ,
    STATUS_ACCEPTED,
    STATUS_BUSY,
    STATUS_NOT_LEADER,
    STATUS_REJECTED,
    Batch,
    BatchHeader,
    Reply,
    WireError,
)

HEARTBEAT_S: Final = 5.0
"""Between two requests while nothing is to be sent: keeps *heard* going and learns what became durable."""
DRAIN_HEARTBEAT_S: Final = 0.5
BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MAX_S: Final = 30.0
MAX_RETRY_AFTER_S: Final = 300.0
LEADERLESS_S: Final = 1.0
"""Between two tries while a replica answers and none leads, half of it random: that ends within seconds, and nobody is
overloaded who has to be spared."""
WARN_PERIOD_S: Final = 60.0
STALL_S: Final = 300.0
"""What one request may take at most, the look-up of a name included: getaddrinfo tries every server of the node twice
for each search domain."""
_STATUS_TOO_LARGE: Final = 413

_log = logging.getLogger(__name__)

Post = Callable[[bytes], HttpReply]
"""Sends one request body and returns the reply; raises RetryableError where there is none."""


class Sender:
    """The state of delivery. `offer`, `left`, `has_room` and `lost` may be called by any thread, `step` by one."""

    def __init__(
        self,
        post: Post,
        heartbeat: Callable[[], BatchHeader],
        *,
        spool_bytes: int,
        deflate: bool,
        random: Callable[[], float],
        on_reply: Callable[[Reply], None] | None = None,
    ) -> None:
        """Make a sender; `random` gives numbers from 0 to 1 for the jitter of retries.

        `on_reply` is given what the operator says to batches it accepts.
        """
        self._post = post
        self._heartbeat = heartbeat
        self._deflate = deflate
        self._random = random
        self._on_reply = on_reply
        self._counters = Counters()
        self._lock = threading.Lock()
        self._spool = Spool(spool_bytes, self._counters)
        self._instance = ""
        self._failures = 0
        self._not_before_s = float("-inf")
        self._heard_s = float("-inf")
        """When the operator last answered."""
        self._warned_s: dict[Reason, float] = {}
        self.is_draining = False
        """Set once nothing more is offered: asks more often what became durable."""

    def offer(self, batch: Batch) -> None:
        """Take a batch into the spool; never waits, drops the oldest where it is full."""
        with self._lock:
            self._spool.add(batch)

    def left(self) -> int:
        """Return the number of batches that are not durable yet."""
        with self._lock:
            return len(self._spool)

    def has_room(self) -> bool:
        """Tell whether another batch fits without pushing one out."""
        with self._lock:
            return self._spool.has_room()

    def lost(self) -> int:
        """Return the number of batches dropped for want of room or refused."""
        return self._counters[Reason.SPOOL_OVERFLOW] + self._counters[Reason.BATCH_REFUSED]

    def step(self, now_s: float) -> float:
        """Send what is due, at most one request; return the seconds until `step` has something to do again."""
        if now_s < self._not_before_s:
            return self._not_before_s - now_s
        with self._lock:
            kept = self._spool.next_unsent()
            oldest = self._spool.oldest
        if kept is None:
            due_s = self._heard_s + (DRAIN_HEARTBEAT_S if self.is_draining else HEARTBEAT_S)
            if now_s < due_s:
                return due_s - now_s
        now = self._heartbeat()
        kept = kept or Kept(now, b"")
        body = kept.encode(oldest, now.clock_ms, self._counters.snapshot(), deflate=self._deflate)
        try:
            self._handle(kept.header.seq, self._post(body), now_s)
        except RetryableError as e:
            self._back_off(e, now_s)
        return max(0.0, self._not_before_s - now_s)

    def _handle(self, seq: int, answer: HttpReply, now_s: float) -> None:
        """Take the operator's answer to batch `seq`; raises RetryableError where it must be sent again."""
        if answer.status == STATUS_BUSY:
            self._counters.add(Reason.OPERATOR_BUSY)
            self._not_before_s = now_s + _retry_after_s(answer)
            return
        if answer.status == STATUS_NOT_LEADER:
            self._leaderless(answer, now_s)
            return
        if answer.status in (STATUS_REJECTED, _STATUS_TOO_LARGE):
            self._refused(seq, f"{answer.server.url}: {_reason(answer)}", now_s)
        elif answer.status == STATUS_ACCEPTED:
            self._accepted(seq, _decode(answer))
        else:  # 401 and 503 too: a token is renewed, an API server comes back
            raise RetryableError(f"{answer.server.url}: status {answer.status}: {_reason(answer)}")
        self._failures = 0
        self._heard_s = now_s

    def _accepted(self, seq: int, reply: Reply) -> None:
        with self._lock:
            if self._instance and reply.instance != self._instance:
                again = self._spool.resend()
                self._counters.add(Reason.RESENT, again)
                _log.info("operator was restarted: sending again", extra={"batches": again})
            elif seq != HEARTBEAT_SEQ:
                self._spool.mark_sent(seq)
            self._instance = reply.instance
            self._spool.forget_through(reply.durable_through)
        if self._on_reply is not None:
            self._on_reply(reply)

    def _refused(self, seq: int, reason: str, now_s: float) -> None:
        if seq != HEARTBEAT_SEQ:
            with self._lock:
                self._spool.drop(seq)
            self._counters.add(Reason.BATCH_REFUSED)
        self._warn(Reason.BATCH_REFUSED, "operator refused a batch: dropped", reason, now_s)

    def _leaderless(self, answer: HttpReply, now_s: float) -> None:
        self._counters.add(Reason.NO_LEADER)
        self._failures = 0
        self._not_before_s = now_s + LEADERLESS_S * (0.5 + self._random() / 2)
        why = answer.unreached or f"{answer.server.url}: {_reason(answer)}"
        self._warn(Reason.NO_LEADER, "no leader takes batches now: trying again", why, now_s)

    def _back_off(self, error: RetryableError, now_s: float) -> None:
        self._counters.add(Reason.SEND_FAILED)
        ceiling_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(self._failures, 16))
        self._failures += 1
        self._not_before_s = now_s + ceiling_s * (0.5 + self._random() / 2)
        self._warn(Reason.SEND_FAILED, "cannot reach the operator: trying again", str(error), now_s)

    def _warn(self, reason: Reason, message: str, why: str, now_s: float) -> None:
        if now_s >= self._warned_s.get(reason, float("-inf")) + WARN_PERIOD_S:
            self._warned_s[reason] = now_s
            _log.warning(message, extra={"reason": why, "so_far": self._counters[reason]})


class SenderThread:
    """Runs a sender until it is closed; starts at once."""

    def __init__(self, sender: Sender, on_defect: Callable[[], None]) -> None:
        """Start the thread; should it die of a defect, it calls `on_defect`, and `close` raises what it died of."""
        self._sender = sender
        self._on_defect = on_defect
        self._defect: Exception | None = None
        self._wake = threading.Event()
        self._is_closing = False
        self._awake_s = time.monotonic()
        """When the thread began what it does, or means to wake up."""
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have the sender look at once whether something is to be done."""
        self._wake.set()

    def is_stalled(self, now_s: float) -> bool:
        """Tell whether the thread is over `STALL_S` late at `now_s`, monotonic. Any thread may ask."""
        return now_s > self._awake_s + STALL_S

    def close(self, timeout_s: float) -> None:
        """End the thread, waiting at most `timeout_s` for a request under way; what is left in the spool is lost."""
        self._is_closing = True
        self._wake.set()
        self._thread.join(timeout_s)
        if self._defect is not None:
            raise self._defect

    def _run(self) -> None:
        try:
            while not self._is_closing:
                self._awake_s = time.monotonic()
                wait_s = self._sender.step(self._awake_s)
                if wait_s > 0:
                    self._awake_s = time.monotonic() + wait_s
                    self._wake.wait(wait_s)
                self._wake.clear()
        except Exception as e:  # a capture that hears and never sends must not look alive
            self._defect = e
            self._on_defect()


def _decode(answer: HttpReply) -> Reply:
    try:
        return decode_reply(answer.body)
    except WireError as e:
        raise RetryableError(f"{answer.server.url}: something else than the operator answers there: {e}") from e


def _reason(answer: HttpReply) -> str:
    try:
        return decode_reply(answer.body).reason
    except WireError:
        return answer.body[:200].decode("utf-8", "replace")


def _retry_after_s(answer: HttpReply) -> float:
    """Return the seconds the operator asks for, 1 where it names none or a date (RFC 9110 §10.2.3)."""
    value = answer.headers.get("retry-after", "")
    return min(float(value), MAX_RETRY_AFTER_S) if value.isdecimal() else 1.0
