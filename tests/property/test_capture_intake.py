"""The way of a frame through capture gives what the plainest way would: decode each, fold, match, sum up."""

import socket
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import packets as p

from grapevine.capture.blocks import PADDING, walk
from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import find_fault, parse_response
from grapevine.capture.frames import TCP, Packet, parse_network
from grapevine.capture.intake import Intake, Matching
from grapevine.model.observation import DnsObservation, Observation

COPIES_MS = 20
"""Copies of a packet come within this."""
AGAIN_MS = 600
"""After this the same client may use the same port, id and question again."""
WAITS_MS = 16_000
"""So long a query that no response has used may still let one in."""

NAMES = ["www.example.com", "www.example.com", "wWw.exAMple.com", "a"]
CLIENTS = ["10.244.0.37", "10.244.0.37", "10.244.0.38", "fd00::37"]
OPT = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
SOA_DATA = b"\xc0\x10" * 2 + bytes(20)
NETWORK = {4: (p.RESOLVER, p.COREDNS), 6: ("fd00::a", "fd00::b")}


@dataclass(frozen=True)
class Exchange:
    """A query and its response, as they go over the wire."""

    gap_ms: int
    client: str
    port: int
    transaction_id: int
    name: str
    kind: str
    ttl: int
    pool: int
    """Which addresses it is answered with."""
    order: int
    has_edns: bool
    query_copies: int
    answer_after_ms: int | None
    copies: tuple[tuple[bool, int, int], ...]
    """Of the response: from the server itself or from the Service, direction, ms after the one before."""
    wrapping: str
    cut: int


GAPS_MS = [0, 0, 1, 30, 99, 101, 700, 1_500]
KINDS = ["a", "a", "a", "chain", "chain", "aaaa", "nxdomain", "nodata", "truncated", "bad", "class", "opcode", "tcp"]
ANSWERED_MS = [0, 0, 0, 1, 90, 210, 3_000, None]
DIRECTIONS = [-1, 0, 3, 4, 4]
WRAPPINGS = ["", "", "", "", "", "vlan", "two vlans", "headers", "padding"]
CUTS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 16, 40]

exchanges = st.builds(
    Exchange,
    gap_ms=st.sampled_from([*GAPS_MS, 20_000]),
    client=st.sampled_from(CLIENTS),
    port=st.sampled_from([40_000, 40_001, 53]),
    transaction_id=st.integers(0, 2),
    name=st.sampled_from(NAMES),
    kind=st.sampled_from(KINDS),
    ttl=st.integers(0, 3),
    pool=st.sampled_from([1, 2]),
    order=st.integers(0, 2),
    has_edns=st.booleans(),
    query_copies=st.sampled_from([1, 2, 3, 0]),
    answer_after_ms=st.sampled_from(ANSWERED_MS),
    copies=st.lists(
        st.tuples(st.booleans(), st.sampled_from(DIRECTIONS), st.sampled_from([0, 0, 5])), min_size=1, max_size=3
    ).map(tuple),
    wrapping=st.sampled_from(WRAPPINGS),
    cut=st.sampled_from(CUTS),
)


def busy_client(seed: int, number: int) -> list[Exchange]:
    """Return many exchanges that repeat each other but for one thing or another."""
    choose = Random(seed).choice
    return [
        Exchange(
            gap_ms=choose([*GAPS_MS, 0, 1, 1, 1]),
            client=choose(CLIENTS),
            port=choose([40_000, 40_001, 40_002, 40_003]),
            transaction_id=choose(range(60)),
            name=choose(NAMES),
            kind=choose(KINDS),
            ttl=choose(range(4)),
            pool=choose([1, 1, 1, 2]),
            order=choose(range(3)),
            has_edns=choose([True, False]),
            query_copies=choose([1, 1, 2, 3, 0]),
            answer_after_ms=choose(ANSWERED_MS),
            copies=choose(
                [((False, 4, 0),), ((True, 3, 0), (False, 4, 0)), ((True, 4, 5), (False, 0, 0), (False, 4, 5))]
            ),
            wrapping=choose(WRAPPINGS),
            cut=choose(CUTS),
        )
        for _ in range(number)
    ]


Frame = tuple[int, bytes, int, int]
"""Time, octets from the network header on, ethertype, direction."""


