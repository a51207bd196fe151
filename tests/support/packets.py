"""Builds DNS messages, packets, frames and capture files byte by byte, good ones and hostile ones, and batches.

Run as a module, it writes the hostile messages to tests/data/vectors.
"""

import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from grapevine.capture.counters import Reason
from grapevine.capture.frames import Packet, locate, parse_network
from grapevine.capture.intake import Intake
from grapevine.model.observation import ConnObservation, DnsObservation
from grapevine.wire.schema import Batch, BatchHeader, Hearing

VECTORS = Path(__file__).parents[1] / "data" / "vectors"

A, CNAME, NULL, TXT, AAAA, SRV = 1, 5, 10, 16, 28, 33
OUTGOING, OTHERHOST, HOST = 4, 3, 0
SYN, ACK, FIN, RST, PSH = 0x02, 0x10, 0x01, 0x04, 0x08

RESOLVER, COREDNS, CLIENT = "10.96.0.10", "10.244.0.32", "10.244.0.37"

Record = tuple[bytes, int, bytes]
"""Owner name on the wire, type, data."""


def encode_name(name: str) -> bytes:
    """Return a name on the wire, uncompressed."""
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def a_record(address: str, owner: bytes = b"\xc0\x0c") -> Record:
    """Return an A or AAAA record; the owner is the question's name by default."""
    if ":" in address:
        return owner, AAAA, socket.inet_pton(socket.AF_INET6, address)
    return owner, A, socket.inet_aton(address)


def cname_record(target: str, owner: bytes = b"\xc0\x0c") -> Record:
    return owner, CNAME, encode_name(target)


def encode_record(record: Record, rclass: int = 1) -> bytes:
    owner, rtype, data = record
    return owner + struct.pack("!HHIH", rtype, rclass, 30, len(data)) + data


def dns_response(
    qname: str | bytes = "www.example.com",
    qtype: int = A,
    records: Sequence[Record] = (),
    *,
    transaction_id: int = 0x1234,
    flags: int = 0x8180,
    questions: int = 1,
    qclass: int = 1,
    answers: int | None = None,
) -> bytes:
    """Return a DNS message; `answers` overrides the number of records its header claims."""
    name = encode_name(qname) if isinstance(qname, str) else qname
    count = len(records) if answers is None else answers
    header = struct.pack("!HHHHHH", transaction_id, flags, questions, count, 0, 0)
    return header + name + struct.pack("!HH", qtype, qclass) + b"".join(encode_record(r) for r in records)


def udp(payload: bytes, *, src_port: int = 53, dst_port: int = 40_000) -> bytes:
    """Return a UDP datagram."""
    return struct.pack("!HHHH", src_port, dst_port, 8 + len(payload), 0) + payload


def tcp(payload: bytes, *, seq: int = 1, flags: int = ACK, src_port: int = 53, dst_port: int = 40_000) -> bytes:
    """Return a TCP segment."""
    return struct.pack("!HHIIBBHHH", src_port, dst_port, seq & 0xFFFFFFFF, 0, 5 << 4, flags, 1_024, 0, 0) + payload


def ipv4(
    body: bytes, *, src: str = RESOLVER, dst: str = CLIENT, proto: int = 17, options: bytes = b"", fragment: int = 0
) -> bytes:
    """Return an IPv4 packet; `fragment` is the field of flags and offset."""
    length = 20 + len(options) + len(body)
    header = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, length, 0, fragment, 64, proto, 0)
    return header + socket.inet_aton(src) + socket.inet_aton(dst) + options + body


def ipv6(body: bytes, *, src: str = "fd00::a", dst: str = "fd00::37", header: int = 17) -> bytes:
    """Return an IPv6 packet; `body` begins with the extension headers, if any."""
    fixed = struct.pack("!IHBB", 6 << 28, len(body), header, 64)
    return fixed + socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + body


