"""Builds dnstap messages and Frame Streams byte by byte, good ones and hostile ones, and a small sender of them."""

import socket
import struct
from types import TracebackType
from typing import Self

from tests.support import packets as p

from grapevine.capture.sources import framestream as fs
from grapevine.capture.sources.tap import CONTENT_TYPE

CLIENT_QUERY, CLIENT_RESPONSE, FORWARDER_RESPONSE = 5, 6, 8
UDP, TCP = 1, 2


def varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*octets, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def octets(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def fixed32(field: int, value: int) -> bytes:
    return varint(field << 3 | 5) + struct.pack("<I", value)


def message(
    response: bytes | None = None,
    *,
    kind: int = CLIENT_RESPONSE,
    client: str = p.CLIENT,
    protocol: int | None = UDP,
    query_ms: int | None = None,
    response_ms: int | None = None,
    resolver: str = "",
) -> bytes:
    """Return the inner message as CoreDNS writes it: in the order of the field numbers; times in ms."""
    parts = [number(1, kind), number(2, 2 if ":" in client else 1)]
    parts += [number(3, protocol)] if protocol is not None else []
    parts += [octets(4, pack(client)), octets(5, pack(resolver)) if resolver else b"", number(6, 40_000)]
    for ms, seconds in ((query_ms, 8), (response_ms, 12)):
        if ms is not None:
            parts += [number(seconds, ms // 1_000), fixed32(seconds + 1, ms % 1_000 * 1_000_000)]
    return b"".join([*parts, octets(14, response) if response is not None else b""])


def tap(inner: bytes) -> bytes:
    """Return a dnstap frame around an inner message, with the identity and version CoreDNS sends."""
    return octets(1, b"coredns-5d78c9869d-abcde") + octets(2, b"CoreDNS-1.14.7") + octets(14, inner) + number(15, 1)


def pack(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


READY = fs.encode_control(fs.READY, CONTENT_TYPE)
ACCEPT = fs.encode_control(fs.ACCEPT, CONTENT_TYPE)
START = fs.encode_control(fs.START, CONTENT_TYPE)
STOP = fs.encode_control(fs.STOP)
FINISH = fs.encode_control(fs.FINISH)


class TapSender:
    """A connection as a DNS server makes it; `start` it to do the handshake."""

    def __init__(self, address: tuple[str, int] | str, *, source: str = "") -> None:
        """Connect; `source` is the loopback address to come from."""
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.socket.settimeout(10)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_taps(self, *inner: bytes) -> None:
        self.send(b"".join(fs.encode_frame(tap(each)) for each in inner))

    def receive(self, number_of_bytes: int) -> bytes:
        """Return that many bytes, or fewer where the listener closes before."""
        data = b""
        while len(data) < number_of_bytes and (more := self.socket.recv(number_of_bytes - len(data))):
            data += more
        return data