def message(exchange: Exchange, flags: int) -> bytes:
    """Return the response, or the query where `flags` have no QR."""
    e = exchange
    qtype = p.AAAA if e.kind == "aaaa" else p.A
    question = p.encode_name(e.name) + struct.pack("!HH", qtype, 3 if e.kind == "class" else 1)
    records: list[bytes] = []
    authority = b""
    if flags & 0x8000:
        if e.kind in ("a", "bad", "tcp"):
            records = [record(b"\xc0\x0c", p.A, socket.inet_aton(f"192.0.{e.pool}.{i}"), e.ttl) for i in range(3)]
        elif e.kind == "aaaa":
            addresses = [socket.inet_pton(socket.AF_INET6, f"2001:db8::{e.pool}:{i}") for i in range(2)]
            records = [record(b"\xc0\x0c", p.AAAA, each, e.ttl + i) for i, each in enumerate(addresses)]
        elif e.kind == "nxdomain":
            authority = record(b"\xc0\x0c", 6, SOA_DATA, e.ttl)
        records = records[e.order :] + records[: e.order]
        if e.kind == "chain":
            target = 12 + len(question) + 12
            first = record(b"\xc0\x0c", p.CNAME, p.encode_name(f"edge-{e.pool}.example.net"), e.ttl)
            owner = struct.pack("!H", 0xC000 | target)
            rest = [record(owner, p.A, socket.inet_aton(f"192.0.{e.pool}.{i}"), e.ttl + i) for i in range(3)]
            records = [first, *rest[e.order :], *rest[: e.order]]
        if e.kind == "bad":
            records[-1] = records[-1][:-5] + b"\x07" + records[-1][-4:]
        if e.kind == "nxdomain":
            flags |= 3
        elif e.kind == "truncated":
            flags |= 0x0200
        elif e.kind == "opcode":
            flags |= 0x2000
    counts = struct.pack("!HHHH", 1, len(records), bool(authority), e.has_edns)
    header = struct.pack("!HH", e.transaction_id, flags) + counts
    return header + question + b"".join(records) + authority + OPT * e.has_edns


def record(owner: bytes, rtype: int, data: bytes, ttl: int) -> bytes:
    return owner + struct.pack("!HHIH", rtype, 1, ttl, len(data)) + data


def frame(
    exchange: Exchange, payload: bytes, src: tuple[str, int], dst: tuple[str, int], seq: int
) -> tuple[bytes, int]:
    """Return a packet and the ethertype before it."""
    wrapping, is_ipv6 = exchange.wrapping, ":" in exchange.client
    if exchange.kind == "tcp":
        payload = struct.pack("!H", len(payload)) + payload
        body = p.tcp(payload, seq=seq, flags=p.ACK | p.FIN, src_port=src[1], dst_port=dst[1])
    else:
        body = p.udp(payload, src_port=src[1], dst_port=dst[1])
    proto = 6 if exchange.kind == "tcp" else 17
    if is_ipv6:
        if wrapping == "headers":
            packet = p.ipv6(bytes([proto, 0]) + bytes(6) + body, src=src[0], dst=dst[0], header=60)
        else:
            packet = p.ipv6(body, src=src[0], dst=dst[0], header=proto)
    else:
        options = bytes(8) if wrapping == "headers" else b""
        packet = p.ipv4(body, src=src[0], dst=dst[0], proto=proto, options=options)
    ethertype = 0x86DD if is_ipv6 else 0x0800
    if wrapping == "padding":
        packet += bytes(7)
    for _ in range({"vlan": 1, "two vlans": 2}.get(wrapping, 0)):
        packet, ethertype = struct.pack("!HH", 7, ethertype) + packet, 0x8100
    return packet, ethertype


def frames_of(chosen: Sequence[Exchange]) -> list[Frame]:
    """Return the frames of the exchanges in the order of their times; leaves out what would be ambiguous by design."""
    made: list[tuple[int, Frame]] = []
    busy: dict[object, int] = {}
    now_ms = 1_000_000
    for number, e in enumerate(chosen):
        now_ms += e.gap_ms
        port = 41_000 + number if e.kind == "tcp" else e.port
        key = (e.client, port, e.transaction_id, e.name, e.kind in ("aaaa", "class") and e.kind)
        if busy.get(key, 0) > now_ms:
            continue
        service, server = NETWORK[6 if ":" in e.client else 4]
        client = (e.client, port)
        if e.kind == "tcp":  # within one flow a copy is a retransmission, which `streams` drops
            one_each = {copy[0]: copy for copy in e.copies}
            e = replace(e, cut=0, query_copies=min(e.query_copies, 2), copies=tuple(one_each.values()))
        for copy in range(e.query_copies):
            packet, ethertype = frame(e, message(e, 0x0100), client, ((service, server)[copy % 2], 53), 1)
            made.append((len(made), (now_ms, packet, ethertype, 0)))
        end_ms = now_ms + WAITS_MS
        if e.answer_after_ms is not None:
            at_ms = now_ms + e.answer_after_ms
            for from_server, direction, after_ms in e.copies:
                at_ms += after_ms
                source = (server if from_server else service, 53)
                packet, ethertype = frame(e, message(e, 0x8180), source, client, 1)
                packet = packet[: len(packet) - e.cut]
                made.append((len(made), (at_ms, packet, ethertype, direction)))
            is_used = e.query_copies and not e.cut and e.kind not in ("truncated", "class", "opcode")
            end_ms = at_ms + AGAIN_MS if is_used else end_ms
        busy[key] = end_ms
    return [each for _, each in sorted(made, key=lambda one: (one[1][0], one[0]))]


