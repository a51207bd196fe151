"""The door for batches, over real sockets on loopback."""

import asyncio
import contextlib
import io
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from grapevine.ingest.server import IngestServer
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.observation import DnsObservation
from grapevine.serving.limits import ListenLimits
from grapevine.wire import schema
from grapevine.wire.codec import decode_reply, encode_batch
from grapevine.wire.schema import Batch, BatchHeader, DnsPod, Hearing, Reply

HEADERS = {"Content-Type": schema.CONTENT_TYPE}


class Queue:
    """A sink with a bounded queue and everything up to `durable_through` durable."""

    def __init__(self, size: int = 1_000, durable_through: int = 0) -> None:
        self.batches: list[Batch] = []
        self.size = size
        self.durable_through = durable_through

    def offer(self, batch: Batch) -> int:
        if len(self.batches) >= self.size:
            raise RetryableError("queue is full", after_s=2.5)
        self.batches.append(batch)
        return self.durable_through


def batch(records: int = 1, seq: int = 1) -> Batch:
    observation = DnsObservation(
        1, 2, 3, "10.0.0.1", "10.96.0.10", "cart", "A", "NOERROR", ("10.96.0.3",), (), "udp", "pcap"
    )
    return Batch(BatchHeader("s", seq, 1, "n", 5, Hearing(("pcap",), 0)), (observation,) * records)


@contextlib.asynccontextmanager
async def serving(sink: object, limits: ListenLimits | None = None) -> AsyncIterator[IngestServer]:
    server = IngestServer(sink, "abc", limits)  # type: ignore[arg-type]
    await server.start("127.0.0.1", 0)
    try:
        yield server
    finally:
        await server.stop()


async def post(
    server: IngestServer, body: bytes, *, method: str = "POST", path: str = schema.PATH, **headers: str
) -> tuple[int, Reply, str]:
    """Return status, reply and Retry-After."""
    given = HEADERS | {key.replace("_", "-"): value for key, value in headers.items()}
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, f"http://127.0.0.1:{server.port}{path}", data=body, headers=given) as answer,
    ):
        return answer.status, decode_reply(await answer.read()), answer.headers.get("Retry-After", "")


def head(length: int) -> bytes:
    fields = ("Host: x", f"Content-Type: {schema.CONTENT_TYPE}", f"Content-Length: {length}")
    return "\r\n".join((f"POST {schema.PATH} HTTP/1.1", *fields, "", "")).encode()


def results(server: IngestServer) -> dict[str, float]:
    return dict({metric.name: metric.samples for metric in server.metrics()}["grapevine_ingest_requests"])


async def test_names_the_dns_servers_to_who_wants_to_know() -> None:
    pods = tuple(DnsPod("kube-system", f"coredns-{i}", f"10.244.0.{i}") for i in range(schema.MAX_DNS_PODS + 1))
    server = IngestServer(Queue(), "abc", dns_pods=lambda: pods)
    await server.start("127.0.0.1", 0)
    wanting = replace(batch(), header=replace(batch().header, wants=("dns-pods", "something-new")))
    try:
        assert (await post(server, encode_batch(batch())))[1].dns_pods is None
        assert (await post(server, encode_batch(wanting)))[1].dns_pods == pods[: schema.MAX_DNS_PODS]
    finally:
        await server.stop()


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("records", [0, 1, schema.MAX_RECORDS])
async def test_hands_on_what_came_and_says_what_is_durable(deflate: bool, records: int) -> None:
    sink = Queue(durable_through=7)
    headers = {"Content_Encoding": "deflate"} if deflate else {}

    async with serving(sink) as server:
        answer = await post(server, encode_batch(batch(records), deflate=deflate), **headers)
        assert results(server) == {"accepted": 1}

    assert answer == (202, Reply("abc", 7), "")
    assert sink.batches == [batch(records)]


