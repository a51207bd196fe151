"""OTLP over gRPC. Loaded only where it is asked for: 8 MiB and six threads.

Source: OTLP specification, "OTLP/gRPC".
"""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import grpc

from grapevine.export.settings import SignalSettings
from grapevine.export.transport import Answer

_METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
_REPEATABLE = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


class GrpcTransport:
    """Implements `transport.Transport`."""

    def __init__(self, signal: SignalSettings, name: Literal["traces", "metrics"]) -> None:
        target = urlsplit(signal.url).netloc or signal.url
        compression = grpc.Compression.Gzip if signal.compression == "gzip" else grpc.Compression.NoCompression
        if signal.is_insecure:
            self._channel = grpc.insecure_channel(target, compression=compression)
        else:
            files = (signal.certificate, signal.client_key, signal.client_certificate)
            credentials = grpc.ssl_channel_credentials(*(Path(each).read_bytes() if each else None for each in files))
            self._channel = grpc.secure_channel(target, credentials, compression=compression)
        self._export = self._channel.unary_unary(_METHODS[name])  # bytes in, bytes out
        self._headers = tuple(signal.headers.items())

    def send(self, message: bytes, timeout_s: float) -> Answer:
        """Send one request and return the answer."""
        try:
            return Answer(body=self._export(message, timeout=timeout_s, metadata=self._headers))
        except grpc.RpcError as error:
            return Answer(f"{error.code().name}: {error.details()}", error.code() in _REPEATABLE)
        except ValueError as error:  # the channel was closed by who gave up waiting
            return Answer(str(error))

    def close(self) -> None:
        """End the connections, and with them a request under way."""
        self._channel.close()
