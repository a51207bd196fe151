"""Batches of spans and points on their way to collectors: encoded, sent, and sent again while there is time.

Loaded only where something is sent.

Source: OTLP specification 1.x, "Failures", "Partial Success", "Throttling".
"""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom
from typing import Literal

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from grapevine.export.batches import SpanBatch
from grapevine.export.http_transport import HttpTransport
from grapevine.export.points import MAX_POINTS, encode_points
from grapevine.export.series import Point
from grapevine.export.settings import SignalSettings, TelemetrySettings
from grapevine.export.spans import SpanEncoder
from grapevine.export.transport import Answer, Transport
from grapevine.model.errors import PermanentInputError

_MAX_REASON = 300
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 8.0


class OtlpWire:
    """Sends to the collectors of the settings; implements `sender.Wire`. One thread at a time."""

    max_points = MAX_POINTS

    def __init__(self, settings: TelemetrySettings) -> None:
        """Make the transports; nothing is sent yet, so that a collector may come later.

        Raises:
            PermanentInputError: a certificate or key cannot be read.
        """
        self._own_resource = settings.own_resource
        self._random = SystemRandom()
        self._encoder = SpanEncoder(settings.cluster, settings.environment, self._random)
        self._traces = _Route(settings.traces, "traces") if settings.traces else None
        self._metrics = _Route(settings.metrics, "metrics") if settings.metrics else None
        self._closing = threading.Event()

    def send_spans(self, batch: SpanBatch, now_ns: int) -> Answer:
        """Send one request; return the last answer, without a reason where all of it was taken."""
        if self._traces is None:
            return Answer("no endpoint for traces")
        answer = self._send(self._traces, self._encoder.encode(batch, now_ns))
        return answer if answer.reason else _part(ExportTraceServiceResponse(), answer.body)

    def send_points(self, points: Sequence[Point], now_ns: int) -> Answer:
        """Send one request; return the last answer, without a reason where all of it was taken."""
        if self._metrics is None:
            return Answer("no endpoint for metrics")
        answer = self._send(self._metrics, encode_points(points, self._own_resource, now_ns))
        return answer if answer.reason else _part(ExportMetricsServiceResponse(), answer.body)

    def close(self) -> None:
        """End waits between repetitions, and the connections."""
        self._closing.set()
        for route in (self._traces, self._metrics):
            if route is not None:
                route.transport.close()

    def _send(self, route: "_Route", message: bytes) -> Answer:
        """Send until it is taken, may not be repeated, or the signal's timeout would pass."""
        deadline_s, pause_s = time.monotonic() + route.timeout_s, _FIRST_PAUSE_S
        while True:
            answer = route.transport.send(message, max(0.001, deadline_s - time.monotonic()))
            wait_s = answer.retry_after_s or pause_s * self._random.uniform(0.8, 1.2)
            if not answer.may_repeat or time.monotonic() + wait_s >= deadline_s or self._closing.wait(wait_s):
                return Answer(" ".join(answer.reason.split())[:_MAX_REASON], False, answer.retry_after_s, answer.body)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


class _Route:
    """One signal's transport, and how long a request may take."""

    def __init__(self, signal: SignalSettings, name: Literal["traces", "metrics"]) -> None:
        for file in (signal.certificate, signal.client_key, signal.client_certificate):
            _check_readable(file)
        self.timeout_s = signal.timeout_s
        self.transport: Transport
        if signal.protocol == "grpc":
            from grapevine.export.grpc_transport import GrpcTransport

            self.transport = GrpcTransport(signal, name)
        else:
            self.transport = HttpTransport(signal)


def _check_readable(file: str) -> None:
    try:
        if file:
            Path(file).read_bytes()
    except OSError as error:
        raise PermanentInputError(f"{file}, for the OTLP endpoint, cannot be read: {error.strerror}") from error


def _part(response: ExportTraceServiceResponse | ExportMetricsServiceResponse, body: bytes) -> Answer:
    """Return whether a request that was taken was taken whole; what is no response says nothing."""
    try:
        response.ParseFromString(body)
    except DecodeError:
        return Answer()
    said = response.partial_success
    rejected = getattr(said, "rejected_spans", 0) or getattr(said, "rejected_data_points", 0)
    return Answer(f"{rejected} rejected: {said.error_message}"[:_MAX_REASON]) if rejected else Answer()
