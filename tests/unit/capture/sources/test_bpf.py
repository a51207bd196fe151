import struct

import pytest
from tests.support import packets as p

from grapevine.capture.sources.bpf import Instruction, dns_filter, empty_filter, encode

DNS4, DNS6 = p.ipv4(p.udp(b"x")), p.ipv6(p.udp(b"x"))


def passes(program: tuple[Instruction, ...], packet: bytes, ethertype: int) -> bool:
    """Run a classic BPF program as the kernel would: a load beyond the packet rejects."""
    accumulator = index = at = 0
    while True:
        code, if_true, if_false, k = program[at]
        at += 1
        if code == 0x06:
            return k > 0
        if code == 0x15:
            at += if_true if accumulator == k else if_false
        elif code == 0x45:
            at += if_true if accumulator & k else if_false
        elif code == 0x28 and k == 0xFFFFF000:
            accumulator = ethertype
        elif code == 0xB1:
            index = 4 * (packet[k] & 15)
        else:
            size, start = (1, k) if code == 0x30 else (2, k + (index if code == 0x48 else 0))
            if len(packet) < start + size:
                return False
            accumulator = int.from_bytes(packet[start : start + size], "big")


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (DNS4, True),
        (p.ipv4(p.udp(b"x"), options=bytes(12)), True),
        (p.ipv4(p.tcp(b""), proto=6), True),
        (p.ipv4(p.udp(b"x"), fragment=0x2000), True),
        (p.ipv4(p.udp(b"x"), fragment=0x2001), False),
        (p.ipv4(p.udp(b"x", src_port=40_000, dst_port=53)), False),
        (p.ipv4(p.tcp(b"", src_port=443), proto=6), False),
        (p.ipv4(b"\x08\x00\x00\x35" + bytes(4), proto=1), False),
        (DNS4[:21], False),
        (DNS6, True),
        (p.ipv6(p.tcp(b""), header=6), True),
        (p.ipv6(p.udp(b"x", src_port=5353)), False),
        (p.ipv6(b"\x11\x00" + bytes(6) + p.udp(b"x"), header=0), True),
        (p.ipv6(bytes(8), header=43), True),
        (p.ipv6(bytes(8), header=44), True),
        (p.ipv6(bytes(8), header=60), True),
        (p.ipv6(b"\x00\x35\x00\x35" + bytes(4), header=58), False),
    ],
)
def test_passes_what_comes_from_port_53(packet: bytes, expected: bool) -> None:
    assert passes(dns_filter(), packet, 0x86DD if packet[0] >> 4 == 6 else 0x0800) is expected


def test_passes_no_other_protocol() -> None:
    assert not passes(dns_filter(), DNS4, 0x0806)
    assert not passes(empty_filter(), DNS4, 0x0800)


def test_encodes_eight_bytes_an_instruction() -> None:
    assert encode(empty_filter()) == struct.pack("HBBI", 6, 0, 0, 0)
    assert len(encode(dns_filter())) == 8 * len(dns_filter())