def ethernet(packet: bytes, *, vlans: Iterable[int] = ()) -> bytes:
    """Return an Ethernet frame with a tag for each of `vlans`."""
    tags = b"".join(struct.pack("!HH", 0x8100, vlan) for vlan in vlans)
    return bytes(12) + tags + struct.pack("!H", _ethertype(packet)) + packet


def cooked_v1(packet: bytes, *, direction: int = OUTGOING) -> bytes:
    return struct.pack("!HHH8xH", direction, 1, 6, _ethertype(packet)) + packet


def cooked_v2(packet: bytes, *, direction: int = OUTGOING) -> bytes:
    return struct.pack("!HHIHBB8x", _ethertype(packet), 0, 7, 1, direction, 6) + packet


def pcap(
    frames: Iterable[tuple[int, bytes]], *, linktype: int = 276, order: str = "<", nanoseconds: bool = False
) -> bytes:
    """Return a classic capture file of frames with their times in milliseconds."""
    magic, per_ms = (0xA1B23C4D, 1_000_000) if nanoseconds else (0xA1B2C3D4, 1_000)
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262_144, linktype)]
    for time_ms, frame in frames:
        seconds, ms = divmod(time_ms, 1_000)
        parts.append(struct.pack(order + "IIII", seconds, ms * per_ms, len(frame), len(frame)) + frame)
    return b"".join(parts)


def pcapng_block(kind: int, body: bytes, order: str = "<") -> bytes:
    padded = body + bytes(-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(padded))
    return struct.pack(order + "I", kind) + length + padded + length


def pcapng_section(order: str = "<") -> bytes:
    return pcapng_block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def pcapng_interface(linktype: int, order: str = "<", *, tsresol: int | None = None, snap_bytes: int = 0) -> bytes:
    option = b"" if tsresol is None else struct.pack(order + "HHB3x", 9, 1, tsresol) + bytes(4)
    return pcapng_block(1, struct.pack(order + "HHI", linktype, 0, snap_bytes) + option, order)


