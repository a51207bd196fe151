"""`POST /v1/observations`: takes batches, or says exactly why not. See docs/reference/wire.md.

| status | when |
|---|---|
| 202 | accepted; `durable_through` says what the sender may forget |
| 400 | no batch of this protocol; the reason is in the reply |
| 401 | over TLS: no token, or none of capture's; the reason is in the reply |
| 404, 405, 413, 415 | another path, another method, too large, another type or encoding |
| 408 | the body did not arrive in time |
| 421 | this replica does not lead; the reply says who does, if anybody |
| 429 | too much at once, with `Retry-After` |
| 500 | a defect of ours; the batch may come again |
| 503 | over TLS: the API server cannot be asked about the token |

Over TLS a sender is known before its body is read, and its node is the token's, whatever the batch says. A replica that
does not lead reads neither token nor body.
Every answer is a `wire.schema.Reply` and carries the instance.
"""

import asyncio
import contextlib
import logging
import math
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from grapevine.ingest.authentication import Authenticator
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.metric import Metric
from grapevine.model.value import replace
from grapevine.serving.limits import ListenLimits, PeerTable
from grapevine.serving.listener import Admit, Listener, http_log
from grapevine.serving.tokens import Denied
from grapevine.wire import schema
from grapevine.wire.codec import decode_batch, encode_reply
from grapevine.wire.schema import Batch, DnsPod, Reply, WireError

_INLINE_BYTES = 16 << 10
"""Plain bodies up to this are decoded in the loop (2 ms); larger or deflated ones in a thread."""

_WARN_PERIOD_S = 60.0

_log = logging.getLogger(__name__)


_Answer = Callable[[web.BaseRequest], Awaitable[web.Response]]


class BatchSink(Protocol):
    """Where accepted batches go."""

    def offer(self, batch: Batch) -> int:
        """Queue the batch and return its stream's `durable_through`; must not block.

        Raises:
            RetryableError: the queue is full; `after_s` says when to come again.
        """


