"""Delivery against a real HTTP server on loopback, on a clock of the test's own."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
from tests.support.packets import a_batch

from grapevine.capture.http1 import HttpConnection, HttpReply, Server
from grapevine.capture.sender import BACKOFF_MAX_S, DRAIN_HEARTBEAT_S, HEARTBEAT_S, STALL_S, Sender, SenderThread
from grapevine.model.errors import RetryableError
from grapevine.wire.codec import decode_batch, encode_reply
from grapevine.wire.schema import CONTENT_TYPE, PATH, Batch, BatchHeader, Hearing, Reply


@dataclass
class Operator:
    """Answers with what the test put in; remembers what it was sent."""

    instance: str = "first"
    durable_through: int = 0
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    """Status, headers and body of the next answers; the usual 202 where empty."""
    closes: bool = False
    """Close the connection after each answer without saying so."""
    received: list[Batch] = field(default_factory=list)
    connections: int = 0

    def seqs(self) -> list[int]:
        return [batch.header.seq for batch in self.received]

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        if self.answers:
            return self.answers.pop(0)
        return 202, {}, encode_reply(Reply(self.instance, self.durable_through))


@pytest.fixture
def operator() -> Operator:
    return Operator()


@pytest.fixture
def address(operator: Operator) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            operator.connections += 1
            super().setup()

        def do_POST(self) -> None:
            assert (self.path, self.headers["Content-Type"]) == (PATH, CONTENT_TYPE)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            operator.received.append(decode_batch(body))
            status, headers, answer = operator.answer()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)
            self.close_connection = operator.closes

        def log_message(self, *args: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Server("127.0.0.1", server.server_address[1], "")
        server.shutdown()
        thread.join()


@pytest.fixture
def connection(address: Server) -> Iterator[HttpConnection]:
    connection = HttpConnection(address)
    yield connection
    connection.close()


def a_sender(connection: HttpConnection, *, spool_bytes: int = 1 << 20, random: float = 1.0) -> Sender:
    def post(body: bytes) -> HttpReply:
        return connection.post(PATH, body, {"Content-Type": CONTENT_TYPE})

    def heartbeat() -> BatchHeader:
        return BatchHeader("stream", 0, 1, "node-1", 5, Hearing(("packet",), 1))

    return Sender(post, heartbeat, spool_bytes=spool_bytes, deflate=False, random=lambda: random)


@pytest.fixture
def sender(connection: HttpConnection) -> Sender:
    return a_sender(connection)


def test_sends_in_order_on_one_connection_and_forgets_what_is_durable(sender: Sender, operator: Operator) -> None:
    for seq in (1, 2, 3):
        sender.offer(a_batch(seq))
    operator.durable_through = 2
    assert [sender.step(0) for _ in range(3)] == [0, 0, 0]
    assert (operator.seqs(), operator.connections) == ([1, 2, 3], 1)
    assert sender.left() == 1
    operator.durable_through = 3
    assert sender.step(1) == HEARTBEAT_S - 1
    assert sender.step(HEARTBEAT_S) == 0
    assert (operator.seqs(), sender.left()) == ([1, 2, 3, 0], 0)
    assert [batch.header.oldest for batch in operator.received] == [1, 2, 3, 3]


def test_begins_with_a_heartbeat_and_asks_more_often_at_the_end(sender: Sender, operator: Operator) -> None:
    sender.step(0)
    assert operator.seqs() == [0]
    sender.is_draining = True
    assert sender.step(0.1) == pytest.approx(DRAIN_HEARTBEAT_S - 0.1)
    sender.step(DRAIN_HEARTBEAT_S)
    assert operator.seqs() == [0, 0]


def test_sends_everything_kept_again_to_a_new_instance(sender: Sender, operator: Operator) -> None:
    for seq in (1, 2, 3):
        sender.offer(a_batch(seq))
        sender.step(0)
    operator.durable_through = 1
    sender.step(HEARTBEAT_S)
    operator.instance, operator.durable_through, operator.received = "second", 0, []
    sender.offer(a_batch(4))
    for _ in range(4):
        sender.step(HEARTBEAT_S + 1)
    assert operator.seqs() == [4, 2, 3, 4]
    assert operator.received[-1].header.counters["resent"] == 2
    assert sender.left() == 3


def test_waits_as_long_as_a_busy_operator_asks(sender: Sender, operator: Operator) -> None:
    sender.offer(a_batch(1))
    operator.answers = [(429, {"Retry-After": "7"}, b""), (429, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, b"")]
    assert sender.step(0) == 7
    assert sender.step(6) == 1
    assert (sender.step(7), sender.step(8)) == (1, 0)
    assert operator.seqs() == [1, 1, 1]
    assert operator.received[-1].header.counters["operator-busy"] == 2


def test_drops_what_is_refused_and_says_who_and_why_once(
    sender: Sender, operator: Operator, address: Server, caplog: pytest.LogCaptureFixture
) -> None:
    refused = encode_reply(Reply("first", 0, "protocol version 1 is not spoken here"))
    operator.answers = [(400, {}, refused), (400, {}, refused), (413, {}, b"too large")]
    for seq in (1, 2, 3, 4):
        sender.offer(a_batch(seq))
    for _ in range(4):
        sender.step(0)
    assert (operator.seqs(), sender.left(), sender.lost()) == ([1, 2, 3, 4], 1, 3)
    (record,) = caplog.records
    assert record.__dict__["reason"] == f"http://{address}: protocol version 1 is not spoken here"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((500, {}, b"oops"), "status 500: oops"),
        ((404, {}, b"not found"), "status 404: not found"),
        ((202, {}, b"<html>hello</html>"), "something else than the operator answers there"),
        ((202, {"Content-Length": "no number"}, b""), "invalid literal"),
        ((202, {"Transfer-Encoding": "chunked"}, b""), "the reply is chunked"),
        ((202, {"Content-Length": "1000000"}, b""), "the reply is too long"),
    ],
)
def test_keeps_what_got_another_answer_tries_again_and_says_of_whom(
    sender: Sender,
    operator: Operator,
    address: Server,
    answer: tuple[int, dict[str, str], bytes],
    why: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sender.offer(a_batch(1))
    operator.answers = [answer]
    assert sender.step(0) == 0.5
    assert (sender.step(0.5), sender.left()) == (0, 1)
    assert operator.seqs() == [1, 1]
    assert operator.received[-1].header.counters["send-failed"] == 1
    (record,) = caplog.records
    assert f"{address}: {why}" in record.__dict__["reason"]


def test_asks_again_within_a_second_while_nobody_leads_however_long_that_lasts(
    sender: Sender, operator: Operator, address: Server, caplog: pytest.LogCaptureFixture
) -> None:
    sender.offer(a_batch(1))
    operator.answers = [(421, {}, encode_reply(Reply("first", 0, "no replica leads now")))] * 20
    now_s = 0.0
    for _ in range(20):
        wait_s = sender.step(now_s)
        assert 0.5 <= wait_s <= 1
        now_s += wait_s
    sender.step(now_s)

    assert (operator.seqs(), sender.left()) == ([1] * 21, 1)
    counters = operator.received[-1].header.counters
    assert (20, None) == (counters["no-leader"], counters.get("send-failed"))
    (record,) = caplog.records
    assert f"http://{address}: no replica leads now" == record.__dict__["reason"]


def test_a_connection_closed_while_idle_is_no_failure(sender: Sender, operator: Operator) -> None:
    operator.closes = True
    for seq in (1, 2, 3):
        sender.offer(a_batch(seq))
        assert sender.step(0) == 0
    assert operator.seqs() == [1, 2, 3]
    assert "send-failed" not in operator.received[-1].header.counters


def test_backs_off_while_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    nobody = HttpConnection(Server("127.0.0.1", 1, ""))
    waits, now_s = [], 0.0
    sender = a_sender(nobody)
    for _ in range(9):
        waits.append(sender.step(now_s))
        now_s += waits[-1]
    assert waits == [0.5, 1, 2, 4, 8, 16, BACKOFF_MAX_S, BACKOFF_MAX_S, BACKOFF_MAX_S]
    assert a_sender(nobody, random=0.0).step(0) == 0.25, "jitter takes up to half"
    assert [r.__dict__["so_far"] for r in caplog.records] == [1, 8, 1], "a warning a minute and sender"
    assert "Connection refused" in caplog.records[0].__dict__["reason"]


def test_a_full_spool_loses_the_oldest_and_says_so(connection: HttpConnection, operator: Operator) -> None:
    sender = a_sender(connection, spool_bytes=4_500)
    for seq in range(1, 6):
        sender.offer(a_batch(seq))
    assert not sender.has_room()
    for _ in range(3):
        sender.step(0)
    assert operator.seqs() == [3, 4, 5]
    assert operator.received[0].header.oldest == 3
    assert operator.received[0].header.counters["spool-overflow"] == sender.lost() == 2


def test_a_thread_that_dies_says_so_and_of_what() -> None:
    def post(body: bytes) -> HttpReply:
        raise ZeroDivisionError

    died = Event()
    thread = SenderThread(
        Sender(post, lambda: a_batch().header, spool_bytes=1, deflate=False, random=lambda: 0), died.set
    )
    assert died.wait(5)
    with pytest.raises(ZeroDivisionError):
        thread.close(5)


def test_a_thread_is_stalled_when_a_request_takes_too_long() -> None:
    asked, may_end = Event(), Event()

    def post(body: bytes) -> HttpReply:
        asked.set()
        may_end.wait(10)
        raise RetryableError("nobody")

    sender = Sender(post, lambda: a_batch().header, spool_bytes=1, deflate=False, random=lambda: 0)
    thread = SenderThread(sender, lambda: None)
    assert asked.wait(5)
    now_s = time.monotonic()
    assert not thread.is_stalled(now_s)
    assert thread.is_stalled(now_s + STALL_S)
    may_end.set()
    thread.close(5)


def test_a_thread_sends_without_being_asked_and_ends(sender: Sender, operator: Operator) -> None:
    operator.durable_through = 1
    sender.offer(a_batch(1))
    sender.is_draining = True
    thread = SenderThread(sender, lambda: None)
    for _ in range(500):
        if not sender.left():
            break
        thread.wake()
        thread._thread.join(0.01)
    thread.close(5)
    assert sender.left() == 0
    assert not thread._thread.is_alive()
