import struct

import pytest
from tests.support import packets as p

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.frames import TCP, Packet
from grapevine.capture.streams import IDLE_MS, MAX_BYTES, MAX_FLOWS, MAX_PENDING_SEGMENTS, Streams

ONE = p.dns_response("one.example.com")
TWO = p.dns_response("two.example.com", transaction_id=2)
START = 0xFFFFFFF0  # the sequence number wraps within the first message


def framed(*messages: bytes) -> bytes:
    return b"".join(struct.pack("!H", len(m)) + m for m in messages)


def segment(payload: bytes, seq: int = START, flags: int = p.ACK, port: int = 40_000) -> Packet:
    return Packet(TCP, b"\x0a\x60\x00\x0a", b"\x0a\xf4\x00\x25", 53, port, payload, False, 4, flags, seq & 0xFFFFFFFF)


SYN = segment(b"", START - 1, p.SYN | p.ACK)


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def streams(counters: Counters) -> Streams:
    streams = Streams(counters)
    assert streams.feed(SYN, 0) == []
    return streams


def test_gives_each_message_when_it_is_complete(streams: Streams) -> None:
    data = framed(ONE, TWO)
    given = [streams.feed(segment(data[i : i + 1], START + i), 0) for i in range(len(data))]
    assert [m for each in given for m in each] == [ONE, TWO]
    assert given[len(framed(ONE)) - 1] == [ONE]


def test_gives_several_messages_of_one_segment(streams: Streams) -> None:
    assert streams.feed(segment(framed(ONE, TWO)), 0) == [ONE, TWO]


def test_puts_segments_in_order(streams: Streams) -> None:
    data = framed(ONE, TWO)
    late, early = segment(data[:30]), segment(data[30:], START + 30)
    assert streams.feed(early, 0) == []
    assert streams.feed(late, 0) == [ONE, TWO]


def test_ignores_what_was_retransmitted(streams: Streams, counters: Counters) -> None:
    data = framed(ONE, TWO)
    cut = len(framed(ONE)) + 5
    assert streams.feed(segment(data[:cut]), 0) == [ONE]
    assert streams.feed(segment(data[:cut]), 0) == []
    assert streams.feed(segment(data[10:], START + 10), 0) == [TWO]
    assert counters[Reason.RETRANSMITTED] == 1


def test_takes_up_a_connection_at_the_start_of_a_message(counters: Counters) -> None:
    streams = Streams(counters)
    assert streams.feed(segment(framed(ONE)[20:], 20), 0) == []
    assert streams.feed(segment(framed(TWO), 200), 0) == [TWO]
    assert counters[Reason.MIDWAY] == 1


def test_drops_a_connection_that_carries_something_else(streams: Streams, counters: Counters) -> None:
    assert streams.feed(segment(framed(ONE) + b"\0\x03GET"), 0) == [ONE]
    assert counters[Reason.STREAM_GARBAGE] == 1
    assert streams.feed(segment(framed(TWO), 5_000), 0) == [TWO], "taken up again at a start of a message"


def test_bounds_what_is_out_of_order(streams: Streams, counters: Counters) -> None:
    for i in range(MAX_PENDING_SEGMENTS + 1):
        streams.feed(segment(b"x", START + 10 + 2 * i), 0)
    assert counters[Reason.STREAM_OVERFLOW] == 1
    assert streams.feed(segment(framed(ONE), 0), 0) == [ONE]


def test_bounds_the_number_of_connections(counters: Counters) -> None:
    streams = Streams(counters)
    for port in range(MAX_FLOWS + 5):
        streams.feed(segment(framed(ONE)[:30], port=port), 0)
    assert counters[Reason.STREAM_EVICTED] == 5
    assert streams.feed(segment(framed(ONE)[30:], START + 30, port=0), 0) == []
    assert streams.feed(segment(framed(ONE)[30:], START + 30, port=5), 0) == [ONE]


def test_bounds_the_bytes_of_all_connections(counters: Counters) -> None:
    streams = Streams(counters)
    piece = struct.pack("!H", 0xFFFF) + ONE.ljust(50_000, b"\0")
    for port in range(MAX_BYTES // len(piece) + 3):
        streams.feed(segment(piece, port=port), 0)
    assert counters[Reason.STREAM_EVICTED] == 3


def test_forgets_silent_connections_and_counts_those_within_a_message(streams: Streams, counters: Counters) -> None:
    streams.feed(segment(framed(ONE)[:20], port=41_000), 0)
    streams.feed(segment(framed(TWO), port=42_000), IDLE_MS)
    assert counters[Reason.STREAM_IDLE] == 1
    assert streams.feed(segment(framed(ONE)[20:], START + 20, port=41_000), IDLE_MS) == []


def test_a_reset_ends_a_connection(streams: Streams) -> None:
    streams.feed(segment(framed(ONE)[:20]), 0)
    streams.feed(segment(b"", START + 20, p.RST), 0)
    assert streams.feed(segment(framed(ONE)[20:], START + 20), 0) == []


def test_a_new_connection_of_the_same_ports_starts_anew(streams: Streams) -> None:
    streams.feed(segment(framed(ONE)[:20]), 0)
    streams.feed(segment(b"", 7_000, p.SYN | p.ACK), 0)
    assert streams.feed(segment(framed(TWO), 7_001), 0) == [TWO]


def test_a_final_segment_with_data_is_used(streams: Streams) -> None:
    assert streams.feed(segment(framed(ONE), flags=p.FIN | p.ACK), 0) == [ONE]
