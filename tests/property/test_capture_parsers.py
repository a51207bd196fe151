"""Hostile bytes never raise past their parser, and cutting input differently changes nothing."""

import contextlib
import itertools
import struct
from collections.abc import Sequence

import dnslib
import pytest
from dnslib import QTYPE
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support import packets as p
from tests.support import taps as t

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import Response, format_name, parse_response
from grapevine.capture.frames import SUPPORTED_LINKTYPES, TCP, Packet
from grapevine.capture.intake import Intake
from grapevine.capture.sources.framestream import FrameStream, encode_frame
from grapevine.capture.sources.pcap import Frame, PcapDecoder
from grapevine.capture.sources.tap import CONTENT_TYPE, Tap, TapReader, parse_tap
from grapevine.capture.streams import Streams
from grapevine.capture.told import Told
from grapevine.model.errors import PermanentInputError

MESSAGES = [
    p.dns_response(records=[p.a_record("192.0.2.1"), p.cname_record("cdn.example.net")]),
    p.dns_response("_redis._tcp.example.com", p.SRV, [(b"\xc0\x0c", p.SRV, bytes(6) + p.encode_name("a.example.com"))]),
    p.dns_response(qtype=p.AAAA, records=[p.a_record("2001:db8::1")], transaction_id=7),
    p.pointer_cycle(),
]
PACKETS = [
    p.ipv4(p.udp(MESSAGES[0])),
    p.ipv6(p.udp(MESSAGES[2])),
    p.ipv6(b"\x11\x00" + bytes(6) + p.udp(MESSAGES[1]), header=0),
    p.ipv4(p.tcp(struct.pack("!H", len(MESSAGES[0])) + MESSAGES[0]), proto=6),
]
WRAP = {1: p.ethernet, 113: p.cooked_v1, 276: p.cooked_v2}

mutations = st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, 255)), max_size=10)


def mutate(data: bytes, changes: Sequence[tuple[int, int]], cut: int) -> bytes:
    changed = bytearray(data)
    for where, octet in changes:
        changed[where % len(changed)] = octet
    return bytes(changed[: max(1, len(changed) - cut)])


@given(st.sampled_from(MESSAGES), mutations, st.integers(0, 60))
def test_a_mutated_message_gives_a_response_or_a_reason(
    message: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    assert isinstance(parse_response(mutate(message, changes, cut)), Response | Reason)


@given(st.binary(max_size=600))
@example(b"")
def test_arbitrary_bytes_behind_a_header_give_a_response_or_a_reason(data: bytes) -> None:
    header = struct.pack("!HHHHHH", 1, 0x8180, 1, 0xFFFF, 0, 0)
    assert isinstance(parse_response(header + data), Response | Reason)


names = st.lists(st.text("aB3-_.\\é", min_size=1, max_size=9).map(str.encode), min_size=1, max_size=6)


@given(names, names, st.sampled_from(["A", "AAAA", "CNAME", "PTR", "SRV"]), st.integers(0, 10), st.booleans())
def test_a_message_means_what_dnslib_takes_it_for(
    asked: list[bytes], told: list[bytes], kind: str, rcode: int, is_alias: bool
) -> None:
    qname, target = dnslib.DNSLabel(asked), dnslib.DNSLabel(told)
    data = {
        "A": lambda: dnslib.A("192.0.2.1"),
        "AAAA": lambda: dnslib.AAAA("2001:db8::1"),
        "CNAME": lambda: dnslib.CNAME(target),
        "PTR": lambda: dnslib.PTR(target),
        "SRV": lambda: dnslib.SRV(0, 10, 443, target),
    }
    made = dnslib.DNSRecord(dnslib.DNSHeader(qr=1, rcode=rcode), q=dnslib.DNSQuestion(qname, getattr(QTYPE, kind)))
    if is_alias:
        made.add_answer(dnslib.RR(qname, QTYPE.CNAME, rdata=dnslib.CNAME(target)))
    made.add_answer(dnslib.RR(target if is_alias else qname, getattr(QTYPE, kind), rdata=data[kind]()))
    message = made.pack()

    read = dnslib.DNSRecord.parse(message)
    texts = {
        str(r.rdata)
        if kind in ("A", "AAAA")
        else format_name((r.rdata.target if kind == "SRV" else r.rdata.label).label)
        for r in read.rr
        if r.rtype == read.q.qtype
    }
    aliases = [format_name(r.rdata.label.label) for r in read.rr if r.rtype == QTYPE.CNAME]
    found = parse_response(message)
    assert isinstance(found, Response)
    assert (found.qname, found.qtype) == (format_name(read.q.qname.label), kind)
    assert (found.rcode, found.answers) == (dnslib.RCODE.forward[rcode], tuple(sorted(texts)))
    assert set(found.cnames) == set(aliases)


def test_types_and_codes_have_the_names_that_dnslib_gives_them() -> None:
    found = [parse_response(p.dns_response(qtype=number)) for number in range(1, 300)]
    types = QTYPE.forward | {53: "SMIMEA"}  # which dnslib takes for another HIP
    expected = [types.get(number, f"TYPE{number}") for number in range(1, 300)]
    assert [each.qtype for each in found if isinstance(each, Response)] == expected


@given(st.sampled_from(sorted(SUPPORTED_LINKTYPES)), st.sampled_from(PACKETS), mutations, st.integers(0, 60))
def test_a_mutated_frame_goes_through_the_whole_intake(
    linktype: int, packet: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    frame = mutate(WRAP.get(linktype, bytes)(packet), changes, cut)
    counters = Counters()
    intake = Intake("pcap", 1_000, counters)
    p.hear(intake, frame, 1_000, linktype)
    intake.flush()
    assert sum(o.count for made in intake.take() for o in made) == counters[Reason.EVENTS]
    assert counters[Reason.FRAMES] == 1
    at_frame = ("not-ip", "not-udp-tcp", "other-port", "later-fragment", "short-frame", "segments")
    ends = sum(counters[Reason(name)] for name in at_frame)
    assert counters[Reason.SEGMENTS] == 1 or ends + counters[Reason.MESSAGES] == 1


@given(st.sampled_from(sorted(SUPPORTED_LINKTYPES)), st.binary(max_size=200))
def test_arbitrary_frames_give_a_packet_or_a_reason(linktype: int, frame: bytes) -> None:
    assert isinstance(p.parse_frame(linktype, frame), Packet | Reason)


def segment(payload: bytes, seq: int, flags: int = p.ACK) -> Packet:
    return Packet(TCP, b"\x0a\x60\0\x0a", b"\x0a\xf4\0\x25", 53, 40_000, payload, False, 4, flags, seq & 0xFFFFFFFF)


@given(st.data(), st.integers(0, 0xFFFFFFFF), st.lists(st.sampled_from(MESSAGES), min_size=1, max_size=6))
def test_a_stream_gives_its_messages_however_it_is_cut_shuffled_and_repeated(
    data: st.DataObject, first_seq: int, messages: list[bytes]
) -> None:
    stream = b"".join(struct.pack("!H", len(m)) + m for m in messages)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=20)))
    pieces = [
        segment(stream[start:end], first_seq + 1 + start)
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
    ]
    repeats = data.draw(st.lists(st.sampled_from(pieces), max_size=5))
    order = data.draw(st.permutations([*pieces, *repeats]))
    streams = Streams(Counters())
    streams.feed(segment(b"", first_seq, p.SYN | p.ACK), 0)
    assert [m for piece in order for m in streams.feed(piece, 0)] == messages


