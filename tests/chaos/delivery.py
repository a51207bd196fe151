"""What capture keeps and sends until it is durable, by capture's own sender, and how far that is."""

import itertools
import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from grapevine.capture.http1 import HttpConnection, HttpReply, parse_url
from grapevine.capture.sender import Sender, SenderThread
from grapevine.model.observation import Observation
from grapevine.wire.schema import CONTENT_TYPE, HEARTBEAT_SEQ, PATH, Batch, BatchHeader, Hearing, Reply

SPOOL_BYTES = 64 << 20
"""More than any run sends: nothing may be lost for want of room."""
NODE = "n1"


class Delivery:
    """One stream of batches."""

    def __init__(self, operator_url: str) -> None:
        self._connection = HttpConnection(parse_url(operator_url))
        self._stream = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._since_ms = _now_ms()
        self._durable = 0
        self.sender = Sender(
            self._post,
            lambda: self._header(HEARTBEAT_SEQ),
            spool_bytes=SPOOL_BYTES,
            deflate=False,
            random=random.random,
            on_reply=self._on_reply,
        )
        self.sender.is_draining = True  # it asks twice a second what is durable
        self._thread = SenderThread(self.sender, lambda: None)

    def send(self, *observations: Observation) -> int:
        """Take a batch, and return its number."""
        number = next(self._numbers)
        self.sender.offer(Batch(self._header(number), observations))
        self._thread.wake()
        return number

    def is_durable(self, number: int) -> bool:
        """Tell whether the operator said so of everything up to a batch."""
        return number <= self._durable

    def close(self) -> None:
        """Stop sending."""
        self._thread.close(30)
        self._connection.close()

    def _header(self, seq: int) -> BatchHeader:
        return BatchHeader(self._stream, seq, 1, NODE, _now_ms(), Hearing(("packet",), self._since_ms))

    def _post(self, body: bytes) -> HttpReply:
        return self._connection.post(PATH, body, {"Content-Type": CONTENT_TYPE})

    def _on_reply(self, reply: Reply) -> None:
        self._durable = max(self._durable, reply.durable_through)


@contextmanager
def delivering(operator_url: str) -> Iterator[Delivery]:
    """Send while entered; a defect of the sender is raised at the end."""
    delivery = Delivery(operator_url)
    try:
        yield delivery
    finally:
        delivery.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
