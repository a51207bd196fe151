import pytest
from tests.support import packets as p

from grapevine.capture.counters import Reason
from grapevine.capture.frames import (
    DIRECTION_UNKNOWN,
    SUPPORTED_LINKTYPES,
    TCP,
    UDP,
    Packet,
    parse_network,
)

PAYLOAD = b"payload"
DATAGRAM4 = p.ipv4(p.udp(PAYLOAD))
DATAGRAM6 = p.ipv6(p.udp(PAYLOAD))


def packet(linktype: int, frame: bytes) -> Packet:
    parsed = p.parse_frame(linktype, frame)
    assert isinstance(parsed, Packet), parsed
    return parsed


@pytest.mark.parametrize(
    ("linktype", "frame", "direction"),
    [
        (1, p.ethernet(DATAGRAM4), DIRECTION_UNKNOWN),
        (1, p.ethernet(DATAGRAM4, vlans=[7]), DIRECTION_UNKNOWN),
        (1, p.ethernet(DATAGRAM4, vlans=[7, 8]), DIRECTION_UNKNOWN),
        (1, p.ethernet(DATAGRAM4) + bytes(9), DIRECTION_UNKNOWN),
        (101, DATAGRAM4, DIRECTION_UNKNOWN),
        (228, DATAGRAM4, DIRECTION_UNKNOWN),
        (113, p.cooked_v1(DATAGRAM4), p.OUTGOING),
        (276, p.cooked_v2(DATAGRAM4, direction=p.OTHERHOST), p.OTHERHOST),
        (276, p.cooked_v2(p.ipv4(p.udp(PAYLOAD), options=bytes(8))), p.OUTGOING),
        (276, p.cooked_v2(p.ipv4(p.udp(PAYLOAD), fragment=0x4000)), p.OUTGOING),
    ],
    ids=["ethernet", "vlan", "two-vlans", "padding", "raw", "ipv4", "cooked-v1", "cooked-v2", "options", "df"],
)
def test_finds_the_datagram_in_every_link_layer(linktype: int, frame: bytes, direction: int) -> None:
    expected = Packet(UDP, b"\x0a\x60\x00\x0a", b"\x0a\xf4\x00\x25", 53, 40_000, PAYLOAD, False, direction, 0, 0)
    assert packet(linktype, frame) == expected


VLAN, INNER_TAG = 0x8100, b"\x20\x07"


