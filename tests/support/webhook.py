"""A webhook that an API server asks over TLS, answered by the test."""

import base64
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.support.api import Object
from tests.support.tls import a_pair, server_context


@contextmanager
def serving_webhook(answer: Callable[[Object], Object]) -> Iterator[Object]:
    """Run a webhook, and yield the `clientConfig` that names it.

    `answer` gets a review's `request`, in a thread of its own, and returns its `response` without the `uid`.
    """
    pair = a_pair("localhost")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            response = {"uid": review["request"]["uid"], **answer(review["request"])}
            body = json.dumps({**review, "request": None, "response": response}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    server.daemon_threads = True
    context: ssl.SSLContext = server_context(pair)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    bundle = base64.b64encode(pair.authority.pem.encode()).decode()
    try:
        yield {"url": f"https://localhost:{server.server_port}/", "caBundle": bundle}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
