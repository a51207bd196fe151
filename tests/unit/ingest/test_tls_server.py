"""The door for batches from other nodes, over real TLS sockets on loopback: who is let in, and what is thrown at it."""

import asyncio
import contextlib
import io
import random
import ssl
import zlib
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from tests.support.builders import an_index
from tests.support.packets import a_batch
from tests.support.tls import a_pair, client_context, server_context

from grapevine.ingest.authentication import Authenticator
from grapevine.ingest.server import IngestServer
from grapevine.model.errors import RetryableError
from grapevine.model.identity import ObjectName, TokenReview
from grapevine.serving.limits import ListenLimits
from grapevine.serving.tokens import AuthenticationLimits
from grapevine.wire import schema
from grapevine.wire.codec import decode_reply, encode_batch
from grapevine.wire.schema import Batch, Reply

CAPTURE = ObjectName("grapevine-capture", "grapevine-capture")
GOOD = {"Content-Type": schema.CONTENT_TYPE, "Authorization": "Bearer good"}
PAIR = a_pair()
CLIENT = client_context(PAIR)
FUZZ_CASES = 1_000


class Sink:
    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def offer(self, batch: Batch) -> int:
        self.batches.append(batch)
        return 0


class Reviewer:
    is_away = False

    async def review(self, token: str, audience: str) -> TokenReview:
        if self.is_away:
            raise RetryableError("the API server is unreachable")
        if token == "good":  # noqa: S105 - the test's own
            return TokenReview(CAPTURE, "node-7")
        return TokenReview(None, reason="invalid bearer token")


@contextlib.asynccontextmanager
async def serving(limits: ListenLimits | None = None) -> AsyncIterator[tuple[IngestServer, Sink, Reviewer]]:
    sink, reviewer = Sink(), Reviewer()
    server = IngestServer(sink, "abc", limits)
    authenticator = Authenticator(reviewer, [CAPTURE], an_index(), AuthenticationLimits(refused_ttl_s=0.0))
    await server.start_tls("127.0.0.1", 0, server_context(PAIR), authenticator)
    try:
        yield server, sink, reviewer
    finally:
        await server.stop()


async def post(server: IngestServer, body: bytes, **headers: str) -> tuple[int, Reply]:
    given = GOOD | {key.replace("_", "-"): value for key, value in headers.items()}
    url = f"https://127.0.0.1:{server.tls_port}{schema.PATH}"
    async with (
        aiohttp.ClientSession() as client,
        client.post(url, data=io.BytesIO(body), headers=given, ssl=CLIENT, server_hostname="localhost") as answer,
    ):
        return answer.status, decode_reply(await answer.read())


async def connect(server: IngestServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.tls_port, ssl=CLIENT, server_hostname="localhost")


def results(server: IngestServer) -> dict[str, float]:
    return dict({metric.name: metric.samples for metric in server.metrics()}["grapevine_ingest_requests"])


def connections(server: IngestServer) -> float:
    return {metric.name: metric.samples for metric in server.metrics()}["grapevine_ingest_connections"][""]


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not check():  # noqa: ASYNC110 - what is awaited happens behind a socket
            await asyncio.sleep(0.01)


async def test_a_batch_is_the_nodes_in_the_token_whatever_it_says() -> None:
    async with serving() as (server, sink, _):
        assert await post(server, encode_batch(a_batch(1))) == (202, Reply("abc", 0))

    assert [batch.header.node for batch in sink.batches] == ["node-7"]
    assert a_batch(1).header.node == "node-1"


async def test_without_a_good_token_nothing_of_the_body_is_read() -> None:
    async with serving() as (server, sink, _):
        reader, writer = await connect(server)
        fields = (f"Content-Type: {schema.CONTENT_TYPE}", "Content-Length: 1000000", "Authorization: Bearer bad")
        writer.write("\r\n".join((f"POST {schema.PATH} HTTP/1.1", "Host: x", *fields, "", "")).encode() + b"{")
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        status, reply = await post(server, encode_batch(a_batch(1)), Authorization="")
        assert results(server) == {"token-refused": 1, "no-token": 1}

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"WWW-Authenticate: Bearer" in answer
    assert b"invalid bearer token" in answer
    assert (status, reply.instance) == (401, "abc")
    assert sink.batches == []


