"""dnstap frame → the client response in it. Pure; hostile bytes give a `Reason`, never an error.

https://github.com/dnstap/dnstap.pb (dnstap.proto), wire format of Protocol Buffers. We need a dozen of its 30 fields,
so they are read by hand; a decoder of the whole would bring a library as large as capture.
"""

import re
from typing import Final, NamedTuple

from grapevine.capture.counters import Reason

CONTENT_TYPE: Final = b"protobuf:dnstap.Dnstap"
MAX_FIELDS: Final = 64
"""Fields read of one message; dnstap knows 17. Bounds what a frame of tiny fields costs."""

_VARINT, _FIXED64, _OCTETS, _FIXED32 = 0, 1, 2, 5
_MESSAGE, _TYPE = 14, 15
"""Fields of `Dnstap`; its only type is MESSAGE, 1."""
_M_TYPE, _M_PROTOCOL, _M_CLIENT, _M_RESOLVER, _M_CLIENT_PORT = 1, 3, 4, 5, 6
_M_QUERY_S, _M_QUERY_NS, _M_RESPONSE_S, _M_RESPONSE_NS, _M_RESPONSE = 8, 9, 12, 13, 14
"""Fields of `Message`. Encoders write them in this order, so the type comes first and most frames end there."""
_CLIENT_RESPONSE: Final = 6
_BODY_TAG: Final = _MESSAGE << 3 | _OCTETS
_AFTER_BODY: Final = bytes((_TYPE << 3 | _VARINT, 1))
_NO_ADDRESS: Final = bytes(4)
_DATAGRAMS: Final = (1, 5, 7)
"""Values of `SocketProtocol` that run over UDP: UDP, DNSCrypt over UDP, DoQ."""
_MAPPED: Final = bytes(10) + b"\xff\xff"
"""Before the four octets of an IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2); CoreDNS before 1.14.5."""
_MAX_SECONDS: Final = 1 << 40


class Tap(NamedTuple):
    """One response as the server gave it to its client."""

    client: bytes
    """Address, 4 or 16 octets."""
    client_port: int
    """0 where it is not told."""
    resolver: bytes
    """Address of the server: that of the connection, else what the message says; 4 octets of zero for neither."""
    transport: str
    """`udp` or `tcp`."""
    time_ms: int
    """The server's clock at the response, else at the query, ms since the epoch; 0 where neither is told."""
    message: bytes
    """The DNS response."""


_USUAL: Final = re.compile(
    rb"""
    \x08\x06                                                    # type: CLIENT_RESPONSE
    \x10[\x01\x02]                                              # socket_family
    \x18([\x01-\x07])                                           # socket_protocol
    \x22(\x04.{4}|\x10.{16})                                    # query_address, with its length
    (?: \x2a(\x04.{4}|\x10.{16}) )?                             # response_address: Unbound
    \x30([\x01-\x7f]|[\x80-\xff][\x01-\x7f]|[\x80-\xff]{2}[\x01-\x03])  # query_port: 1 to 65,535
    (?: \x38[\x80-\xff]{0,2}[\x00-\x7f] )?                     # response_port
    (?: \x40[\x80-\xff]{4}[\x01-\x7f]\x4d.{4} )?               # query_time: CoreDNS
    \x60([\x80-\xff]{4}[\x01-\x7f])\x6d(.{4})                  # response_time: seconds of 29 to 35 bits
    \x72([\x01-\x7f]|[\x80-\xff]{1,2}[\x01-\x7f])              # response_message: its length
    """,
    re.DOTALL | re.VERBOSE,
)
"""The fields of a response as CoreDNS and Unbound write them: each at most once, in the order of their numbers."""


class TapReader:
    """Reads the frames of one sender: the usual ones by one pattern, all others by `parse_tap`; both give the same."""

    def __init__(self, peer: bytes) -> None:
        self._peer = peer
        self._before: bytes | None = None
        """What comes before the body of its frames: identity and version, which stay the same, and the body's tag."""
        self._seconds = b""
        self._seconds_ms = 0
        """Response time read last, on the wire and in ms."""

    def read(self, frame: bytes) -> Tap | Reason:
        """Return the client response in `frame`, or why there is none."""
        before = self._before
        if before is None or not frame.startswith(before) or not frame.endswith(_AFTER_BODY):
            found = parse_tap(frame, self._peer)
            if isinstance(found, Tap):
                self._before = _before_body(frame)
            return found
        start, end = len(before) + 1, len(frame) - len(_AFTER_BODY)
        length = frame[start - 1]
        if length >= 0x80:
            length = length & 0x7F | frame[start] << 7
            start += 1
        if start + length != end or frame[start - 1] >= 0x80:
            return parse_tap(frame, self._peer)
        if frame[start] == 0x08 and frame[start + 1] != _CLIENT_RESPONSE:
            return Reason.OTHER_TAP
        usual = _USUAL.match(frame, start, end)
        return parse_tap(frame, self._peer) if usual is None else self._usual(frame, usual, end)

    def _usual(self, frame: bytes, usual: "re.Match[bytes]", end: int) -> Tap | Reason:
        protocol, client, resolver, port, seconds, nanoseconds, length = usual.groups()
        start = usual.end()
        if start + _short_varint(length) != end:
            return parse_tap(frame, self._peer)
        if seconds != self._seconds:
            self._seconds, self._seconds_ms = seconds, _varint(seconds, 0)[0] * 1_000
        return Tap(
            client[1:] if client[0] == 4 else unmap(client[1:]),
            _short_varint(port),
            self._peer or (unmap(resolver[1:]) if resolver else _NO_ADDRESS),
            "udp" if protocol[0] in _DATAGRAMS else "tcp",
            self._seconds_ms + int.from_bytes(nanoseconds, "little") // 1_000_000,
            frame[start:end],
        )


