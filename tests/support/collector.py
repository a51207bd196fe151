"""An OTLP collector on loopback that keeps what it is sent, and fails as a test asks it to."""

import gzip
import itertools
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

MAX_REQUEST_BYTES = 4 * 1024 * 1024
"""What gRPC receivers refuse, unless told otherwise."""
GRPC_REFUSAL = grpc.StatusCode.RESOURCE_EXHAUSTED


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    at_ns: int
    headers: dict[str, str]
    """Names in lower case."""
    wire_bytes: int
    """As it came, before inflating."""
    message: bytes


@dataclass
class Collector:
    """Keeps requests; `answer` says what each is told: a status, and headers."""

    traces: list[Received] = field(default_factory=list)
    metrics: list[Received] = field(default_factory=list)
    answer: Callable[[], tuple[int, dict[str, str]]] = lambda: (200, {})
    body: bytes = b""
    """Of the answers over HTTP."""
    asked: int = 0
    """Requests, refused ones too."""
    connections: int = 0
    """Over HTTP."""
    port: int = 0

    @property
    def url(self) -> str:
        """Base URL of plain HTTP or gRPC."""
        return f"http://127.0.0.1:{self.port}"

    def trace_requests(self) -> list[ExportTraceServiceRequest]:
        """Return the traces, decoded."""
        return [ExportTraceServiceRequest.FromString(each.message) for each in self.traces]

    def points(self) -> list[dict[str, NumberDataPoint]]:
        """Return for each metrics request its points, by `client → server`."""
        return [
            {_series(point): point for point in _points(ExportMetricsServiceRequest.FromString(each.message))}
            for each in self.metrics
        ]

    def take(self, signal: str, message: bytes, wire_bytes: int, headers: dict[str, str]) -> None:
        """Keep a request."""
        kept = self.traces if signal == "traces" else self.metrics
        kept.append(Received(time.time_ns(), headers, wire_bytes, message))


def attributes_of(pairs: Any) -> dict[str, Any]:
    """Return OTLP attributes as Python has them."""
    return {each.key: _value(each.value) for each in pairs}


@contextmanager
def http_collector(context: ssl.SSLContext | None = None) -> Iterator[Collector]:
    """Run one over HTTP, over TLS where there is a context."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.asked += 1
            status, headers = collector.answer()
            if status == 200:
                message = _INFLATE[self.headers.get("Content-Encoding", "")](body)
                kept = {name.lower(): value for name, value in self.headers.items()}
                collector.take(self.path.rpartition("/")[2], message, len(body), kept)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(collector.body)))
            self.end_headers()
            self.wfile.write(collector.body)

        def log_message(self, *args: object) -> None:
            """Keep the test's output clean."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A handshake a test makes fail is none of ours."""

        def get_request(self) -> tuple[socket.socket, object]:
            connected, address = super().get_request()
            collector.connections += 1
            if context is not None:
                connected = context.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
            return connected, address

    with Server(("127.0.0.1", 0), Handler) as server:
        collector.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def grpc_collector(credentials: grpc.ServerCredentials | None = None) -> Iterator[Collector]:
    """Run one over gRPC, with its limit of 4 MiB, over TLS where there are credentials."""
    collector = Collector()

    def answer(signal: str, request: Any, context: grpc.ServicerContext) -> None:
        collector.asked += 1
        if collector.answer()[0] != 200:
            context.abort(GRPC_REFUSAL, "no")
        message = request.SerializeToString()
        kept = {name: str(value) for name, value in context.invocation_metadata()}
        collector.take(signal, message, len(message), kept)

    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> ExportTraceServiceResponse:  # noqa: N802 - gRPC's name
            answer("traces", request, context)
            return ExportTraceServiceResponse()

    class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
        def Export(self, request: Any, context: Any) -> ExportMetricsServiceResponse:  # noqa: N802 - gRPC's name
            answer("metrics", request, context)
            return ExportMetricsServiceResponse()

    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", MAX_REQUEST_BYTES)])
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)  # type: ignore[no-untyped-call]
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)  # type: ignore[no-untyped-call]
    address = "127.0.0.1:0"
    collector.port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    try:
        yield collector
    finally:
        server.stop(grace=None).wait()


@contextmanager
def black_hole() -> Iterator[str]:
    """Run a listener that accepts and never answers; yield its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def hold() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in held:
                each.close()


@contextmanager
def dripping(said: bytes, every_s: float = 0.005) -> Iterator[str]:
    """Run a listener that says this to whoever connects, a byte now and then, and then its last byte for ever."""
    ending = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            for byte in itertools.chain(said, itertools.repeat(said[-1])):
                connection.send(bytes([byte]))
                if ending.wait(every_s):
                    return

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threads.append(threading.Thread(target=drip, args=[connection]))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads = [threading.Thread(target=serve, args=[listener])]
        threads[0].start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ending.set()
            listener.shutdown(socket.SHUT_RDWR)
            for each in threads:
                each.join()


_INFLATE: dict[str, Callable[[bytes], bytes]] = {"": bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}


def _points(request: ExportMetricsServiceRequest) -> Iterator[NumberDataPoint]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                yield from metric.sum.data_points


def _series(point: NumberDataPoint) -> str:
    labels = attributes_of(point.attributes)
    return f"{labels['client']} → {labels['server']}"


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)
