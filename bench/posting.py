"""A capture process as the operator sees it: batches over HTTP, one connection each."""

import itertools
import socket
import time
from collections.abc import Sequence

from grapevine.model.observation import Observation
from grapevine.wire import codec, schema
from grapevine.wire.schema import Batch, BatchHeader, Hearing

_BATCH = 1_000
_DEADLINE_S = 600.0
_PAUSE_S = 0.1
_streams = itertools.count(1)


class Sender:
    """One stream, in order."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._address = (host, int(port))
        self._stream = f"bench-{next(_streams)}"
        self._seq = 0

    def post(self, observations: Sequence[Observation]) -> None:
        """Send observations, in as many batches as they need."""
        for body in self.encode(observations):
            self.send(body)

    def encode(self, observations: Sequence[Observation]) -> list[bytes]:
        """Return the next batches, deflated as capture does."""
        return [self._encode(observations[n : n + _BATCH]) for n in range(0, len(observations), _BATCH)]

    def send(self, body: bytes) -> int:
        """Send one batch and return what is durable; a busy operator is asked again."""
        head = f"POST {schema.PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: {schema.CONTENT_TYPE}\r\n"
        head += f"Content-Encoding: deflate\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        while True:
            with socket.create_connection(self._address, 10) as connection:
                connection.sendall(head.encode() + body)
                with connection.makefile("rb") as reader:
                    answer = reader.read()
            status, _, reply = answer.partition(b"\r\n\r\n")
            code = int(status.split()[1])
            if code == schema.STATUS_ACCEPTED:
                return codec.decode_reply(reply).durable_through
            if code != schema.STATUS_BUSY:
                raise RuntimeError(answer.decode(errors="replace"))
            time.sleep(_PAUSE_S)

    def wait_durable(self) -> None:
        """Wait until everything sent stands in a written object.

        Raises:
            TimeoutError: it does not.
        """
        deadline = time.monotonic() + _DEADLINE_S
        while self.send(self._body(schema.HEARTBEAT_SEQ, ())) < self._seq:
            if time.monotonic() > deadline:
                raise TimeoutError("the operator did not make everything durable")
            time.sleep(_PAUSE_S)

    def _encode(self, observations: Sequence[Observation]) -> bytes:
        self._seq += 1
        return self._body(self._seq, observations)

    def _body(self, seq: int, observations: Sequence[Observation]) -> bytes:
        now_ms = time.time_ns() // 1_000_000
        header = BatchHeader(self._stream, seq, 1, "node-0", now_ms, Hearing(("packet",), 0))
        return codec.encode_batch(Batch(header, tuple(observations)), deflate=True)
