"""Questions to an operator at an URL: whom a token is shown, and what is said where that cannot be."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tests.support.tls import a_pair, server_context

from grapevine.cli import operator_url
from grapevine.cli.operator_url import OperatorUrl, fetch
from grapevine.model.errors import GrapevineError, PermanentInputError

PAIR = a_pair()


@dataclass
class Answers:
    """What is answered, the last one again and again, and the tokens that came."""

    script: list[tuple[int, str]]
    tokens: list[str] = field(default_factory=list)


@contextmanager
def answering(answers: Answers) -> Iterator[str]:
    """Run a TLS server on loopback, and yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.tokens.append(self.headers.get("Authorization", ""))
            status, text = answers.script[0] if len(answers.script) == 1 else answers.script.pop(0)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", text)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: object) -> None:
            """Keep the test's output clean."""

    class Server(HTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A handshake a test makes fail is none of ours."""

    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = server_context(PAIR).wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"https://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text("secret\n")
    return str(path)


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    path = tmp_path / "ca.crt"
    path.write_text(PAIR.authority.pem)
    return str(path)


def test_shows_the_token_to_whom_the_authority_vouches_for(token_file: str, ca_file: str) -> None:
    answers = Answers([(200, "{}")])
    with answering(answers) as url:
        assert (200, b"{}") == fetch(OperatorUrl(url, token_file, ca_file), "/", timeout_s=10)

    assert ["Bearer secret"] == answers.tokens


def test_shows_it_to_nobody_else(token_file: str) -> None:
    answers = Answers([(200, "{}")])
    with answering(answers) as url, pytest.raises(GrapevineError, match="--ca-file names whom to trust instead"):
        fetch(OperatorUrl(url, token_file), "/", timeout_s=10)

    assert [] == answers.tokens


def test_follows_no_redirect(token_file: str, ca_file: str) -> None:
    elsewhere = Answers([(200, "{}")])
    with answering(elsewhere) as there:
        answers = Answers([(302, there)])
        with answering(answers) as url:
            assert 302 == fetch(OperatorUrl(url, token_file, ca_file), "/", timeout_s=10)[0]

    assert [] == elsewhere.tokens


@pytest.mark.parametrize(
    ("answers", "asked", "status"),
    [([(421, "{}"), (421, "{}"), (200, "{}")], 3, 200), ([(421, "{}")], operator_url.ATTEMPTS, 421)],
)
def test_asks_until_the_replica_that_leads_answers(
    monkeypatch: pytest.MonkeyPatch, ca_file: str, answers: list[tuple[int, str]], asked: int, status: int
) -> None:
    monkeypatch.setattr(operator_url, "_PAUSE_S", 0)
    script = Answers(list(answers))
    with answering(script) as url:
        assert status == fetch(OperatorUrl(url, None, ca_file), "/", timeout_s=10)[0]

    assert asked == len(script.tokens)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://operator.example:8082", "--token-file is for https, and --operator is http://operator.example:8082"),
        ("http://127.0.0.1:8082", "could read and use a token"),
        ("operator.example", "give it like http://127.0.0.1:8082 or https://HOST:PORT"),
    ],
)
def test_a_token_goes_over_tls_alone(token_file: str, url: str, message: str) -> None:
    with pytest.raises(PermanentInputError) as refused:
        fetch(OperatorUrl(url, token_file), "/", timeout_s=1)

    assert message in str(refused.value)


@pytest.mark.parametrize("content", ["", "  \n", "two words", "a\nb", "ä"])
def test_a_file_without_a_token_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)

    with pytest.raises(PermanentInputError, match=f"--token-file {path}: "):
        fetch(OperatorUrl("https://localhost:1", str(path)), "/", timeout_s=1)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")

    with pytest.raises(PermanentInputError, match=f"--token-file {missing}: it cannot be read"):
        fetch(OperatorUrl("https://localhost:1", missing), "/", timeout_s=1)
    with pytest.raises(PermanentInputError, match=f"--ca-file {missing}: no certificates can be read"):
        fetch(OperatorUrl("https://localhost:1", None, missing), "/", timeout_s=1)
