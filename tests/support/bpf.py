"""Runs classic BPF as the kernel would, and the packets that the filter is tried with."""

import struct
from collections.abc import Callable, Sequence

from tests.support import packets as p

from grapevine.capture.sources.bpf import Instruction

IPV4, IPV6, VLAN, SERVICE_VLAN, ARP = 0x0800, 0x86DD, 0x8100, 0x88A8, 0x0806
ECN_SYN = 0xC2
"""SYN with ECE and CWR (RFC 3168 §6.1.1)."""


def run(
    program: Sequence[Instruction], packet: bytes, protocol: int, *, direction: int = p.OUTGOING, interface: int = 2
) -> int:
    """Return how many octets of the packet the program passes; a load beyond its end passes none.

    Source: Documentation/networking/filter.rst.
    """
    known = {0xFFFFF000: protocol, 0xFFFFF004: direction, 0xFFFFF008: interface}
    memory = [0] * 16
    a = x = at = 0
    while True:
        code, if_true, if_false, k = program[at]
        at += 1
        if code == 0x06:
            return k
        if code in _LOADS:
            size, is_indexed = _LOADS[code]
            loaded = known.get(k) if not is_indexed else None
            start = k + x if is_indexed else k
            if loaded is None and start + size > len(packet):
                return 0
            a = int.from_bytes(packet[start : start + size], "big") if loaded is None else loaded
        elif code in _JUMPS:
            at += _JUMPS[code](a, k, if_true, if_false)
        elif code in _ARITHMETIC:
            a = _ARITHMETIC[code](a, x if code & 0x08 else k) & 0xFFFFFFFF
        else:
            a, x, memory[k] = _MOVES[code](a, x, memory[k], k)


_LOADS = {0x20: (4, False), 0x28: (2, False), 0x30: (1, False), 0x40: (4, True), 0x48: (2, True), 0x50: (1, True)}
_JUMPS: dict[int, Callable[[int, int, int, int], int]] = {
    0x05: lambda a, k, yes, no: k,
    0x15: lambda a, k, yes, no: yes if a == k else no,
    0x45: lambda a, k, yes, no: yes if a & k else no,
}
_ARITHMETIC: dict[int, Callable[[int, int], int]] = {
    0x04: lambda a, b: a + b,
    0x0C: lambda a, b: a + b,
    0x54: lambda a, b: a & b,
    0x64: lambda a, b: a << b,
    0x74: lambda a, b: a >> b,
}
_MOVES: dict[int, Callable[[int, int, int, int], tuple[int, int, int]]] = {
    0x60: lambda a, x, cell, k: (cell, x, cell),
    0x61: lambda a, x, cell, k: (a, cell, cell),
    0x02: lambda a, x, cell, k: (a, x, a),
    0x03: lambda a, x, cell, k: (a, x, x),
    0x01: lambda a, x, cell, k: (a, k, cell),
    0x07: lambda a, x, cell, k: (a, a, cell),
    0x87: lambda a, x, cell, k: (x, x, cell),
}
"""To what A, X and the cell that the operand names become; an immediate's operand is no cell, but small enough."""

RESPONSE, QUERY, OPENING, NOT_FOLLOWED, NOTHING = "response", "query", "opening", "not followed", "nothing"
"""What a packet is to the filter; what is not followed has more extension headers than it goes through."""

_ANSWER = p.udp(p.dns_response())
_QUESTION = p.udp(p.dns_response(flags=0x0100), src_port=40_000, dst_port=53)
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _NO_NEXT, _DESTINATION = 0, 43, 44, 59, 60


def _tcp(flags: int, src_port: int = 40_001, dst_port: int = 443) -> bytes:
    return p.tcp(b"", flags=flags, src_port=src_port, dst_port=dst_port)


def _extended(*headers: int, body: bytes = _ANSWER, protocol: int = 17, fragment: int = 1) -> bytes:
    """Return an IPv6 packet with these extension headers; all have 16 octets, but a fragment's 8 (RFC 8200 §4)."""
    chain = b""
    for header, following in zip(headers, (*headers[1:], protocol), strict=True):
        is_fragment = header == _FRAGMENT
        chain += struct.pack("!BBHI", following, 0, fragment, 7) if is_fragment else bytes([following, 1]) + bytes(14)
    return p.ipv6(chain + body, header=headers[0])