class Plain:
    """Decodes every message, then folds and matches by what it says; keeps all it ever saw."""

    def __init__(self) -> None:
        self.counted: Counter[Reason] = Counter()
        self.events: list[tuple[Packet, int, str, bytes]] = []
        self._asked: dict[object, int] = {}
        self._answered: dict[object, tuple[int, int]] = {}

    def frame(self, data: bytes, ethertype: int, direction: int, time_ms: int) -> None:
        packet = parse_network(data, 0, len(data), ethertype, direction)
        self.counted[Reason.FRAMES] += 1
        if isinstance(packet, Reason):
            self.counted[packet] += 1
            return
        self.counted[Reason.CUT_PAYLOAD] += packet.is_cut
        payload = packet.payload
        if packet.proto == TCP:
            self.counted[Reason.SEGMENTS] += 1
            payload = payload[2:]
        if packet.src_port != 53 or (packet.dst_port == 53 and len(payload) > 2 and not payload[2] & 0x80):
            if packet.src_port == 53:
                self.counted[Reason.MESSAGES] += 1
                self.counted[Reason.QUERY] += 1
            else:
                self.counted[Reason.QUERIES] += 1
            self._asked[self._key(packet.src, packet.src_port, packet.proto, payload)] = time_ms
            return
        self.counted[Reason.MESSAGES] += 1
        self._respond(packet, payload, time_ms)

    def _respond(self, packet: Packet, payload: bytes, time_ms: int) -> None:
        fault = find_fault(payload)
        if fault is not None:
            self.counted[fault] += 1
            return
        key = self._key(packet.dst, packet.dst_port, packet.proto, payload)
        first_ms, index = self._answered.get(key, (-AGAIN_MS, 0))
        is_copy = time_ms - first_ms <= 3 * COPIES_MS
        if not is_copy and time_ms - self._asked.get(key, -10_000) > 5_000:
            self.counted[Reason.UNSOLICITED] += 1
            return
        if is_copy and packet.direction != 4 and self.events[index][0].direction == 4:
            self.counted[Reason.FOLDED] += 1
            return
        response = parse_response(payload)
        if isinstance(response, Reason):
            self.counted[response] += 1
            return
        self.counted.update(response.notes)
        event = (packet, time_ms, "tcp" if packet.proto == TCP else "udp", payload)
        if is_copy:
            self.counted[Reason.FOLDED] += 1
            self.events[index] = event
            return
        del self._asked[key]
        self._answered[key] = (time_ms, len(self.events))
        self.events.append(event)
        self.counted[Reason.EVENTS] += 1

    @staticmethod
    def _key(client: bytes, port: int, proto: int, payload: bytes) -> object:
        end = payload.find(b"\0", 12) + 5
        return client, port, proto, payload[:2], payload[12:end] if 12 < end <= len(payload) else payload[12:]

    def sums(self) -> dict[object, tuple[int, int, int]]:
        found: dict[object, tuple[int, int, int]] = {}
        for packet, time_ms, transport, payload in self.events:
            r = parse_response(payload)
            assert not isinstance(r, Reason)
            key = (text(packet.dst), text(packet.src), r.qname, r.qtype, r.rcode, r.answers, r.cnames, transport)
            add(found, key, time_ms, time_ms, 1)
        return found


def text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def add(sums: dict[object, tuple[int, int, int]], key: object, first_ms: int, last_ms: int, count: int) -> None:
    first, last, number = sums.get(key, (first_ms, last_ms, 0))
    sums[key] = (min(first, first_ms), max(last, last_ms), number + count)


def sums_of(observations: Sequence[Observation]) -> dict[object, tuple[int, int, int]]:
    found: dict[object, tuple[int, int, int]] = {}
    for o in observations:
        assert isinstance(o, DnsObservation)
        key = (o.client_ip, o.resolver_ip, o.qname, o.qtype, o.rcode, o.answers, o.cnames, o.transport)
        add(found, key, o.first_ms, o.last_ms, o.count)
    return found


