"""What is fuzzed: each target takes one input after the other on the way real bytes take, and checks the accounts.

An input is one octet of options, then items, each behind its length in two octets: frames, segments, messages, chunks
of a stream or lines, whatever the target takes. So the fuzzer can cut, repeat and reorder them.
"""

import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final

from tests.support import packets as p
from tests.support import taps as t
from tests.support.accounts import FRAME_ENDS, LOG_ENDS, TAP_ENDS, imbalance

from grapevine.capture.blocks import PADDING
from grapevine.capture.counters import Counters, Reason
from grapevine.capture.frames import ETHERTYPE_IPV4, ETHERTYPE_IPV6, SUPPORTED_LINKTYPES, locate
from grapevine.capture.http1 import parse_url
from grapevine.capture.intake import Intake, Matching
from grapevine.capture.sources.corelog import LogLine, LogParser, LogReader
from grapevine.capture.sources.framestream import FrameStream, encode_frame
from grapevine.capture.sources.logfile import LineSplitter
from grapevine.capture.sources.pcap import PcapDecoder
from grapevine.capture.sources.podlog import PodLog
from grapevine.capture.sources.tap import CONTENT_TYPE, Tap, TapReader
from grapevine.capture.told import Told
from grapevine.model.errors import PermanentInputError
from grapevine.wire.codec import decode_batch, encode_batch
from grapevine.wire.schema import Batch, BatchHeader, DnsPod, Hearing

START_MS: Final = 1_000_000
_LINKTYPES: Final = tuple(sorted(SUPPORTED_LINKTYPES))
_ETHERTYPES: Final = (ETHERTYPE_IPV4, ETHERTYPE_IPV6, 0x8100, 0x88A8)
_MATCHINGS: Final[tuple[Matching, ...]] = ("off", "on", "auto")
_U16: Final = struct.Struct("!H")


def join_items(items: Iterable[bytes], options: int = 0) -> bytes:
    """Return the input that consists of these items."""
    return bytes([options]) + b"".join(_U16.pack(len(item)) + item for item in items)


def split_items(data: bytes) -> tuple[int, list[bytes]]:
    """Return the options and items of any input; the last item may be shorter than its length says."""
    items, at = [], 1
    while at + 2 <= len(data):
        (length,) = _U16.unpack_from(data, at)
        items.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return data[0] if data else 0, items


class Target(ABC):
    """One way of bytes through capture, from its beginning; made anew for each input."""

    @abstractmethod
    def __init__(self, options: int) -> None:
        """Take the options of the input."""

    @abstractmethod
    def feed(self, item: bytes) -> None:
        """Take one item; raises nothing, whatever it is."""

    @abstractmethod
    def check(self) -> None:
        """Check what came of all items; raises where it cannot be right."""

    @staticmethod
    @abstractmethod
    def seeds() -> Iterator[bytes]:
        """Give inputs to begin with."""


def run(kind: type[Target], data: bytes) -> list[int]:
    """Give all of an input to a new target and check it; return the CPU time each item took, in ns."""
    options, items = split_items(data)
    target, times_ns = kind(options), []
    for item in items:
        began_ns = time.thread_time_ns()
        target.feed(item)
        times_ns.append(time.thread_time_ns() - began_ns)
    target.check()
    return times_ns


def _check_cuts(intake: Intake | Told, counters: Counters, ends: tuple[str, ...], clock_ms: int) -> None:
    """Check that the accounts close and that the operator takes every observation as it was sent."""
    intake.flush()
    header = BatchHeader("fuzz", 1, 1, "", clock_ms, Hearing((), 0), counters=counters.snapshot())
    assert imbalance(counters.snapshot(), ends) == {}, counters.snapshot()
    for cut in intake.take():
        batch = decode_batch(encode_batch(Batch(header, cut)))
        assert (batch.skipped, batch.observations) == ({}, cut)


MESSAGES: Final = (
    p.dns_response(records=[p.a_record("192.0.2.1"), p.a_record("192.0.2.2"), p.cname_record("cdn.example.net")]),
    p.dns_response("_redis._tcp.example.com", p.SRV, [(b"\xc0\x0c", p.SRV, bytes(6) + p.encode_name("a.example.com"))]),
    p.dns_response(qtype=p.AAAA, records=[p.a_record("2001:db8::1")], transaction_id=7),
    p.dns_response("cart.shop.svc.cluster.local", flags=0x8583),
    p.dns_response("a\\b.example.com", flags=0x8380),
    p.pointer_cycle(),
)