_PACKETS: dict[str, tuple[bytes, str]] = {
    "response": (p.ipv4(_ANSWER), RESPONSE),
    "response behind options": (p.ipv4(_ANSWER, options=bytes(40)), RESPONSE),
    "response over tcp": (p.ipv4(_tcp(p.ACK, 53, 40_000), proto=6), RESPONSE),
    "syn-ack of a server": (p.ipv4(_tcp(p.SYN | p.ACK, 53, 40_000), proto=6), RESPONSE),
    "response's first fragment": (p.ipv4(_ANSWER, fragment=0x2000), RESPONSE),
    "response's later fragment": (p.ipv4(_ANSWER, fragment=0x2001), NOTHING),
    "response's last fragment": (p.ipv4(_ANSWER, fragment=0x00B9), NOTHING),
    "query": (p.ipv4(_QUESTION, src=p.CLIENT, dst=p.RESOLVER), QUERY),
    "query over tcp": (p.ipv4(_tcp(p.ACK, 40_000, 53), proto=6), QUERY),
    "opening to a server": (p.ipv4(_tcp(p.SYN, 40_000, 53), proto=6), QUERY),
    "opening": (p.ipv4(_tcp(p.SYN), proto=6), OPENING),
    "opening with ecn": (p.ipv4(_tcp(ECN_SYN), proto=6), OPENING),
    "opening accepted": (p.ipv4(_tcp(p.SYN | p.ACK), proto=6), NOTHING),
    "opening from loopback": (p.ipv4(_tcp(p.SYN), proto=6, src="127.1.2.3"), NOTHING),
    "established": (p.ipv4(_tcp(p.ACK), proto=6), NOTHING),
    "reset": (p.ipv4(_tcp(p.RST), proto=6), NOTHING),
    "other port": (p.ipv4(p.udp(b"x", src_port=5353, dst_port=5353)), NOTHING),
    "port 53 in icmp": (p.ipv4(_ANSWER, proto=1), NOTHING),
    "sctp": (p.ipv4(_ANSWER, proto=132), NOTHING),
    "ends before its ports": (p.ipv4(_ANSWER)[:21], NOTHING),
    "ends before its flags": (p.ipv4(_tcp(p.SYN), proto=6)[:33], NOTHING),
    "ends in its header": (p.ipv4(_ANSWER)[:9], NOTHING),
    "response, ipv6": (p.ipv6(_ANSWER), RESPONSE),
    "response over tcp, ipv6": (p.ipv6(_tcp(p.ACK, 53, 40_000), header=6), RESPONSE),
    "query, ipv6": (p.ipv6(_QUESTION), QUERY),
    "opening, ipv6": (p.ipv6(_tcp(p.SYN), header=6), OPENING),
    "opening with ecn, ipv6": (p.ipv6(_tcp(ECN_SYN), header=6), OPENING),
    "opening accepted, ipv6": (p.ipv6(_tcp(p.SYN | p.ACK), header=6), NOTHING),
    "opening from loopback, ipv6": (p.ipv6(_tcp(p.SYN), header=6, src="::1"), NOTHING),
    "opening from near loopback, ipv6": (p.ipv6(_tcp(p.SYN), header=6, src="::2"), OPENING),
    "other port, ipv6": (p.ipv6(p.udp(b"x", src_port=443)), NOTHING),
    "neighbour discovery": (p.ipv6(_ANSWER, header=58), NOTHING),
    "one extension": (_extended(_DESTINATION), RESPONSE),
    "three extensions": (_extended(_HOP_BY_HOP, _DESTINATION, _ROUTING), RESPONSE),
    "query behind extensions": (_extended(_HOP_BY_HOP, _ROUTING, body=_QUESTION), QUERY),
    "opening behind extensions": (_extended(_ROUTING, body=_tcp(p.SYN), protocol=6), OPENING),
    "four extensions": (_extended(_HOP_BY_HOP, _DESTINATION, _ROUTING, _DESTINATION), NOT_FOLLOWED),
    "four extensions, then nothing": (_extended(*[_DESTINATION] * 4, protocol=_NO_NEXT), NOT_FOLLOWED),
    "three extensions, then nothing": (_extended(*[_DESTINATION] * 3, protocol=_NO_NEXT), NOTHING),
    "first fragment, ipv6": (_extended(_FRAGMENT), RESPONSE),
    "first fragment behind options": (_extended(_HOP_BY_HOP, _FRAGMENT, _DESTINATION), RESPONSE),
    "later fragment, ipv6": (_extended(_FRAGMENT, fragment=0x00B9), NOTHING),
    "later fragment behind options": (_extended(_HOP_BY_HOP, _DESTINATION, _FRAGMENT, fragment=8), NOTHING),
    "ends within an extension": (_extended(_DESTINATION)[:41], NOTHING),
    "extension that lies about its length": (p.ipv6(bytes([17, 255]) + bytes(6) + _ANSWER, header=60), NOTHING),
}


def _protocol(packet: bytes) -> int:
    return IPV4 if packet[0] >> 4 == 4 else IPV6


def _tagged(packet: bytes) -> bytes:
    """Return what follows the ethertype of a tag: the rest of the tag, then the packet."""
    return struct.pack("!HH", 0x2007, _protocol(packet)) + packet


CORPUS: dict[str, tuple[int, bytes, str]] = {
    **{name: (_protocol(packet), packet, kind) for name, (packet, kind) in _PACKETS.items()},
    **{f"{name}, tagged": (VLAN, _tagged(packet), kind) for name, (packet, kind) in _PACKETS.items()},
    **{
        f"{name}, tagged twice": (SERVICE_VLAN, struct.pack("!HH", 5, VLAN) + _tagged(packet), kind)
        for name, (packet, kind) in _PACKETS.items()
    },
    "tagged thrice": (VLAN, struct.pack("!HHHH", 5, VLAN, 5, VLAN) + _tagged(p.ipv4(_ANSWER)), NOTHING),
    "tagged, other protocol": (VLAN, struct.pack("!HH", 5, ARP) + p.ipv4(_ANSWER), NOTHING),
    "ends within its tag": (VLAN, b"\0\7\x08", NOTHING),
    "arp": (ARP, p.ipv4(_ANSWER), NOTHING),
    "empty": (IPV4, b"", NOTHING),
}
"""By name: `SKF_AD_PROTOCOL`, the data of a cooked socket, and what it is to the filter. For what comes in: of its tags
the kernel has taken off the outermost, so the first one here is an inner one."""

PUSHED: dict[str, tuple[int, bytes, str]] = {
    f"{name}, going out with a tag": (VLAN, packet, kind)
    for name, (packet, kind) in _PACKETS.items()
    if len(packet) > 9
}
"""What goes out through a device that does not add tags itself: the tag is in band, data starts behind it."""
