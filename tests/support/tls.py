"""Certificates and a TLS server for tests, made by the operator's own code."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from grapevine.serving import shared_certificate
from grapevine.serving.certificates import new_pair
from grapevine.serving.rotation import ServingPair
from grapevine.wire.codec import decode_batch, encode_reply
from grapevine.wire.schema import Batch, Reply

NAME = "grapevine-operator.grapevine-system.svc"


def a_pair(*names: str, now_s: float | None = None, lifetime_s: float = 3_600) -> ServingPair:
    """Return a new certificate, for the Service's name and localhost unless told otherwise."""
    return new_pair(names or (NAME, "localhost"), time.time() if now_s is None else now_s, lifetime_s)


def server_context(pair: ServingPair) -> ssl.SSLContext:
    """Return a context that serves the pair."""
    context = shared_certificate.server_context()
    shared_certificate.load_pair(context, pair)
    return context


def client_context(*pairs: ServingPair) -> ssl.SSLContext:
    """Return a context that trusts the pairs' authorities alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata="".join(pair.authority.pem for pair in pairs))
    return context


@dataclass
class FakeOperator:
    """Answers every batch alike; remembers what it was sent, and with which token."""

    reply: tuple[int, Reply] = (202, Reply("one", 0))
    batches: list[Batch] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    port: int = 0
    connections: int = 0


@contextmanager
def run_operator(operator: FakeOperator, context: ssl.SSLContext | None) -> Iterator[FakeOperator]:
    """Run a fake operator on loopback, over TLS where there is a context."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            operator.connections += 1
            super().setup()

        def do_POST(self) -> None:
            operator.batches.append(decode_batch(self.rfile.read(int(self.headers["Content-Length"]))))
            operator.tokens.append(self.headers.get("Authorization", ""))
            status, reply = operator.reply
            answer = encode_reply(reply)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            """Keep the test's output clean."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A handshake a test makes fail is none of ours."""

        def get_request(self) -> tuple[socket.socket, object]:
            connected, address = super().get_request()
            if context is not None:  # the handshake comes with the first read, in the connection's own thread
                connected = context.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
            return connected, address

    with Server(("127.0.0.1", 0), Handler) as server:
        operator.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield operator
        finally:
            server.shutdown()
            thread.join()