class _Packets(Target):
    """Everything that goes through the intake; the options choose how responses are matched, and who brings frames."""

    def __init__(self, options: int) -> None:
        self._counters = Counters()
        self._intake = Intake("packet", 1_000, self._counters, matching=_MATCHINGS[options % 3])
        self._is_in_blocks = bool(options & 0x80)
        self._now_ms = START_MS

    def check(self) -> None:
        _check_cuts(self._intake, self._counters, FRAME_ENDS, self._intake.newest_ms)

    def _frame(self, data: bytes, start: int, ethertype: int, direction: int) -> None:
        if self._is_in_blocks:
            frame = data[start:], ethertype, direction & 0xFF, 1, self._now_ms * 1_000_000
            block, count = p.ring_block([frame])
            self._intake.block(block + PADDING, p.RING_HEADER_BYTES, count)
        else:
            self._intake.frame(data, start, len(data), ethertype, direction, self._now_ms)

    def _pass(self, octet: int) -> None:
        """Let time pass: usually a little, also over a window, and back."""
        self._now_ms += octet if octet < 0xF0 else 2_500 if octet < 0xF8 else -70_000


class Frames(_Packets):
    """Frames of every link layer, and packets as a packet socket gives them."""

    def feed(self, item: bytes) -> None:
        kind, step, direction, frame = item[:1], item[1:2], item[2:3], item[3:]
        if not direction:
            return
        self._pass(step[0])
        number = kind[0] % (len(_LINKTYPES) + len(_ETHERTYPES))
        if number < len(_LINKTYPES):
            start, ethertype, found = locate(_LINKTYPES[number], frame)
            self._frame(frame, start, ethertype, found)
        else:
            self._frame(frame, 0, _ETHERTYPES[number - len(_LINKTYPES)], direction[0] % 6 - 1)

    @staticmethod
    def _item(packet: bytes, kind: int, direction: int = p.OUTGOING) -> bytes:
        wrap: dict[int, Callable[[bytes], bytes]] = {1: p.ethernet, 113: p.cooked_v1, 276: p.cooked_v2}
        if kind < len(_LINKTYPES):
            packet = wrap.get(_LINKTYPES[kind], bytes)(packet)
        return bytes([kind, 1, direction + 1]) + packet

    @staticmethod
    def seeds() -> Iterator[bytes]:
        query = p.udp(
            bytes(2) + b"\x01\0" + MESSAGES[0][4:6] + bytes(6) + MESSAGES[0][12:33], src_port=40_000, dst_port=53
        )
        asked = p.ipv4(query, src=p.CLIENT, dst=p.RESOLVER)
        answers = (
            p.ipv4(p.udp(MESSAGES[0])),
            p.ipv4(p.udp(MESSAGES[0]), src=p.COREDNS),
            p.ipv4(p.udp(MESSAGES[0])[:40], fragment=0x2000),
            p.ipv4(p.tcp(b"", flags=p.SYN, src_port=40_000, dst_port=443), proto=6),
            p.ipv6(b"\x11\x00" + bytes(6) + p.udp(MESSAGES[1]), header=0),
            p.ipv6(p.udp(MESSAGES[2])),
        )
        for kind in range(len(_LINKTYPES) + len(_ETHERTYPES)):
            for matching in range(3):
                yield join_items([Frames._item(each, kind) for each in (asked, *answers)], matching)
        yield join_items([bytes([0, 1, 1]) + p.ethernet(answers[0], vlans=(1, 2))])


class Segments(_Packets):
    """TCP segments of one connection, from the server or from the client."""

    def __init__(self, options: int) -> None:
        super().__init__(options)
        self._seq = {True: 1, False: 1}

    def feed(self, item: bytes) -> None:
        if len(item) < 4:
            return
        step, flags, jump, payload = item[0], item[1], struct.unpack_from("!h", item, 2)[0], item[4:60_004]
        self._pass(step)
        is_answer = not flags & 0x40
        seq = self._seq[is_answer] + jump
        self._seq[is_answer] = seq + len(payload) + bool(flags & (p.SYN | p.FIN))
        if is_answer:
            packet = p.ipv4(p.tcp(payload, seq=seq, flags=flags & 0x3F), proto=6)
        else:
            segment = p.tcp(payload, seq=seq, flags=flags & 0x3F, src_port=40_000, dst_port=53)
            packet = p.ipv4(segment, proto=6, src=p.CLIENT, dst=p.RESOLVER)
        self._frame(packet, 0, ETHERTYPE_IPV4, p.OUTGOING)

    @staticmethod
    def seeds() -> Iterator[bytes]:
        stream = b"".join(_U16.pack(len(each)) + each for each in MESSAGES)
        begin, end = bytes([1, p.SYN | p.ACK, 0, 0]), bytes([1, p.FIN | p.ACK, 0, 0])
        data = bytes([1, p.ACK, 0, 0])
        for step in (len(stream), 300, 37, 5):
            pieces = [data + stream[at : at + step] for at in range(0, min(len(stream), step * 20), step)]
            yield join_items([begin, *pieces, end])
        query = bytes([1, 0x40 | p.ACK, 0, 0]) + _U16.pack(33) + b"\x12\x34\x01\0\0\1" + bytes(6) + MESSAGES[0][12:33]
        yield join_items([begin, query, data + stream], 1)
        yield join_items([begin, bytes([1, p.ACK, 0, 200]) + stream[200:400], bytes([1, p.ACK, 0xFE, 0x70]) + stream])


