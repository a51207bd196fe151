"""dnstap frame → the client response in it. Pure; hostile bytes give a `Reason`, never an error.

https://github.com/dnstap/dnstap.pb (dnstap.proto), wire format of Protocol Buffers. We need a dozen of its 30 fields,
so they are read by hand; a decoder of the whole would bring a library as large as capture.
"""

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
        resolver=resolver if len(resolver) in (4, 16) else bytes(4),
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
