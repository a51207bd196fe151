import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Thread

import pytest

from grapevine.capture.http1 import HttpConnection, HttpReply, Server, parse_head, parse_leader, parse_url
from grapevine.model.errors import PermanentInputError, RetryableError

Serve = Callable[[bytes], Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Make a server that answers one request with the given bytes and closes the connection."""
    threads: list[Thread] = []

    def start(answer: bytes) -> Server:
        listener = socket.create_server(("127.0.0.1", 0))

        def run() -> None:
            with listener, listener.accept()[0] as peer:
                while b"BODY" not in peer.recv(1 << 16):
                    pass
                peer.sendall(answer)

        threads.append(Thread(target=run))
        threads[-1].start()
        return Server("127.0.0.1", listener.getsockname()[1], "")

    yield start
    for thread in threads:
        thread.join()


def post(server: Server) -> HttpReply:
    with closing(HttpConnection(server)) as connection:
        return connection.post("/", b"BODY", {})


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("http://127.0.0.1:8080", Server("127.0.0.1", 8080, "")),
        ("http://operator.grapevine/", Server("operator.grapevine", 80, "")),
        ("http://[fd00::1]:8080/base/", Server("fd00::1", 8080, "/base")),
        ("https://operator.grapevine", Server("operator.grapevine", 443, "", is_https=True)),
    ],
)
def test_reads_urls(url: str, server: Server) -> None:
    assert parse_url(url) == server


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("ftp://operator:21", "give https://HOST:PORT"),
        ("operator:8080", "give https://HOST:PORT"),
        ("http://", "give https://HOST:PORT"),
        ("http://me:secret@operator", "give https://HOST:PORT"),
        ("http://operator:99999", "'99999' is no port"),
        ("http://operator:8080:80", "'8080:80' is no port"),
        ("http://:80", "is no host and port"),
        ("http://[::1", "is no host and port"),
        ("http://[::1]80", "is no host and port"),
        ("http://operator/?a=b", "give https://HOST:PORT"),
        ("http://oper\nator", "give https://HOST:PORT"),
    ],
)
def test_refuses_urls_it_cannot_send_to(url: str, text: str) -> None:
    with pytest.raises(PermanentInputError, match=text):
        parse_url(url)


def test_reads_the_leaders_address() -> None:
    assert parse_leader("192.0.2.7:8443") == Server("192.0.2.7", 8443, "", is_https=True)
    assert str(parse_leader("[fd00::1]:8443")) == "[fd00::1]:8443"


@pytest.mark.parametrize(
    "text", ["", "leader:8443", "192.0.2.7", "192.0.2.7:", "192.0.2.7:0", "fd00::1:8443", "1.2.3.4:x"]
)
def test_a_leader_is_an_address_and_a_port(text: str) -> None:
    with pytest.raises(ValueError, match=r"no address and port|no host and port|no port"):
        parse_leader(text)


def test_reads_a_reply_up_to_the_end_of_the_connection(serve: Serve) -> None:
    server = serve(b"HTTP/1.0 200 OK\r\nX-Y: z\r\n\r\nhello")
    assert post(server) == HttpReply(server, 200, {"x-y": "z"}, b"hello")


def test_reads_no_more_than_the_reply_says(serve: Serve) -> None:
    assert post(serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello")).body == b"he"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"", "closed before the reply was complete"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the answer is no HTTP"),
        (b"HTTP/1.1 2", "closed before the reply was complete"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "closed before the reply was complete"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "too long"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000, "header is too long"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 90_000, "too long"),
    ],
)
def test_an_answer_that_is_none_may_be_retried(serve: Serve, answer: bytes, text: str) -> None:
    with pytest.raises(RetryableError, match=text):
        post(serve(answer))


def test_names_the_operator_nobody_knows() -> None:
    with pytest.raises(RetryableError, match=r"operator at nowhere\.invalid:80: "):
        post(Server("nowhere.invalid", 80, ""))


def test_reads_a_head() -> None:
    assert parse_head(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nretry-after:4") == (
        429,
        {"retry-after": "4"},
    )