class Messages(_Packets):
    """DNS messages as answers to their own questions, each exchange with an id of its own, in two copies."""

    def __init__(self, options: int) -> None:
        super().__init__(options)
        self._transaction = 0

    def feed(self, item: bytes) -> None:
        self._pass(1)
        self._transaction += 1
        answer = _U16.pack(self._transaction & 0xFFFF) + item[2:65_000]
        query = answer[:2] + b"\x01\0\0\1" + bytes(6) + answer[12:]
        packet = p.ipv4(p.udp(query, src_port=40_000, dst_port=53), src=p.CLIENT, dst=p.RESOLVER)
        self._frame(packet, 0, ETHERTYPE_IPV4, p.HOST)
        self._frame(p.ipv4(p.udp(answer), src=p.COREDNS), 0, ETHERTYPE_IPV4, p.OTHERHOST)
        self._frame(p.ipv4(p.udp(answer)), 0, ETHERTYPE_IPV4, p.OUTGOING)

    @staticmethod
    def seeds() -> Iterator[bytes]:
        hostile = (path.read_bytes() for path in sorted(p.VECTORS.glob("*.bin")))
        for message in (*MESSAGES, *hostile):
            for matching in (0, 1):
                yield join_items([message] * (2 if len(message) < 1_000 else 1), matching)


class Files(_Packets):
    """A capture file in chunks."""

    def __init__(self, options: int) -> None:
        super().__init__(options)
        self._decoder = PcapDecoder("fuzz")
        self._is_refused = False

    def feed(self, item: bytes) -> None:
        if self._is_refused:
            return
        try:
            frames = self._decoder.feed(item)
        except PermanentInputError:  # it is no capture, which a person is told
            self._is_refused = True
            return
        for linktype, data, time_ms in frames:
            self._now_ms = time_ms
            start, ethertype, direction = locate(linktype, data)
            self._frame(data, start, ethertype, direction)

    def check(self) -> None:
        if not self._is_refused:
            with suppress(PermanentInputError):
                self._decoder.close()
        super().check()

    @staticmethod
    def seeds() -> Iterator[bytes]:
        frames = [(START_MS + number, p.cooked_v2(p.ipv4(p.udp(each)))) for number, each in enumerate(MESSAGES)]
        blocks = b"".join(p.pcapng_packet(0, time_ms, frame) for time_ms, frame in frames)
        files = [p.pcap(frames, order=order, nanoseconds=ns) for order in "<>" for ns in (False, True)]
        files += [(p.pcapng_section() + p.pcapng_interface(276, tsresol=3) + blocks) * 2]
        for content in files:
            yield join_items([content])
            yield join_items([content[at : at + 50] for at in range(0, len(content), 50)])


class Taps(Target):
    """dnstap frames of one sender."""

    def __init__(self, options: int) -> None:
        self._counters = Counters()
        self._told = Told("dnstap", 1_000, self._counters)
        self._reader = TapReader(b"" if options & 1 else t.pack(p.COREDNS))
        self._now_ms = START_MS

    def feed(self, item: bytes) -> None:
        self._now_ms += 50
        self._counters.add(Reason.FRAMES)
        found = self._reader.read(item)
        if isinstance(found, Tap):
            self._told.tap(found, self._now_ms)
        else:
            self._counters.add(found)

    def check(self) -> None:
        _check_cuts(self._told, self._counters, TAP_ENDS, self._now_ms)

    @staticmethod
    def seeds() -> Iterator[bytes]:
        for client in (p.CLIENT, "fd00::37"):
            inner = [
                t.message(each, client=client, query_ms=START_MS, response_ms=START_MS + 1, resolver=resolver)
                for each in MESSAGES
                for resolver in ("", p.COREDNS)
            ]
            inner += [t.message(kind=t.CLIENT_QUERY), t.message(), t.message(MESSAGES[0], protocol=None)]
            for options in (0, 1):
                yield join_items([t.tap(each) for each in inner], options)
                yield from (join_items([t.tap(each)] * 2, options) for each in inner)


