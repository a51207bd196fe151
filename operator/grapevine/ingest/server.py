"""`POST /v1/observations`: takes batches, or says exactly why not. See docs/reference/wire.md.

| status | when |
|---|---|
| 202 | accepted; `durable_through` says what the sender may forget |
| 400 | no batch of this protocol; the reason is in the reply |
| 404, 405, 413, 415 | another path, another method, too large, another type or encoding |
| 408 | the body did not arrive in time |
| 429 | too much at once, with `Retry-After` |
| 500 | a defect of ours; the batch may come again |

Every answer is a `wire.schema.Reply` and carries the instance.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from aiohttp import web

from grapevine.ingest.connections import Connections
from grapevine.ingest.limits import IngestLimits, PeerTable
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.metric import Metric
from grapevine.wire import schema
from grapevine.wire.codec import decode_batch, encode_reply
from grapevine.wire.schema import Batch, Reply, WireError

_INLINE_BYTES = 16 << 10
"""Plain bodies up to this are decoded in the loop (2 ms); larger or deflated ones in a thread."""

_log = logging.getLogger(__name__)


class BatchSink(Protocol):
    """Where accepted batches go."""

    def offer(self, batch: Batch) -> int:
        """Queue the batch and return its stream's `durable_through`; must not block.

        Raises:
            RetryableError: the queue is full; `after_s` says when to come again.
        """


class _Refusal(Exception):  # noqa: N818 - an answer, not a fault of ours
    def __init__(self, status: int, result: str, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.result = result
        self.headers = {key.replace("_", "-"): value for key, value in headers.items()}


class IngestServer:
    """Listens for batches and offers them to a sink. `start` and `stop` once each."""

    def __init__(
        self,
        sink: BatchSink,
        instance: str,
        limits: IngestLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the sink, this process's random name, and a clock of seconds that never goes back."""
        self._sink = sink
        self._instance = instance
        self._limits = limits or IngestLimits()
        self._clock = clock
        self._peers = PeerTable(self._limits)
        self._results: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._observations = 0
        self._stopping = False
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._runner: web.ServerRunner | None = None
        self._connections: Connections | None = None
        self._listener: asyncio.Server | None = None

    @property
    def listening(self) -> bool:
        """Whether new connections are accepted."""
        return self._listener is not None and self._listener.is_serving()

    @property
    def port(self) -> int:
        """Port listened on, also where 0 was asked for; 0 while not listening."""
        return int(self._listener.sockets[0].getsockname()[1]) if self._listener and self._listener.sockets else 0

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            PermanentInputError: the address is taken or not ours.
        """
        server = web.Server(
            self._answer,
            access_log=None,
            auto_decompress=False,  # the codec does, within its bounds
            keepalive_timeout=self._limits.idle_s,
            lingering_time=1.0,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=self._limits.shutdown_s)
        await self._runner.setup()
        self._connections = Connections(
            server, self._limits.max_connections, self._limits.idle_s, lambda: self._count("connections-full")
        )
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(self._connections, host, port, backlog=128)
        except OSError as error:
            raise PermanentInputError(f"cannot listen on {host}:{port} for batches: {error}; see --listen") from error
        _log.info("listening for batches", extra={"host": host, "port": self.port})

    async def stop(self) -> None:
        """Accept nothing new, finish the requests under way (bounded), close."""
        self._stopping = True
        if self._listener is not None:
            self._listener.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.shutdown_s):
                await self._quiet.wait()  # aiohttp's own wait would ignore what of a body is still to come
        if self._runner is not None:
            await self._runner.cleanup()

    def metrics(self) -> list[Metric]:
        """Return what came and what became of it."""
        return [
            Metric("grapevine_ingest_requests", "counter", "Requests by result", dict(self._results), "result"),
            Metric("grapevine_ingest_observations", "counter", "Observations accepted", {"": self._observations}),
            Metric("grapevine_ingest_skipped", "counter", "Records not taken", dict(self._skipped), "reason"),
            Metric("grapevine_ingest_connections", "gauge", "Open", {"": len(self._connections or ())}),
            Metric(
                "grapevine_ingest_peers", "gauge", "Addresses remembered for the rate limit", {"": len(self._peers)}
            ),
        ]

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        durable_through, reason, headers = 0, "", {}
        try:
            durable_through = await self._take(request)
            status, result = schema.STATUS_ACCEPTED, "accepted"
        except _Refusal as refusal:
            status, result, reason, headers = refusal.status, refusal.result, str(refusal), refusal.headers
        except ConnectionError:
            status, result, reason = 400, "cut-off", "the connection ended within the body"
        except Exception:
            _log.exception("batch not taken")
            status, result, reason = 500, "defect", "internal error; the operator's log has the rest"
        self._count(result)
        if self._connections is not None and request.protocol is not None:
            self._connections.heard(request.protocol)
        response = web.Response(
            status=status,
            body=encode_reply(Reply(self._instance, durable_through, reason)),
            content_type="application/json",
            headers=headers,
        )
        if self._stopping or status in (408, 413):
            response.force_close()  # for the latter, what is left of the body is not worth reading
        return response

    async def _take(self, request: web.BaseRequest) -> int:
        """Return `durable_through` for an accepted batch, or raise `_Refusal`."""
        _check_head(request)
        address = request.remote or ""
        refused = self._peers.try_enter(address, self._clock())
        if refused is not None:
            raise _Refusal(schema.STATUS_BUSY, refused, f"{refused}: come again later", Retry_After="1")
        self._quiet.clear()
        try:
            batch = await self._read(request)
            durable_through = self._sink.offer(batch)
        except WireError as error:
            raise _Refusal(schema.STATUS_REJECTED, "rejected", str(error)) from error
        except RetryableError as error:
            after_s = math.ceil(error.after_s or 1)
            raise _Refusal(schema.STATUS_BUSY, "queue-full", str(error), Retry_After=str(after_s)) from error
        finally:
            self._peers.leave(address)
            if not self._peers.in_flight:
                self._quiet.set()
        self._observations += len(batch.observations)
        self._skipped.update(batch.skipped)
        return durable_through

    async def _read(self, request: web.BaseRequest) -> Batch:
        try:
            async with asyncio.timeout(self._limits.body_timeout_s):
                body = await _read_body(request)
        except TimeoutError as error:
            raise _Refusal(408, "slow", f"the body took over {self._limits.body_timeout_s:g} s") from error
        deflate = request.headers.get("Content-Encoding", "") == "deflate"
        if deflate or len(body) > _INLINE_BYTES:
            return await asyncio.to_thread(decode_batch, body, deflate=deflate)
        return decode_batch(body)

    def _count(self, result: str) -> None:
        self._results[result] += 1


def _check_head(request: web.BaseRequest) -> None:
    if request.path != schema.PATH:
        raise _Refusal(404, "not-found", f"there is nothing but {schema.PATH}")
    if request.method != "POST":
        raise _Refusal(405, "bad-method", "only POST", Allow="POST")
    if request.content_type != schema.CONTENT_TYPE:
        raise _Refusal(415, "bad-type", f"only Content-Type {schema.CONTENT_TYPE}")
    if request.headers.get("Content-Encoding", "identity") not in ("identity", "deflate"):
        raise _Refusal(415, "bad-type", "only Content-Encoding deflate, or none")
    if (request.content_length or 0) > schema.MAX_BODY_BYTES:
        raise _Refusal(413, "too-large", f"the body exceeds {schema.MAX_BODY_BYTES} bytes")


async def _read_body(request: web.BaseRequest) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > schema.MAX_BODY_BYTES:
            raise _Refusal(413, "too-large", f"the body exceeds {schema.MAX_BODY_BYTES} bytes")
    return bytes(body)
