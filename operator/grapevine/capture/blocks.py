"""Frames as the kernel writes them into a block of a TPACKET_V3 ring. Pure.

Structures: linux/if_packet.h (`tpacket3_hdr`, then `sockaddr_ll`), Documentation/networking/packet_mmap.rst. A frame's
network header stands at `NETWORK_OFFSET` behind the start of its own header, for a socket of type SOCK_DGRAM.
"""

import socket
import sys
from collections.abc import Iterator
from struct import Struct
from typing import Final

from grapevine.capture.frames import ETHERTYPE_IPV4

NETWORK_OFFSET: Final = 96
"""Both headers, 48 and 20 octets, to the next 16, and 16 more: `tpacket_rcv` of net/packet/af_packet.c."""
TIME_STEP_NS: Final = 10_000_000
"""Frames within it have the time of the first: a time for each would cost a tenth of the way of a frame."""
PADDING: Final = bytes(64)
"""Behind a block, for who reads the headers of its last frame at one go."""

IPV4_PROTOCOL: Final = socket.htons(ETHERTYPE_IPV4)
"""As `sockaddr_ll` has it."""
TIME: Final = Struct("=4x2I")
"""Of a frame: seconds, nanoseconds."""
_FRAME: Final = Struct("=I8xI10xH22xHi2xB")
"""Offset of the next frame, octets captured, offset of the network header; then of the address: protocol (big-endian),
interface, packet type."""
COOKED_IPV4_UDP: Final = Struct("=I4x2I42xB37xB5xI2x4s4s2s2s4x2s")
"""The same, and what follows in nearly every frame: offset of the next one, nanoseconds, octets captured; packet type;
version and length of the IPv4 header, `UNFRAGMENTED_UDP` under its mask, source, destination; UDP's ports; DNS's id."""
UNFRAGMENTED_UDP: Final = int.from_bytes(b"\0\0\0\x11", sys.byteorder)
UNFRAGMENTED_UDP_MASK: Final = int.from_bytes(b"\x3f\xff\0\xff", sys.byteorder)
"""Of IPv4: more fragments and their offset, without the time to live, and the protocol."""
REST_OF_FRAME: Final = Struct("=26xH22xH46x2B20x2B")
"""Offset of the network header; protocol; total length of IPv4 and length of UDP, in two octets each."""


Located = tuple[int, int, int, int, int, int]
"""A frame of a block: where its network header starts and what was captured ends; ethertype; direction, as in
`frames.Packet`; time in ms, to `TIME_STEP_NS`; index of the interface. A plain tuple: while a node learns of copies,
one is made of every frame."""


def walk(data: bytes, at: int, count: int) -> Iterator[Located]:
    """Give the `count` frames of a block whose first is at `at`, in the order they came."""
    unpack = _FRAME.unpack_from
    time_ms, low_ns, high_ns = 0, 1, 0
    for _ in range(count):
        step, captured, offset, protocol, interface, direction = unpack(data, at)
        seconds, nanoseconds = TIME.unpack_from(data, at)
        if not low_ns <= nanoseconds < high_ns:
            time_ms = seconds * 1_000 + nanoseconds // 1_000_000
            low_ns, high_ns = nanoseconds, nanoseconds + TIME_STEP_NS
        start = at + offset
        yield start, start + captured, socket.ntohs(protocol), direction, time_ms, interface
        at += step