class _Refusal(Exception):  # noqa: N818 - an answer, not a fault of ours
    def __init__(self, status: int, result: str, reason: str, *, leader: str = "", **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.result = result
        self.leader = leader
        self.headers = {key.replace("_", "-"): value for key, value in headers.items()}


class IngestServer:
    """Listens for batches and offers them to a sink. `start`, `start_tls` and `stop` once each at most."""

    def __init__(
        self,
        sink: BatchSink,
        instance: str,
        limits: ListenLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        dns_pods: Callable[[], tuple[DnsPod, ...]] = tuple,
        elsewhere: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Take the sink, this process's random name, and a clock of seconds that never goes back.

        `dns_pods` tells the cluster's DNS servers, for senders that want to know; `elsewhere` is None while batches
        are to come here, and else the address of the replica that takes them, empty where there is none.
        """
        self._sink = sink
        self._instance = instance
        self._limits = limits or ListenLimits()
        self._clock = clock
        self._dns_pods = dns_pods
        self._elsewhere = elsewhere
        self._peers = PeerTable(self._limits)
        self._results: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._observations = 0
        self._stopping = False
        self._warn_at_s = float("-inf")
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._plain: Listener | None = None
        self._tls: Listener | None = None

    @property
    def listening(self) -> bool:
        """Whether new connections are accepted, wherever they are meant to be."""
        return bool(self._listeners()) and all(each.is_listening for each in self._listeners())

    @property
    def port(self) -> int:
        """Port of plain HTTP, also where 0 was asked for; 0 while not listening."""
        return self._plain.port if self._plain else 0

    @property
    def tls_port(self) -> int:
        """Port of TLS; 0 while not listening."""
        return self._tls.port if self._tls else 0

    async def start(self, host: str, port: int) -> None:
        """Listen for plain HTTP: no authentication, so the address must be one that only the trusted reach.

        Raises:
            PermanentInputError: the address is taken or not ours.
        """
        self._plain = self._listener(self._answer)
        await _listen(self._plain, host, port, "--listen")

    async def start_tls(self, host: str, port: int, context: ssl.SSLContext, authenticator: Authenticator) -> None:
        """Listen for TLS, to be spoken by whom `authenticator` knows.

        Raises:
            PermanentInputError: the address is taken or not ours.
        """

        async def answer(request: web.BaseRequest) -> web.Response:
            return await self._answer(request, authenticator)

        def admit(address: str) -> str | None:
            return self._peers.try_spend(address, self._clock())  # a handshake costs a millisecond

        self._tls = self._listener(answer, context=context, admit=admit)
        await _listen(self._tls, host, port, "--tls-listen")

    async def stop(self) -> None:
        """Accept nothing new, finish the requests under way (bounded), close."""
        self._stopping = True
        for listener in self._listeners():
            await listener.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.shutdown_s):
                await self._quiet.wait()  # aiohttp's own wait would ignore what of a body is still to come
        for listener in self._listeners():
            await listener.stop()

    def metrics(self) -> list[Metric]:
        """Return what came and what became of it."""
        return [
            Metric(
                "grapevine_ingest_requests",
                "counter",
                "Requests, and connections that came to none, by result.",
                dict(self._results),
                "result",
            ),
            Metric("grapevine_ingest_observations", "counter", "Observations taken in.", {"": self._observations}),
            Metric(
                "grapevine_ingest_skipped",
                "counter",
                "Records of batches that were left out, by reason.",
                dict(self._skipped),
                "reason",
            ),
            Metric(
                "grapevine_ingest_connections",
                "gauge",
                "Open connections.",
                {"": sum(each.connections for each in self._listeners())},
            ),
            Metric(
                "grapevine_ingest_peers", "gauge", "Addresses remembered for the rate limit.", {"": len(self._peers)}
            ),
        ]

    def _listener(
        self, answer: _Answer, *, context: ssl.SSLContext | None = None, admit: Admit = lambda _: None
    ) -> Listener:
        server = web.Server(
            answer,
            access_log=None,
            auto_decompress=False,  # the codec does, within its bounds
            keepalive_timeout=self._limits.idle_s,
            lingering_time=1.0,
            logger=http_log(self._count),
        )
        runner = web.ServerRunner(server, shutdown_timeout=self._limits.shutdown_s)
        return Listener(runner, self._limits, self._count, context=context, admit=admit)

    def _listeners(self) -> list[Listener]:
        return [each for each in (self._plain, self._tls) if each is not None]

    async def _answer(self, request: web.BaseRequest, authenticator: Authenticator | None = None) -> web.Response:
        durable_through, reason, leader, headers = 0, "", "", {}
        dns_pods: tuple[DnsPod, ...] | None = None
        try:
            durable_through, wants = await self._take(request, authenticator)
            dns_pods = self._dns_pods()[: schema.MAX_DNS_PODS] if schema.WANT_DNS_PODS in wants else None
            status, result = schema.STATUS_ACCEPTED, "accepted"
        except _Refusal as refusal:
            status, result, reason, headers = refusal.status, refusal.result, str(refusal), refusal.headers
            leader = refusal.leader
        except ConnectionError:
            status, result, reason = 400, "cut-off", "the connection ended within the body"
        except Exception:
            _log.exception("batch not taken")
            status, result, reason = 500, "defect", "internal error; the operator's log has the rest"
        self._count(result)
        for listener in self._listeners():
            listener.heard(request.protocol)
        response = web.Response(
            status=status,
            body=encode_reply(Reply(self._instance, durable_through, reason, leader, dns_pods)),
            content_type="application/json",
            headers=headers,
        )
        if self._stopping or status in (schema.STATUS_UNAUTHENTICATED, schema.STATUS_NOT_LEADER, 408, 413):
            response.force_close()  # for the latter, what is left of the body is not worth reading
        return response

    async def _take(self, request: web.BaseRequest, authenticator: Authenticator | None) -> tuple[int, tuple[str, ...]]:
        """Return `durable_through` for an accepted batch and what it wants, or raise `_Refusal`."""
        _check_head(request)
        address = request.remote or ""
        refused = self._peers.try_enter(address, self._clock())
        if refused is not None:
            raise _Refusal(schema.STATUS_BUSY, refused, f"{refused}: come again later", Retry_After="1")
        self._quiet.clear()
        try:
            self._check_leads()
            node = None if authenticator is None else await self._authenticate(request, authenticator)
            batch = await self._read(request)
            if node is not None:
                batch = replace(batch, header=replace(batch.header, node=node))
            self._check_leads()  # it may have stepped down meanwhile
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
        return durable_through, batch.header.wants

    def _check_leads(self) -> None:
        leader = self._elsewhere()
        if leader is not None:
            reason = "this replica does not lead" if leader else "no replica leads now"
            raise _Refusal(schema.STATUS_NOT_LEADER, "not-leader", reason, leader=leader)

    async def _authenticate(self, request: web.BaseRequest, authenticator: Authenticator) -> str:
        """Return the node the sender speaks for."""
        try:
            return await authenticator.node_of(request.headers.get("Authorization", ""))
        except Denied as denied:
            self._peers.try_spend(request.remote or "", self._clock(), self._limits.refused_cost)
            raise _Refusal(
                schema.STATUS_UNAUTHENTICATED, denied.result, str(denied), WWW_Authenticate="Bearer"
            ) from denied
        except RetryableError as error:
            if self._clock() >= self._warn_at_s:
                self._warn_at_s = self._clock() + _WARN_PERIOD_S
                _log.warning("a token cannot be reviewed: its sender will come again", extra={"reason": str(error)})
            reason = "the token cannot be reviewed now; the operator's log says why"
            raise _Refusal(schema.STATUS_UNAVAILABLE, "unreviewed", reason) from error

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


async def _listen(listener: Listener, host: str, port: int, flag: str) -> None:
    try:
        await listener.start(host, port)
    except OSError as error:
        raise PermanentInputError(f"cannot listen on {host}:{port} for batches: {error}; see {flag}") from error
    _log.info("listening for batches", extra={"host": host, "port": listener.port, "tls": flag == "--tls-listen"})


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