@given(st.lists(st.tuples(st.binary(max_size=80), st.integers(0, 300), st.integers(0, 63)), max_size=30))
def test_arbitrary_segments_keep_the_books_right(segments: list[tuple[bytes, int, int]]) -> None:
    streams = Streams(Counters())
    for time_ms, (payload, seq, flags) in enumerate(segments):
        streams.feed(segment(payload, seq, flags), time_ms)
    assert streams._bytes == sum(flow.held_bytes() for flow in streams._flows.values())
    for flow in streams._flows.values():
        assert flow.pending_bytes == sum(map(len, flow.pending.values()))


FILE_FRAMES = [(1_000, b"one"), (2_000, b""), (3_000, b"three")]
FILES = {
    "classic": p.pcap(FILE_FRAMES),
    "swapped": p.pcap(FILE_FRAMES, order=">", nanoseconds=True),
    "pcapng": p.pcapng_section()
    + p.pcapng_interface(276, tsresol=3)
    + b"".join(p.pcapng_packet(0, time_ms, frame) for time_ms, frame in FILE_FRAMES),
}


def feed(data: bytes, cuts: Sequence[int]) -> list[Frame]:
    decoder = PcapDecoder("x.pcap")
    frames = [
        f for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) for f in decoder.feed(data[start:end])
    ]
    decoder.close()
    return frames


@pytest.mark.parametrize("kind", FILES)
@given(st.data())
def test_a_file_gives_its_frames_however_it_is_cut(kind: str, data: st.DataObject) -> None:
    content = FILES[kind]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(content) - 1))))
    assert feed(content, cuts) == [Frame(276, frame, time_ms) for time_ms, frame in FILE_FRAMES]


@pytest.mark.parametrize("kind", FILES)
@given(st.data(), mutations, st.integers(0, 40))
def test_a_mutated_file_raises_nothing_but_input_errors(
    kind: str, data: st.DataObject, changes: list[tuple[int, int]], cut: int
) -> None:
    content = mutate(FILES[kind], changes, cut)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(content)), max_size=5)))
    with contextlib.suppress(PermanentInputError):
        frames = feed(content, cuts)
        assert all(frame.linktype in SUPPORTED_LINKTYPES and frame.time_ms >= 0 for frame in frames)