async def test_a_full_queue_says_when_to_come_again() -> None:
    async with serving(Queue(size=0)) as server:
        assert await post(server, encode_batch(batch())) == (429, Reply("abc", 0, "queue is full"), "3")
        assert results(server) == {"queue-full": 1}


@pytest.mark.parametrize(
    ("body", "deflate", "reason"),
    [
        (b"", False, "header is not JSON"),
        (b"\x00\xff garbage", False, "header is not JSON"),
        (b"{}\n", False, "protocol version None"),
        (b"[" * 100_000, False, "header is not JSON"),
        (b"not deflate", True, "not deflate"),
        (zlib.compress(b"x" * (schema.MAX_DECODED_BYTES + 1)), True, "inflates to more than"),
        (encode_batch(batch(), deflate=True)[:-4], True, "cut short"),
    ],
)
async def test_says_why_a_body_is_no_batch(body: bytes, deflate: bool, reason: str) -> None:
    async with serving(Queue()) as server:
        status, reply, _ = await post(server, body, **({"Content_Encoding": "deflate"} if deflate else {}))

    assert (status, reply.instance) == (400, "abc")
    assert reason in reply.reason


async def test_unknown_records_are_counted_not_refused() -> None:
    body = encode_batch(batch()) + b'{"t": "else"}\n{\n'

    async with serving(Queue()) as server:
        assert (await post(server, body))[0] == 202
        metrics = {metric.name: metric.samples for metric in server.metrics()}

    assert metrics["grapevine_ingest_skipped"] == {"unknown-type": 1, "bad-record": 1}
    assert metrics["grapevine_ingest_observations"] == {"": 1}


@pytest.mark.parametrize(
    ("status", "given"),
    [
        (404, {"path": "/"}),
        (404, {"path": "/v2/observations"}),
        (405, {"method": "GET"}),
        (405, {"method": "PUT"}),
        (415, {"Content_Type": "application/json"}),
        (415, {"Content_Encoding": "gzip"}),
    ],
)
async def test_refuses_what_is_not_for_it(status: int, given: dict[str, str]) -> None:
    async with serving(Queue()) as server:
        answered, reply, _ = await post(server, encode_batch(batch()), **given)  # type: ignore[arg-type]

    assert (answered, reply.instance) == (status, "abc")


