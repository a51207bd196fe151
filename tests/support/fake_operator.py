"""The operator's ingest as capture sees it: takes batches and says that they are durable."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from grapevine.wire.codec import decode_batch, encode_reply
from grapevine.wire.schema import Batch, DnsPod, Reply


class FakeOperator(ThreadingHTTPServer):
    """Takes batches; all of them are durable at once unless the test says otherwise."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.batches: list[Batch] = []
        self.is_durable = True
        self.dns_pods: tuple[DnsPod, ...] = ()
        """What it tells who wants to know the DNS servers."""
        self.heard = threading.Event()
        """Set with the first batch that is no heartbeat."""

    def take(self, batch: Batch) -> int:
        """Take a batch and return up to which number all are durable."""
        self.batches.append(batch)
        return max(each.header.seq for each in self.batches) if self.is_durable else 0

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve in a thread of its own while entered."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FakeOperator

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        batch = decode_batch(body, deflate=self.headers["Content-Encoding"] == "deflate")
        pods = self.server.dns_pods if batch.header.wants else None
        answer = encode_reply(Reply("only", self.server.take(batch), dns_pods=pods))
        self.send_response(202)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        if batch.header.seq:
            self.server.heard.set()

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""