def check_blocks(
    chosen: Sequence[Exchange], block_frames: int, block_ms: int, lone_direction: int | None = None
) -> None:
    """As `check`, for frames in blocks of the ring of at most so many frames, and so much time."""
    plain, counters = Plain(), Counters()
    intake = Intake("packet", 1_000, counters, matching="on")
    intake.lone_direction = lone_direction
    frames = frames_of(chosen)
    while frames:
        time_ms = frames[0][0]
        fitting = [each for each in frames[:block_frames] if each[0] < time_ms + block_ms]
        frames = frames[len(fitting) :]
        content = [(data, ethertype, direction & 0xFF, 1, ms * 1_000_000) for ms, data, ethertype, direction in fitting]
        block, count = p.ring_block(content)
        block += PADDING
        for start, end, ethertype, direction, walked_ms, _ in walk(block, p.RING_HEADER_BYTES, count):
            plain.frame(block[start:end], ethertype, direction, walked_ms)
        intake.block(block, p.RING_HEADER_BYTES, count)
    compare(plain, intake, counters)


def check(chosen: Sequence[Exchange], offset: int, *, has_ticks: bool) -> None:
    plain, counters = Plain(), Counters()
    intake = Intake("packet", 1_000, counters, matching="on")
    for time_ms, data, ethertype, direction in frames_of(chosen):
        plain.frame(data, ethertype, direction, time_ms)
        block = bytes(offset) + data + bytes(offset)
        if has_ticks:
            intake.advance(time_ms)
        intake.frame(block, offset, offset + len(data), ethertype, direction, time_ms)
    compare(plain, intake, counters)


def compare(plain: Plain, intake: Intake, counters: Counters) -> None:
    intake.flush()
    assert sums_of([o for cut in intake.take() for o in cut]) == plain.sums()
    found = Counter({Reason(name): number for name, number in counters.snapshot().items()})
    # What has the id and question of another client's answer is taken for a copy behind masquerading
    for counted in (found, plain.counted):
        counted[Reason.FOLDED] += counted.pop(Reason.UNSOLICITED, 0)
    assert +found == +plain.counted


@given(st.lists(exchanges, max_size=30), st.integers(0, 40), st.booleans())
def test_gives_what_the_plainest_way_gives(chosen: list[Exchange], offset: int, has_ticks: bool) -> None:
    check(chosen, offset, has_ticks=has_ticks)


@pytest.mark.parametrize("seed", range(20))
def test_gives_what_the_plainest_way_gives_for_clients_that_repeat_themselves(seed: int) -> None:
    check(busy_client(seed, 400), seed, has_ticks=False)


@given(st.lists(exchanges, max_size=30), st.integers(1, 40), st.integers(1, 200))
def test_blocks_of_the_ring_give_what_the_plainest_way_gives(chosen: list[Exchange], frames: int, ms: int) -> None:
    check_blocks(chosen, frames, ms)


@pytest.mark.parametrize("seed", range(20))
def test_blocks_of_the_ring_give_it_for_clients_that_repeat_themselves(seed: int) -> None:
    check_blocks(busy_client(seed, 400), 1 + 7 * seed, 200)


def left_alone(chosen: Sequence[Exchange]) -> list[Exchange]:
    """Return the exchanges with one copy at most of each response in the direction OUTGOING."""
    return [
        replace(
            e, copies=(*(copy for copy in e.copies if copy[1] != 4), *[copy for copy in e.copies if copy[1] == 4][:1])
        )
        for e in chosen
    ]


@given(st.lists(exchanges, max_size=30), st.integers(1, 40), st.integers(1, 200))
def test_responses_without_copies_give_it_when_counted_at_once(chosen: list[Exchange], frames: int, ms: int) -> None:
    check_blocks(left_alone(chosen), frames, ms, lone_direction=4)


@pytest.mark.parametrize("seed", range(20))
def test_they_give_it_for_clients_that_repeat_themselves(seed: int) -> None:
    check_blocks(left_alone(busy_client(seed, 400)), 1 + 7 * seed, 200, lone_direction=4)


@pytest.mark.parametrize("matching", ["on", "off", "auto"])
def test_blocks_of_the_ring_give_what_single_frames_give(matching: Matching) -> None:
    told: list[object] = []
    frames = frames_of(busy_client(7, 300))
    for is_in_blocks in (False, True):
        counters = Counters()
        intake = Intake("packet", 1_000, counters, matching=matching)
        for time_ms, data, ethertype, direction in frames:
            if is_in_blocks:
                block, count = p.ring_block([(data, ethertype, direction & 0xFF, 1, time_ms * 1_000_000)])
                intake.block(block + PADDING, p.RING_HEADER_BYTES, count)
            else:
                intake.frame(data, 0, len(data), ethertype, direction & 0xFF, time_ms)
        intake.flush()
        told.append((intake.take(), counters.snapshot()))
    assert told[0] == told[1]