async def test_an_api_server_that_is_away_is_a_503_and_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as (server, _, reviewer):
        reviewer.is_away = True
        answers = [await post(server, encode_batch(a_batch(1))) for _ in range(2)]
        assert results(server) == {"unreviewed": 2}

    assert [status for status, _ in answers] == [503, 503]
    assert [r.__dict__["reason"] for r in caplog.records if r.levelname == "WARNING"] == [
        "the API server is unreachable"
    ]


async def test_guessing_tokens_gets_slow() -> None:
    async with serving(ListenLimits(burst=60, requests_per_s=0.001)) as (server, _, _):
        statuses = [(await post(server, b"", Authorization=f"Bearer {n}"))[0] for n in range(2)]
        with pytest.raises(aiohttp.ClientConnectionError):
            await asyncio.gather(*(post(server, b"", Authorization=f"Bearer {n}") for n in range(20)))
        assert statuses == [401, 401]
        assert results(server)["rate"] >= 1


@pytest.mark.parametrize(
    "said", [b"", b"\x16\x03\x01", b"POST / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00" + b"x" * 512]
)
async def test_a_handshake_that_is_none_ends_in_time_and_is_counted(said: bytes) -> None:
    async with serving(ListenLimits(greeting_s=0.2)) as (server, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.tls_port)
        writer.write(said)
        with contextlib.suppress(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await until(lambda: connections(server) == 0)
        assert results(server) == {"handshake": 1}


async def test_an_old_protocol_is_refused() -> None:
    old = client_context(PAIR)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving() as (server, _, _):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", server.tls_port, ssl=old, server_hostname="localhost")
        await until(lambda: results(server) == {"handshake": 1})


@pytest.mark.parametrize("said", [b"", b"POST /v1/obs"])
async def test_a_head_that_does_not_come_is_counted(said: bytes) -> None:
    async with serving(ListenLimits(greeting_s=0.3)) as (server, _, _):
        reader, writer = await connect(server)
        writer.write(said)
        with contextlib.suppress(ConnectionResetError, ssl.SSLError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await until(lambda: results(server) == {"silent": 1})
        assert connections(server) == 0


async def test_handshakes_under_way_count_as_connections_and_one_address_has_its_share() -> None:
    limits = ListenLimits(max_connections_per_peer=2, greeting_s=5)
    async with serving(limits) as (server, _, _):
        writers = [(await asyncio.open_connection("127.0.0.1", server.tls_port))[1] for _ in range(3)]
        await until(lambda: results(server) == {"connections-full": 1})
        assert connections(server) == 2
        for writer in writers:
            writer.close()
        await until(lambda: connections(server) == 0)
        assert (await post(server, encode_batch(a_batch(1))))[0] == 202


@pytest.mark.parametrize(
    ("body", "headers", "status", "result"),
    [
        (b"x" * (schema.MAX_BODY_BYTES + 1), {}, 413, "too-large"),
        (zlib.compress(b"x" * (schema.MAX_DECODED_BYTES + 1)), {"Content_Encoding": "deflate"}, 400, "rejected"),
        (encode_batch(a_batch(1))[:-40], {}, 202, "accepted"),
        (encode_batch(a_batch(1), deflate=True)[:-1], {"Content_Encoding": "deflate"}, 400, "rejected"),
    ],
    ids=["oversized", "bomb", "cut within a record", "cut within deflate"],
)
async def test_what_is_too_much_or_cut_is_told_and_counted(
    body: bytes, headers: dict[str, str], status: int, result: str
) -> None:
    async with serving() as (server, _, _):
        assert (await post(server, body, **headers))[0] == status
        assert results(server) == {result: 1}


async def test_a_body_that_ends_early_is_counted() -> None:
    async with serving() as (server, sink, _):
        _, writer = await connect(server)
        body = encode_batch(a_batch(1))
        fields = [f"{name}: {value}" for name, value in {**GOOD, "Host": "x"}.items()]
        head = "\r\n".join((f"POST {schema.PATH} HTTP/1.1", *fields, f"Content-Length: {len(body)}", "", ""))
        writer.write(head.encode() + body[:10])
        await writer.drain()
        await until(lambda: server._peers.in_flight == 1)
        writer.close()
        await until(lambda: results(server) == {"cut-off": 1})
    assert sink.batches == []


async def test_survives_everything_that_is_thrown_at_it(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fuzz: requests with a good token, damaged anywhere, in two pieces, over TLS."""
    chance = random.Random(4)
    limits = ListenLimits(requests_per_s=1e9, burst=1_000_000, refused_cost=0, greeting_s=2, body_timeout_s=0.05)
    statuses: dict[str, int] = {}
    async with serving(limits) as (server, sink, _):
        for at in range(0, FUZZ_CASES, 8):
            told = await asyncio.gather(*(throw(server, damaged(chance), chance.random()) for _ in range(8)))
            for answer in told:
                statuses[answer] = statuses.get(answer, 0) + 1
            if at % 200 == 0:
                assert (await post(server, encode_batch(a_batch(1))))[0] == 202, "an honest sender is not disturbed"
        await until(lambda: connections(server) == 0)
        counted = results(server)
        assert server._peers.in_flight == 0
        assert "defect" not in counted

    with capsys.disabled():
        print(f"\nfuzz: {FUZZ_CASES} requests tried: {statuses}; counted {counted}")
    assert sum(statuses.values()) == FUZZ_CASES
    assert {"202", "400", "401", "408", "413"} <= set(statuses), "the damage reaches every stage"
    assert "500" not in statuses
    assert all(batch.header.node == "node-7" for batch in sink.batches)
    assert [r for r in caplog.records if r.levelname in ("ERROR", "CRITICAL")] == []


def damaged(chance: random.Random) -> bytes:
    """Return a request with a few bytes cut, put in, doubled or changed somewhere; sometimes the body alone is hit."""
    deflate = chance.random() < 0.3
    body = encode_batch(a_batch(1, observations=chance.randrange(4)), deflate=deflate)
    if chance.random() < 0.5:
        body = mutated(body, chance)
    if chance.random() < 0.05:
        body *= 1 + schema.MAX_BODY_BYTES // max(1, len(body))
    fields = {**GOOD, "Host": "x", "Content-Length": str(len(body))}
    if deflate:
        fields["Content-Encoding"] = "deflate"
    if chance.random() < 0.1:
        del fields[chance.choice(sorted(fields))]
    if chance.random() < 0.1:
        fields["Transfer-Encoding"] = "chunked"
    head = f"POST {schema.PATH} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    request = head.encode() + b"\r\n" + body
    return mutated(request, chance) if chance.random() < 0.4 else request


def mutated(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        at, size = chance.randrange(len(data) + 1), chance.randint(0, 16)
        put = chance.choice(
            (b"", chance.randbytes(size), data[at : at + size] * 2, b"\r\n", b"\x00" * size, b"9" * size)
        )
        data = data[:at] + put + data[at + chance.randint(0, 16) :]
    return data


async def throw(server: IngestServer, request: bytes, where: float) -> str:
    """Send a request in two pieces, half-close, and return the status, `none` where the connection just ended."""
    reader, writer = await connect(server)
    answer = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
        cut = int(len(request) * where)
        writer.write(request[:cut])
        await writer.drain()
        writer.write(request[cut:])
        await writer.drain()
        async with asyncio.timeout(0.4):
            answer = await reader.readline()
    writer.transport.abort()
    return answer[9:12].decode() or "none"
