"""The API server as a follower of pod logs sees it: `pods/log` over TLS, with kubelet's log files behind it."""

import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = "t0ken"  # noqa: S105 - of nobody


@dataclass
class PodLogs:
    """Logs of pods by `NAMESPACE/NAME`; tests write to them, rotate them and break the streams."""

    lines: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """What the file now holds: second since the epoch, and the line as kubelet gives it, time first."""
    forbidden: set[str] = field(default_factory=set)
    queries: list[str] = field(default_factory=list)
    """Of every request, pod and query."""
    streams: Counter[str] = field(default_factory=Counter)
    """Streams open now, by pod."""
    generation: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def write(self, pod: str, time_ns: int, text: str) -> None:
        """Append a line to a pod's log."""
        seconds, ns = divmod(time_ns, 10**9)
        stamp = f"1970-01-01T{seconds // 3_600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ns:09}Z"
        with self.changed:
            self.lines.setdefault(pod, []).append((seconds, f"{stamp} {text}\n"))
            self.changed.notify_all()

    def rotate(self, pod: str) -> None:
        """Begin a new file, as kubelet does, and break the streams of all pods as a restart does."""
        with self.changed:
            self.lines[pod] = []
            self.generation += 1
            self.changed.notify_all()

    def break_streams(self) -> None:
        """Break every stream."""
        with self.changed:
            self.generation += 1
            self.changed.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    logs: PodLogs

    def handle_error(self, request: object, client_address: object) -> None:
        """A follower that goes away is none of ours."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        logs = self.server.logs
        url = urlsplit(self.path)
        _, _, _, _, namespace, _, name, kind = url.path.split("/")
        pod, query = f"{namespace}/{name}", parse_qs(url.query)
        logs.queries.append(f"{pod}?{url.query}")
        is_allowed = self.headers["Authorization"] == f"Bearer {TOKEN}" and pod not in logs.forbidden and kind == "log"
        if not is_allowed or pod not in logs.lines:
            self.send_error(403 if not is_allowed else 404)
            return
        with logs.changed:
            generation = logs.generation
            at = len(logs.lines[pod]) if query.get("tailLines") == ["0"] else 0
            since = query["sinceTime"][0][-9:-1] if "sinceTime" in query else "00:00:00"
            hours, minutes, seconds = map(int, since.split(":"))
            logs.streams[pod] += 1
        self.send_response(200)  # the API server's; kubelet's own answer may wait for the first line
        self.end_headers()
        try:
            while True:
                with logs.changed:
                    while logs.generation == generation and len(logs.lines[pod]) <= at:
                        logs.changed.wait()
                    if logs.generation != generation:
                        return
                    fresh, at = logs.lines[pod][at:], len(logs.lines[pod])
                from_s = hours * 3_600 + minutes * 60 + seconds
                self.wfile.write("".join(text for second, text in fresh if second >= from_s).encode())
        finally:
            with logs.changed:
                logs.streams[pod] -= 1

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def serving(logs: PodLogs, context: ssl.SSLContext) -> Iterator[int]:
    """Serve the logs on a port of loopback while entered."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.logs = logs
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            logs.break_streams()
            server.shutdown()
            thread.join()