@pytest.mark.parametrize("datagram", [DATAGRAM4, DATAGRAM6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("direction", [p.HOST, p.OUTGOING])
def test_finds_the_datagram_behind_tags_however_the_kernel_shows_them(datagram: bytes, direction: int) -> None:
    own = 0x0800 if datagram is DATAGRAM4 else 0x86DD
    tagged = INNER_TAG + own.to_bytes(2, "big") + datagram
    tagged_twice = INNER_TAG + VLAN.to_bytes(2, "big") + tagged
    for ethertype, data in [
        (VLAN, tagged),
        (own, tagged),
        (VLAN, datagram),
        (0x88A8, tagged_twice),
        (own, tagged_twice),
    ]:
        found = parse_network(b"x" + data, 1, 1 + len(data), ethertype, direction)
        assert isinstance(found, Packet), (ethertype, data)
        assert (found.src_port, found.payload) == (53, PAYLOAD)


def test_arp_names_ipv4_but_is_none() -> None:
    arp = bytes.fromhex("0001080006040001") + bytes(20)
    assert parse_network(arp, 0, len(arp), 0x0806, p.HOST) is Reason.NOT_IP
    assert parse_network(INNER_TAG + b"\x08\x06" + arp, 0, 4 + len(arp), VLAN, p.HOST) is Reason.NOT_IP


@pytest.mark.parametrize(
    "frame",
    [
        p.ethernet(DATAGRAM6),
        p.ethernet(p.ipv6(b"\x11\x00" + bytes(6) + p.udp(PAYLOAD), header=0)),
        p.ethernet(p.ipv6(b"\x2b\x01" + bytes(14) + b"\x11\x00" + bytes(6) + p.udp(PAYLOAD), header=60)),
        p.ethernet(p.ipv6(b"\x11\x00\x00\x01" + bytes(4) + p.udp(PAYLOAD), header=44)),
    ],
    ids=["plain", "hop-by-hop", "destination-routing", "first-fragment"],
)
def test_follows_ipv6_extension_headers(frame: bytes) -> None:
    found = packet(1, frame)
    assert (found.dst_port, found.payload, len(found.src)) == (40_000, PAYLOAD, 16)


def test_reads_raw_ipv6() -> None:
    assert packet(229, DATAGRAM6).payload == PAYLOAD


def test_reads_a_tcp_segment() -> None:
    found = packet(1, p.ethernet(p.ipv4(p.tcp(PAYLOAD, seq=77, flags=p.PSH | p.ACK), proto=6)))
    assert (found.proto, found.seq, found.flags, found.payload) == (TCP, 77, p.PSH | p.ACK, PAYLOAD)


def test_uses_the_first_fragment_and_says_that_it_is_cut() -> None:
    first = p.ipv4(p.udp(PAYLOAD * 3)[:20], fragment=0x2000)
    found = packet(1, p.ethernet(first))
    assert (found.payload, found.is_cut) == ((PAYLOAD * 3)[:12], True)


def test_uses_what_the_snap_length_left() -> None:
    found = packet(1, p.ethernet(DATAGRAM4)[:-3])
    assert (found.payload, found.is_cut) == (PAYLOAD[:-3], True)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", Reason.SHORT_FRAME),
        (p.ethernet(DATAGRAM4)[:13], Reason.SHORT_FRAME),
        (p.ethernet(DATAGRAM4)[:30], Reason.SHORT_FRAME),
        (p.ethernet(DATAGRAM4)[:38], Reason.SHORT_FRAME),
        (p.ethernet(DATAGRAM6)[:50], Reason.SHORT_FRAME),
        (p.ethernet(DATAGRAM4, vlans=[7])[:17], Reason.SHORT_FRAME),
        (p.ethernet(DATAGRAM4, vlans=[7, 8, 9]), Reason.NOT_IP),
        (bytes(12) + b"\x08\x06" + bytes(28), Reason.NOT_IP),
        (p.ethernet(p.ipv4(p.udp(PAYLOAD), fragment=5)), Reason.LATER_FRAGMENT),
        (p.ethernet(p.ipv6(b"\x11\x00\x00\x08" + bytes(4) + PAYLOAD, header=44)), Reason.LATER_FRAGMENT),
        (p.ethernet(p.ipv4(b"\x08" + bytes(7), proto=1)), Reason.NOT_UDP_TCP),
        (p.ethernet(p.ipv6(b"\x80" + bytes(7), header=58)), Reason.NOT_UDP_TCP),
        (p.ethernet(p.ipv6(bytes(8 * 9), header=0)), Reason.NOT_UDP_TCP),
        (p.ethernet(p.ipv4(p.tcp(b"")[:12] + b"\xf0" + bytes(7), proto=6)), Reason.SHORT_FRAME),
    ],
)
def test_counts_what_it_cannot_use(frame: bytes, reason: Reason) -> None:
    assert p.parse_frame(1, frame) is reason


@pytest.mark.parametrize("linktype", sorted(SUPPORTED_LINKTYPES))
def test_every_prefix_of_a_frame_gives_a_packet_or_a_reason(linktype: int) -> None:
    wrap = {1: p.ethernet, 113: p.cooked_v1, 276: p.cooked_v2}.get(linktype, bytes)
    for inner in (DATAGRAM4, DATAGRAM6, p.ipv4(p.tcp(PAYLOAD), proto=6)):
        frame = wrap(inner)
        assert all(isinstance(p.parse_frame(linktype, frame[:n]), Packet | Reason) for n in range(len(frame)))