def pcapng_packet(interface: int, ticks: int, frame: bytes, order: str = "<") -> bytes:
    fixed = struct.pack(order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return pcapng_block(6, fixed + frame, order)


def pcapng_simple_packet(frame: bytes, order: str = "<") -> bytes:
    return pcapng_block(3, struct.pack(order + "I", len(frame)) + frame, order)


def parse_frame(linktype: int, frame: bytes) -> Packet | Reason:
    """Return what a frame of a link layer carries."""
    start, ethertype, direction = locate(linktype, frame)
    return parse_network(frame, start, len(frame), ethertype, direction)


def hear(intake: Intake, frame: bytes, time_ms: int, linktype: int = 276) -> None:
    """Give a frame of a link layer to an intake."""
    start, ethertype, direction = locate(linktype, frame)
    intake.frame(frame, start, len(frame), ethertype, direction, time_ms)


RING_HEADER_BYTES = 48
"""Of a block: `struct tpacket_block_desc`, linux/if_packet.h."""


def ring_block(
    frames: Iterable[tuple[bytes, int, int, int, int]], header_bytes: int = RING_HEADER_BYTES
) -> tuple[bytes, int]:
    """Return a block of a packet ring as the kernel writes it, header included, and the number of frames in it.

    Of a frame: octets from the network header on, ethertype, packet type, interface, nanoseconds since the epoch.
    """
    made = list(frames)
    body = bytearray(header_bytes)
    for data, ethertype, direction, interface, time_ns in made:
        offset = 96  # header 48, address 20, both aligned, 16 more
        step = (offset + len(data) + 15) // 16 * 16
        seconds, ns = divmod(time_ns, 1_000_000_000)
        header = struct.pack("6I2H", step, seconds, ns, len(data), len(data), 0, offset, offset)
        address = struct.pack("HHiHBB8x", 17, socket.htons(ethertype), interface, 1, direction, 6)
        body += (header.ljust(48, b"\0") + address).ljust(offset, b"\0") + data.ljust(step - offset, b"\0")
    return bytes(body), len(made)


def pointer_chain(length: int = 1_500) -> bytes:
    """Return a response whose second answer's owner is a chain of pointers, each to the one before it."""
    start = 12 + 5 + 11  # header, question of the root, first record up to its data
    chain = b"\0\0" + b"".join(struct.pack("!H", 0xC000 | start + 2 * i) for i in range(length))
    last = struct.pack("!H", 0xC000 | start + 2 * length)
    return dns_response(".", A, [(b"\0", NULL, chain), a_record("192.0.2.1", last)])


def pointer_cycle() -> bytes:
    """Return a response with two pointers that lead to each other, one of them hidden within a label of 63 octets.

    dnslib lets a pointer lead to anywhere before its own end, and looks for loops one pointer back. The hidden pointer
    must read as UTF-8: C2 80 does, and leads to 0x280.
    """
    data_start, outer, inner = 12 + 5 + 11, 0x280, 0x281
    hidden = b"\x01a" + struct.pack("!H", 0xC000 | outer)
    label = bytes([63]) + hidden.ljust(63, b"x")
    data = bytes(outer - data_start) + label + struct.pack("!H", 0xC000 | inner)
    return dns_response(".", A, [(b"\0", NULL, data), a_record("192.0.2.1", struct.pack("!H", 0xC000 | outer))])


def label_bomb() -> bytes:
    """Return 64 KiB in which every record's owner is the same longest name, 127 labels behind a pointer."""
    name = b"\x01a" * 126 + b"\0"
    record = encode_record(a_record("192.0.2.1"))
    return dns_response(name, A, answers=(65_000 - 270) // len(record)) + record * ((65_000 - 270) // len(record))


def cname_bomb() -> bytes:
    """Return 64 KiB of CNAME records whose owners and targets are 126 labels behind pointers."""
    name = b"\x01a" * 126 + b"\0"
    record = encode_record((b"\xc0\x0c", CNAME, b"\xc0\x0c"))
    return dns_response(name, A, answers=(65_000 - 270) // len(record)) + record * ((65_000 - 270) // len(record))


HOSTILE = {
    "pointer-chain": pointer_chain,
    "pointer-cycle": pointer_cycle,
    "label-bomb": label_bomb,
    "cname-bomb": cname_bomb,
}
"""Messages that break a naive parser, by name of their file in `VECTORS`."""


def an_observation(**fields: Any) -> DnsObservation:
    """Return an observation with the given fields."""
    usual = DnsObservation(
        first_ms=1_000,
        last_ms=1_000,
        count=1,
        client_ip=CLIENT,
        resolver_ip=RESOLVER,
        qname="www.example.com",
        qtype="A",
        rcode="NOERROR",
        answers=("192.0.2.1",),
        cnames=(),
        transport="udp",
        source="pcap",
    )
    return replace(usual, **fields)


def a_connection(**fields: Any) -> ConnObservation:
    """Return a connection to a Service's address with the given fields."""
    usual = ConnObservation(
        first_ms=1_000,
        last_ms=1_000,
        count=1,
        client_ip=CLIENT,
        dst_ip="10.96.0.1",
        dst_port=80,
        proto="tcp",
        source="packet",
    )
    return replace(usual, **fields)


def a_batch(seq: int = 1, observations: int = 1, **fields: Any) -> Batch:
    """Return a batch of usual observations; `fields` are its header's."""
    usual = BatchHeader("stream", seq, 1, "node-1", 1_000, Hearing(("packet",), 1), (), {"frames": seq})
    return Batch(replace(usual, **fields), (an_observation(),) * observations)


def _ethertype(packet: bytes) -> int:
    return 0x86DD if packet[0] >> 4 == 6 else 0x0800


if __name__ == "__main__":
    VECTORS.mkdir(parents=True, exist_ok=True)
    for vector, build in HOSTILE.items():
        (VECTORS / f"{vector}.bin").write_bytes(build())