@pytest.mark.parametrize("chunked", [False, True])
async def test_refuses_a_body_over_the_limit_announced_or_not(chunked: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b"x" * (64 << 10)

    async with serving(Queue()) as server, aiohttp.ClientSession() as client:
        data = chunks() if chunked else io.BytesIO(b"x" * (schema.MAX_BODY_BYTES + 1))
        url = f"http://127.0.0.1:{server.port}{schema.PATH}"
        async with client.post(url, data=data, headers=HEADERS) as answer:
            assert answer.status == 413
            assert decode_reply(await answer.read()).reason == f"the body exceeds {schema.MAX_BODY_BYTES} bytes"


async def test_ends_a_body_that_drips() -> None:
    async with serving(Queue(), ListenLimits(body_timeout_s=0.2)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head(100) + b"{")
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        assert results(server) == {"slow": 1}

    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("said", [b"", b"POST /v1/obs"])
async def test_ends_a_connection_that_does_not_ask(said: bytes) -> None:
    async with serving(Queue(), ListenLimits(idle_s=0.2)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(said)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_answers_keep_a_connection_open() -> None:
    async with serving(Queue(), ListenLimits(idle_s=2)) as server, aiohttp.ClientSession() as client:
        for _ in range(3):
            url = f"http://127.0.0.1:{server.port}{schema.PATH}"
            async with client.post(url, data=encode_batch(batch()), headers=HEADERS) as answer:
                assert answer.status == 202
                await answer.read()
            await asyncio.sleep(1)
        assert {metric.name: metric.samples for metric in server.metrics()}["grapevine_ingest_connections"] == {"": 1}


async def test_refuses_connections_over_the_cap() -> None:
    async with serving(Queue(), ListenLimits(max_connections=1)) as server:
        _, first = await asyncio.open_connection("127.0.0.1", server.port)
        reader, second = await asyncio.open_connection("127.0.0.1", server.port)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        assert results(server) == {"connections-full": 1}
        for writer in (first, second):
            writer.close()


async def test_one_address_has_a_rate() -> None:
    async with serving(Queue(), ListenLimits(burst=1, requests_per_s=0.001)) as server:
        assert (await post(server, encode_batch(batch())))[0] == 202
        status, reply, retry_after = await post(server, encode_batch(batch()))

    assert (status, reply.reason, retry_after) == (429, "rate: come again later", "1")


async def test_a_defect_of_the_sink_is_a_500_with_a_reply(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def offer(self, batch: Batch) -> int:
            raise ZeroDivisionError

    async with serving(Broken()) as server:
        status, reply, _ = await post(server, encode_batch(batch()))

    assert (status, reply.instance) == (500, "abc")
    assert "ZeroDivisionError" in caplog.text
    assert "ZeroDivision" not in reply.reason


async def test_bytes_that_are_no_http_end_quietly() -> None:
    async with serving(Queue()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.0 400")
        writer.close()
        assert (await post(server, encode_batch(batch())))[0] == 202
        assert results(server) == {"bad-http": 1, "accepted": 1}


async def test_stops_accepting_but_finishes_what_is_under_way() -> None:
    sink = Queue()
    async with serving(sink) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        body = encode_batch(batch())
        writer.write(head(len(body)) + body[:10])
        await writer.drain()
        await asyncio.sleep(0.1)
        port = server.port
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0.05)
        assert not server.listening
        with pytest.raises(OSError, match=r".*"):
            await asyncio.open_connection("127.0.0.1", port)
        writer.write(body[10:])
        answer = await asyncio.wait_for(reader.read(), 5)
        await stopping
        writer.close()

    assert answer.startswith(b"HTTP/1.1 202 ")
    assert len(sink.batches) == 1


async def test_an_address_that_is_taken_is_named() -> None:
    async with serving(Queue()) as server:
        second = IngestServer(Queue(), "abc")
        with pytest.raises(PermanentInputError, match=rf"cannot listen on 127\.0\.0\.1:{server.port} for batches: .*"):
            await second.start("127.0.0.1", server.port)
        assert not second.listening
        await second.stop()


async def test_every_address_of_both_families() -> None:
    server = IngestServer(Queue(), "abc")
    await server.start("::", 0)
    try:
        assert (await post(server, encode_batch(batch())))[0] == 202
    finally:
        await server.stop()


async def test_a_replica_that_does_not_lead_says_who_does_and_takes_nothing() -> None:
    elsewhere: list[str | None] = ["10.244.1.7:8443"]
    sink = Queue()
    server = IngestServer(sink, "abc", elsewhere=lambda: elsewhere[0])
    await server.start("127.0.0.1", 0)
    try:
        named = await post(server, encode_batch(batch()))
        elsewhere[0] = ""
        unnamed = await post(server, b"not even read")
        elsewhere[0] = None
        taken = await post(server, encode_batch(batch()))
    finally:
        await server.stop()

    assert (421, Reply("abc", 0, "this replica does not lead", "10.244.1.7:8443")) == named[:2]
    assert (421, Reply("abc", 0, "no replica leads now")) == unnamed[:2]
    assert (202, 1) == (taken[0], len(sink.batches))
    assert {"not-leader": 2, "accepted": 1} == results(server)


async def test_a_batch_that_was_on_its_way_when_the_replica_stepped_down_is_not_taken() -> None:
    answers = iter([None, "10.244.1.7:8443"])
    sink = Queue()
    server = IngestServer(sink, "abc", elsewhere=lambda: next(answers))
    await server.start("127.0.0.1", 0)
    try:
        status, reply, _ = await post(server, encode_batch(batch()))
    finally:
        await server.stop()

    assert (421, "10.244.1.7:8443", []) == (status, reply.leader, sink.batches)