def _before_body(frame: bytes) -> bytes | None:
    """Return what stands before the body's length; None where that is not made of a few short fields of octets."""
    at = 0
    while frame[at] != _BODY_TAG:
        if frame[at] & 7 != _OCTETS or frame[at] >= 0x80 or frame[at + 1] >= 0x80:
            return None
        at += 2 + frame[at + 1]
    return frame[: at + 1]


def parse_tap(frame: bytes, peer: bytes) -> Tap | Reason:
    """Return the client response in `frame`, or why there is none; `peer` is who sent it, empty on a unix socket."""
    try:
        outer = _Fields(frame)
        body = outer.octets.get(_MESSAGE)
        if body is None or outer.numbers.get(_TYPE) != 1:
            return Reason.BAD_TAP
        if body[:1] == b"\x08" and body[1:2] != b"\x06":  # field 1, and another type than ours
            return Reason.OTHER_TAP
        fields = _Fields(body)
    except (ValueError, IndexError):
        return Reason.BAD_TAP
    numbers, octets = fields.numbers, fields.octets
    if numbers.get(_M_TYPE) != _CLIENT_RESPONSE:
        return Reason.OTHER_TAP
    client = unmap(octets.get(_M_CLIENT, b""))
    if len(client) not in (4, 16):
        return Reason.BAD_TAP
    message = octets.get(_M_RESPONSE)
    if not message:
        return Reason.TAP_NOT_FULL
    resolver = peer or unmap(octets.get(_M_RESOLVER, b""))
    return Tap(
        client=client,
        client_port=numbers.get(_M_CLIENT_PORT, 0) & 0xFFFF,
        resolver=resolver if len(resolver) in (4, 16) else _NO_ADDRESS,
        transport="udp" if numbers.get(_M_PROTOCOL, 1) in _DATAGRAMS else "tcp",
        time_ms=_time_ms(numbers, _M_RESPONSE_S, _M_RESPONSE_NS) or _time_ms(numbers, _M_QUERY_S, _M_QUERY_NS),
        message=message,
    )


def unmap(address: bytes) -> bytes:
    """Return the IPv4 address that is mapped into an IPv6 one, any other address as it is."""
    return address[12:] if len(address) == 16 and address.startswith(_MAPPED) else address


def _time_ms(numbers: dict[int, int], seconds: int, nanoseconds: int) -> int:
    return min(numbers.get(seconds, 0), _MAX_SECONDS) * 1_000 + numbers.get(nanoseconds, 0) // 1_000_000


class _Fields:
    """The fields of one Protocol Buffers message, by number; of a repeated one the last.

    Raises:
        ValueError, IndexError: bytes that are no such message, or more than `MAX_FIELDS` fields.
    """

    __slots__ = ("numbers", "octets")

    def __init__(self, data: bytes) -> None:
        self.numbers: dict[int, int] = {}
        self.octets: dict[int, bytes] = {}
        at, left = 0, MAX_FIELDS
        while at < len(data):
            tag, at = _varint(data, at)
            field, kind = tag >> 3, tag & 7
            if kind == _VARINT:
                self.numbers[field], at = _varint(data, at)
            elif kind == _OCTETS:
                length, start = _varint(data, at)
                at = start + length
                self.octets[field] = data[start:at]
            elif kind == _FIXED32:
                self.numbers[field] = int.from_bytes(data[at : at + 4], "little")
                at += 4
            elif kind == _FIXED64:
                at += 8
            else:
                raise ValueError("a group, or no wire type at all")
            left -= 1
            if at > len(data) or left < 0:
                raise ValueError("cut short, or more fields than a dnstap message has")


def _short_varint(octets: bytes) -> int:
    """Return the number that one, two or three octets are."""
    if len(octets) == 2:
        return octets[0] & 0x7F | octets[1] << 7
    if len(octets) == 1:
        return octets[0]
    return octets[0] & 0x7F | (octets[1] & 0x7F) << 7 | octets[2] << 14


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at` and where it ends; at most 64 bits in ten octets."""
    value = data[at]
    if value < 0x80:
        return value, at + 1
    value = 0
    for shift, octet in enumerate(data[at : at + 10]):
        value |= (octet & 0x7F) << 7 * shift
        if octet < 0x80:
            return value, at + shift + 1
    raise ValueError("a number without an end")
