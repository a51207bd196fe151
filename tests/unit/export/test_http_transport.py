"""One request over HTTP: it ends by its deadline whatever comes back, and the next one finds the connection open."""

import threading

import pytest
from tests.support.collector import black_hole, dripping, http_collector

from grapevine.export.http_transport import HttpTransport
from grapevine.export.settings import SignalSettings
from grapevine.export.transport import Answer

TIMEOUT_S = 0.5
OK = b"HTTP/1.1 200 OK\r\n"


def send(url: str) -> Answer:
    transport = HttpTransport(SignalSettings(f"{url}/v1/traces"))
    try:
        return transport.send(b"message", TIMEOUT_S)
    finally:
        transport.close()


@pytest.mark.parametrize(
    "said",
    [
        OK,
        OK + b"X-Long: ",
        OK + b"Content-Length: 1000000\r\n\r\nx",
        OK + b"Content-Encoding: gzip\r\nContent-Length: 1000000\r\n\r\n\x1f\x8b\x08\0",
        OK + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\nx",
        OK + b"Connection: close\r\n\r\nx",
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1000000\r\n\r\nx",
    ],
    ids=["headers", "one header", "body", "gzip", "chunks", "body without an end", "refusal"],
)
def test_an_answer_that_drips_is_cut_off(said: bytes) -> None:
    """It would last for hours: that this ends is the test."""
    with dripping(said) as url:
        answer = send(url)

    assert Answer("no whole answer within 0.5 s", may_repeat=True) == answer


def test_a_handshake_that_drips_is_cut_off() -> None:
    a_record = b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xfc"  # of 16 KiB, the beginning of a ServerHello
    with dripping(a_record) as url:
        answer = send(url.replace("http:", "https:"))

    assert Answer("no whole answer within 0.5 s", may_repeat=True) == answer


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_answer_at_all_is_one_too(scheme: str) -> None:
    with black_hole() as url:
        answer = send(url.replace("http", scheme))

    assert answer.may_repeat
    assert "time" in answer.reason or "no whole answer" in answer.reason


def test_through_a_proxy_it_is_cut_off_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    with dripping(OK) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("NO_PROXY", "")
        answer = send("http://collector.invalid:4318")

    assert Answer("no whole answer within 0.5 s", may_repeat=True) == answer


def test_a_long_answer_is_read_in_part() -> None:
    with http_collector() as collector:
        collector.body = b"x" * 1_000_000
        answer = send(collector.url)

    assert (b"x" * 65_536, "") == (answer.body, answer.reason)


def test_requests_share_a_connection_and_leave_no_thread() -> None:
    before = threading.active_count()
    with http_collector() as collector:
        transport = HttpTransport(SignalSettings(f"{collector.url}/v1/traces"))
        answers = [transport.send(b"message", 30.0) for _ in range(5)]
        transport.close()

    assert [Answer()] * 5 == answers
    assert (5, 1) == (len(collector.traces), collector.connections)
    assert before >= threading.active_count()


def test_after_one_that_was_cut_off_the_next_is_taken() -> None:
    with http_collector() as collector, dripping(OK) as slow:
        transport = HttpTransport(SignalSettings(f"{slow}/v1/traces"))
        assert transport.send(b"message", TIMEOUT_S).reason
        transport._url = f"{collector.url}/v1/traces"
        assert Answer() == transport.send(b"message", 30.0)
        transport.close()
