"""A receiver of webhooks on loopback, that looks at signatures with the standard library alone."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


class Receiver:
    """Answers with one status after another, then with 204; keeps what it took and can believe."""

    def __init__(self, *statuses: int, headers: dict[str, str] | None = None) -> None:
        self.statuses = list(statuses)
        self.headers = headers or {}
        self.tries: list[tuple[str, int]] = []
        """Id of each request, and its answer."""
        self.taken: list[dict[str, Any]] = []
        """Bodies that were signed and answered well."""
        self.url = ""

    def take(self, headers: Any, body: bytes) -> int:
        """Return the status of an answer."""
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.digest(KEY, content, hashlib.sha256)).decode()
        is_signed = expected in headers["webhook-signature"].split()
        status = (self.statuses.pop(0) if self.statuses else 204) if is_signed else 401
        self.tries.append((headers["webhook-id"], status))
        if status < 300:
            self.taken.append(json.loads(body))
        return status

    @contextmanager
    def serving(self) -> Iterator["Receiver"]:
        """Listen while entered."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status = receiver.take(self.headers, self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}/hook?token=private"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
