import struct

import pytest
from tests.support import packets as p
from tests.support.bpf import CORPUS, IPV4, IPV6, NOT_FOLLOWED, NOTHING, OPENING, PUSHED, QUERY, RESPONSE, run

from grapevine.capture.sources.bpf import (
    MAX_HOST_ADDRESSES,
    MAX_SLOTS,
    OPENING_BYTES,
    Line,
    Slot,
    Wanted,
    assemble,
    empty_filter,
    encode,
    wanted_filter,
)

WHOLE = 0xFFFF
ALL = wanted_filter(Wanted())
PASSED_BYTES = {RESPONSE: WHOLE, QUERY: WHOLE, NOT_FOLLOWED: WHOLE, OPENING: OPENING_BYTES, NOTHING: 0}
CASES = {**CORPUS, **PUSHED}


@pytest.mark.parametrize("name", CASES)
def test_passes_what_is_wanted_and_nothing_else(name: str) -> None:
    protocol, packet, kind = CASES[name]
    assert run(ALL, packet, protocol) == PASSED_BYTES[kind]


@pytest.mark.parametrize("name", CASES)
def test_passes_responses_alone_where_nothing_else_is_wanted(name: str) -> None:
    protocol, packet, kind = CASES[name]
    program = wanted_filter(Wanted(queries=None, openings=None))
    assert run(program, packet, protocol) == (WHOLE if kind in (RESPONSE, NOT_FOLLOWED) else 0)


POD_ANSWERS = p.ipv4(p.udp(b"x"), dst="192.0.2.7"), p.ipv6(p.udp(b"x"), dst="2001:db8::7")
NODE_ANSWERS = p.ipv4(p.udp(b"x"), dst="192.0.2.1"), p.ipv6(p.udp(b"x"), dst="2001:db8::1")
ASKED = {"src_port": 40_000, "dst_port": 53}
POD_QUESTIONS = p.ipv4(p.udp(b"x", **ASKED), src="192.0.2.7"), p.ipv6(p.udp(b"x", **ASKED), src="2001:db8::7")
NODE_QUESTIONS = p.ipv4(p.udp(b"x", **ASKED), src="192.0.2.1"), p.ipv6(p.udp(b"x", **ASKED), src="2001:db8::1")
DIALLED = {"src_port": 40_000, "dst_port": 443, "flags": p.SYN}
POD_OPENINGS = (
    p.ipv4(p.tcp(b"", **DIALLED), src="192.0.2.7", proto=6),
    p.ipv6(p.tcp(b"", **DIALLED), src="2001:db8::7", header=6),
)
NODE_OPENINGS = (
    p.ipv4(p.tcp(b"", **DIALLED), src="192.0.2.1", proto=6),
    p.ipv6(p.tcp(b"", **DIALLED), src="2001:db8::1", header=6),
)
NODE_ADDRESSES = (
    bytes([192, 0, 2, 9]),
    bytes([192, 0, 2, 1]),
    bytes.fromhex("20010db8000000000000000000000009"),
    bytes.fromhex("20010db8000000000000000000000001"),
)
LEFT_OUT = (Slot(3, p.OTHERHOST), Slot(4, p.HOST))


@pytest.mark.parametrize(
    ("wanted", "of_pods", "of_the_node"),
    [
        (Wanted(responses=LEFT_OUT, host_addresses=NODE_ADDRESSES), POD_ANSWERS, NODE_ANSWERS),
        (Wanted(queries=LEFT_OUT, host_addresses=NODE_ADDRESSES), POD_QUESTIONS, NODE_QUESTIONS),
        (Wanted(openings=LEFT_OUT, host_addresses=NODE_ADDRESSES), POD_OPENINGS, NODE_OPENINGS),
    ],
)
def test_leaves_out_slots_but_for_the_nodes_own(
    wanted: Wanted, of_pods: tuple[bytes, ...], of_the_node: tuple[bytes, ...]
) -> None:
    program = wanted_filter(wanted)
    seen = [(interface, direction) for interface in (2, 3, 4) for direction in (p.HOST, p.OTHERHOST, p.OUTGOING)]

    def passed(packet: bytes) -> set[tuple[int, int]]:
        protocol = IPV4 if packet[0] >> 4 == 4 else IPV6
        return {(i, d) for i, d in seen if run(program, packet, protocol, interface=i, direction=d)}

    for packet in of_pods:
        assert passed(packet) == set(seen) - set(LEFT_OUT)
    for packet in of_the_node:
        assert passed(packet) == set(seen)


def test_a_kind_has_slots_of_its_own() -> None:
    program = wanted_filter(Wanted(responses=LEFT_OUT))
    for packet in (*POD_QUESTIONS, *POD_OPENINGS):
        protocol = IPV4 if packet[0] >> 4 == 4 else IPV6
        assert run(program, packet, protocol, interface=3, direction=p.OTHERHOST)


def test_the_largest_filter_has_no_jump_too_far() -> None:
    addresses = tuple(bytes(15) + bytes([i]) for i in range(MAX_HOST_ADDRESSES))
    slots = tuple(Slot(i, p.HOST) for i in range(MAX_SLOTS))
    program = wanted_filter(Wanted(slots, slots, slots, addresses))
    assert len(encode(program)) == 8 * len(program)  # a jump's octet holds it
    assert len(program) < 4_096  # BPF_MAXINSNS
    for name, (protocol, packet, kind) in CASES.items():
        assert run(program, packet, protocol, interface=99) == PASSED_BYTES[kind], name


def test_a_far_jump_goes_by_way_of_others() -> None:
    lines = [
        Line("", 0x30, 0),
        Line("", 0x15, 1, "far", ""),
        *(Line("", 0x04, 0) for _ in range(300)),
        Line("", 0x15, 2, "", "far"),
        *(Line("", 0x04, 0) for _ in range(300)),
        Line("", 0x06, 7),
        Line("far", 0x06, 9),
    ]
    program = assemble(lines)
    assert encode(program)
    assert [run(program, bytes([first]), IPV4) for first in (1, 2, 3)] == [9, 7, 9]


def test_the_empty_filter_passes_nothing() -> None:
    assert run(empty_filter(), p.ipv4(p.udp(b"x")), IPV4) == 0


def test_encodes_eight_bytes_an_instruction() -> None:
    assert encode(empty_filter()) == struct.pack("HBBI", 6, 0, 0, 0)