TAPS = [
    t.tap(t.message(MESSAGES[0], query_ms=1_000, response_ms=1_001)),
    t.tap(t.message(MESSAGES[2], client="fd00::37", protocol=t.TCP)),
    t.tap(t.message(kind=t.CLIENT_QUERY)),
]


@given(st.sampled_from(TAPS), mutations, st.integers(0, 60))
def test_a_mutated_dnstap_frame_is_taken_in_or_refused(frame: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    counters = Counters()
    told = Told("dnstap", 1_000, counters)
    found = parse_tap(mutate(frame, changes, cut), b"\x0a\xf4\0\x20")
    if isinstance(found, Tap):
        told.tap(found, 1_000)
        told.flush()
        assert counters[Reason.MESSAGES] == 1
        assert sum(o.count for made in told.take() for o in made) == counters[Reason.EVENTS]
    else:
        assert found in (Reason.OTHER_TAP, Reason.BAD_TAP, Reason.TAP_NOT_FULL)


@st.composite
def tap_frames(draw: st.DrawFn) -> bytes:
    """Return a frame as a server writes it, or nearly so: every field there or not, numbers of any width."""
    inner = [t.number(1, draw(st.sampled_from([5, 6, 6, 6, 8, 134]))), t.number(2, 1)]
    inner += draw(st.sampled_from([[], [t.number(3, t.UDP)], [t.number(3, t.TCP)], [t.number(3, 9)]]))
    addresses = st.sampled_from(
        [b"\x0a\xf4\0\x25", bytes(10) + b"\xff\xff\x0a\xf4\0\x25", bytes(15) + b"\1", b"abc", b""]
    )
    inner += [t.octets(4, draw(addresses)), draw(st.sampled_from([b"", t.octets(5, draw(addresses))]))]
    inner += [t.number(6, draw(st.sampled_from([0, 1, 127, 128, 16_384, 65_535, 65_536]))), b"\x30\x80\x00"][
        : draw(st.integers(0, 2))
    ]
    for seconds in (8, 12):
        if draw(st.booleans()):
            inner += [
                t.number(seconds, draw(st.sampled_from([0, 1, 1_795_393_029, 1 << 40]))),
                t.fixed32(seconds + 1, 999_999_999),
            ]
    inner += [t.octets(14, draw(st.sampled_from([*MESSAGES, b"", bytes(200)])))][: draw(st.integers(0, 1))]
    inner = draw(st.permutations(inner)) if draw(st.booleans()) else inner
    outer = [t.octets(1, b"coredns"), t.octets(3, draw(st.sampled_from([b"", b"x", bytes(130)])))][
        : draw(st.integers(0, 2))
    ]
    outer += [t.octets(14, b"".join(inner)), t.number(15, draw(st.sampled_from([1, 1, 1, 2])))]
    return b"".join(draw(st.permutations(outer)) if draw(st.booleans()) else outer)


@given(
    st.lists(st.tuples(tap_frames(), mutations, st.integers(0, 3)), min_size=1, max_size=6),
    st.sampled_from([b"", b"\x0a\0\0\1"]),
)
def test_a_reader_of_many_frames_gives_what_each_alone_gives(
    frames: list[tuple[bytes, list[tuple[int, int]], int]], peer: bytes
) -> None:
    reader = TapReader(peer)
    for frame, changes, cut in frames:
        mutated = mutate(frame, changes[:2], cut)
        for each in (frame, mutated, frame):
            assert reader.read(each) == parse_tap(each, peer)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_as_a_dnstap_frame_give_a_tap_or_a_reason(data: bytes) -> None:
    for frame in (data, t.tap(data)):
        assert isinstance(parse_tap(frame, b""), Tap | Reason)


def feed_frames(data: bytes, cuts: Sequence[int]) -> tuple[list[bytes], bytes, bool, bool]:
    stream = FrameStream(CONTENT_TYPE)
    edges = [0, *sorted(cuts), len(data)]
    frames = [f for start, end in itertools.pairwise(edges) for f in stream.feed(data[start:end])]
    return frames, stream.take_reply(), stream.is_ended, stream.is_broken


@given(st.lists(st.sampled_from([*TAPS, b"x" * 3_000]), max_size=5), st.data())
def test_a_frame_stream_gives_the_same_however_it_is_cut(frames: list[bytes], data: st.DataObject) -> None:
    stream = t.READY + t.START + b"".join(encode_frame(f) for f in frames) + t.STOP
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30))
    assert feed_frames(stream, cuts) == (frames, t.ACCEPT + t.FINISH, True, False)


@given(mutations, st.lists(st.integers(0, 400), max_size=30))
def test_a_mutated_frame_stream_gives_the_same_however_it_is_cut(
    changes: list[tuple[int, int]], cuts: list[int]
) -> None:
    stream = mutate(t.READY + t.START + b"".join(encode_frame(f) for f in TAPS) + t.STOP, changes, 0)
    assert feed_frames(stream, [cut for cut in cuts if cut < len(stream)]) == feed_frames(stream, [])