class TapStreams(Taps):
    """What comes on a dnstap connection, in chunks."""

    def __init__(self, options: int) -> None:
        super().__init__(options)
        self._stream = FrameStream(CONTENT_TYPE)

    def feed(self, item: bytes) -> None:
        for frame in self._stream.feed(item):
            super().feed(frame)
        self._stream.take_reply()

    @staticmethod
    def seeds() -> Iterator[bytes]:
        frames = b"".join(encode_frame(t.tap(t.message(each, query_ms=START_MS))) for each in MESSAGES)
        for handshake in (t.READY + t.START, t.START):
            stream = handshake + frames + t.STOP
            yield join_items([stream])
            yield join_items([stream[at : at + 40] for at in range(0, len(stream), 40)])


class Logs(Target):
    """A file with the log of CoreDNS, in chunks."""

    def __init__(self, options: int) -> None:
        self._counters = Counters()
        self._told = Told("log", 1_000, self._counters)
        self._reader = LogReader(LogParser(), self._counters)
        self._splitter = LineSplitter()
        self._now_ms = START_MS + options

    def feed(self, item: bytes) -> None:
        self._lines(self._splitter.feed(item))

    def check(self) -> None:
        self._lines(self._splitter.finish())
        _check_cuts(self._told, self._counters, LOG_ENDS, self._now_ms)

    def _lines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self._now_ms += 50
            found = self._reader.read(line, "fuzz", 0.0)
            if isinstance(found, LogLine):
                self._told.line(found, t.pack(p.COREDNS), self._now_ms)

    @staticmethod
    def seeds() -> Iterator[bytes]:
        log = b"\n".join((*LINES, b""))
        yield join_items([log])
        yield join_items([log[at : at + 100] for at in range(0, len(log), 100)])
        yield from (join_items([line, b"\n"]) for line in LINES)


LINES: Final = (
    b'[INFO] 10.244.0.37:39729 - 4660 "A IN www.example.net. tcp 33 false 65535" NOERROR qr,aa,rd 110 0.000480651s',
    b'2026-11-23T10:00:00.123456789Z stdout F [INFO] [fd00::37]:5353 - 7 "SRV IN _a._tcp.b. udp 40 true 1232" NXDOMAIN',
    b"[INFO] 10.244.0.37 www.example.net. AAAA NXDOMAIN 4660 0.000105837s",
    b"[pod/coredns-1/coredns] 2026-11-23T10:00:00Z [INFO] ::ffff:10.244.0.37 a\\ b\\032c.example. A 16",
    b"[ERROR] plugin/errors: 2 example.com. A: read udp 10.244.0.2:1->192.0.2.1:53: i/o timeout",
    b".:53",
    b"CoreDNS-1.14.7",
)


class PodLogs(Logs):
    """The API server's answer that carries a pod's log; the options tell after how many items it begins anew."""

    def __init__(self, options: int) -> None:
        super().__init__(options)
        self._log = PodLog(DnsPod("kube-system", "coredns-1", ""))
        self._server = parse_url("https://192.0.2.1:6443")
        self._log.request(self._server, "token")
        self._until_new = self._period = options % 8 + 1

    def feed(self, item: bytes) -> None:
        try:
            lines, _ = self._log.feed(item)
        except ValueError:  # no HTTP: the stream is given up
            lines, self._until_new = [], 1
        self._lines(lines)
        self._until_new -= 1
        if not self._until_new:
            self._until_new = self._period
            self._log.request(self._server, "token")

    @staticmethod
    def seeds() -> Iterator[bytes]:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
        lines = [b"2026-11-23T10:00:0%d.5Z " % number + line + b"\n" for number, line in enumerate(LINES)]
        reply = head + b"".join(lines)
        yield join_items([reply, reply])
        yield join_items([head, *lines, head, *lines[3:]], 7)
        yield join_items([b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}", reply])


TARGETS: Final[dict[str, type[Target]]] = {
    "frames": Frames,
    "segments": Segments,
    "messages": Messages,
    "files": Files,
    "taps": Taps,
    "tap-streams": TapStreams,
    "logs": Logs,
    "pod-logs": PodLogs,
}
