"""Capture files, classic pcap and pcapng, as they come: from a path or from stdin, in constant memory.

`PcapDecoder` is sans-IO: chunks in, frames out. Formats: draft-ietf-opsawg-pcap (both byte orders, µs and ns) and
draft-ietf-opsawg-pcapng (sections, interfaces, if_tsresol, if_tsoffset, Enhanced and Simple Packet Blocks).
"""

import os
from collections.abc import Callable, Iterator
from struct import Struct
from typing import Final, NamedTuple

from grapevine.capture.frames import SUPPORTED_LINKTYPES, locate
from grapevine.capture.settings import STDIN
from grapevine.model.errors import PermanentInputError
from grapevine.model.value import value

Sink = Callable[[bytes, int, int, int, int, int], None]
"""`Intake.frame`, or something like it."""

CHUNK_BYTES: Final = 1 << 16
MAX_FRAME_BYTES: Final = 1 << 20
"""Largest captured length believed (tcpdump writes at most 262,144); more means that the file is damaged."""
MAX_BLOCK_BYTES: Final = 16 << 20
"""Largest pcapng block believed, as in Wireshark."""
MAX_TIME_MS: Final = 1 << 43
"""Latest time believed, in the year 2248; a damaged one must not become the batch's, which the operator refuses."""

_CLASSIC: Final = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000),
}
"""Byte order, and fractions of a second in a millisecond, by magic number."""
_SECTION: Final = b"\x0a\x0d\x0d\x0a"
_GZIP: Final = b"\x1f\x8b"
_BYTE_ORDERS: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_CLASSIC_HEADER_BYTES: Final = 24
_INTERFACE_BLOCK, _SIMPLE_BLOCK, _ENHANCED_BLOCK = 1, 3, 6
_IF_TSRESOL, _IF_TSOFFSET = 9, 14


class Frame(NamedTuple):
    """One captured frame."""

    linktype: int
    """One of `SUPPORTED_LINKTYPES`."""
    data: bytes
    time_ms: int
    """Capture time, milliseconds since the epoch. A Simple Packet Block has none and takes the previous one's, and so
    does a time that cannot be."""


@value
class _Interface:
    linktype: int
    snap_bytes: int
    """0: no limit."""
    ticks_per_s: int
    offset_ms: int


class PcapDecoder:
    """Turns the bytes of a capture file into frames, whatever chunks they come in."""

    def __init__(self, name: str) -> None:
        self._name = name
        """The file's name, for messages."""
        self._rest = b""
        self._read_bytes = 0
        """Bytes of the file before `_rest`."""
        self._frames = 0
        self._is_damaged = False
        self._byte_order = ""
        self._fraction = 0
        """Fractions of a second in a millisecond (classic); 0 until the format is known, and for pcapng."""
        self._linktype = 0
        self._interfaces: list[_Interface] = []
        self._newest_ms = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that `data` completes.

        Raises:
            PermanentInputError: no capture file, or frames of a link layer that is not supported.
        """
        if self._is_damaged:
            return []
        data = self._rest + data
        frames: list[Frame] = []
        end = 0
        if not self._byte_order:
            end = self._start(data)
        if self._byte_order:
            for frame, frame_end in self._classic(data, end) if self._fraction else self._blocks(data):
                end = frame_end
                if frame is not None:
                    frames.append(frame)
        self._rest = data[end:]
        self._read_bytes += end
        self._frames += len(frames)
        return frames

    def close(self) -> str | None:
        """Return a warning where the file ends within a frame or is damaged, None where it is whole.

        Raises:
            PermanentInputError: the file is empty, or ends within its header.
        """
        if not self._byte_order:
            if not self._rest:
                raise PermanentInputError(f"{self._name}: the file is empty; give a capture written by `tcpdump -w`")
            raise self._no_capture(self._rest)
        if self._is_damaged:
            return f"{self._name}: damaged at byte {self._read_bytes}; used the {self._frames} packets before it"
        if self._rest:
            return f"{self._name}: cut within a packet at byte {self._read_bytes}; used the {self._frames} before it"
        return None

    def _no_capture(self, data: bytes) -> PermanentInputError:
        if data.startswith(_GZIP):
            return PermanentInputError(f"{self._name}: compressed by gzip; unpack it first (`gunzip`)")
        begin = data[:12].decode("ascii", "replace")
        return PermanentInputError(
            f"{self._name}: no pcap or pcapng file (it begins with {begin!r}); give a capture written by `tcpdump -w`"
        )

    def _start(self, data: bytes) -> int:
        """Learn format and byte order; return where the first record begins. Too few bytes: learn nothing, return 0."""
        if len(data) < 4 and any(magic.startswith(data) for magic in (*_CLASSIC, _SECTION)):
            return 0
        if data.startswith(_SECTION):
            if len(data) >= 12:
                self._byte_order = self._section_byte_order(data, 0) or ""
                if not self._byte_order:
                    raise self._no_capture(data)
            return 0
        if data[:4] not in _CLASSIC:
            raise self._no_capture(data)
        if len(data) >= _CLASSIC_HEADER_BYTES:
            self._byte_order, self._fraction = _CLASSIC[data[:4]]
            self._linktype = Struct(self._byte_order + "I").unpack_from(data, 20)[0] & 0xFFFF
            self._require_supported(self._linktype)
            return _CLASSIC_HEADER_BYTES
        return 0

    def _require_supported(self, linktype: int) -> None:
        if linktype not in SUPPORTED_LINKTYPES:
            known = ", ".join(str(each) for each in sorted(SUPPORTED_LINKTYPES))
            raise PermanentInputError(
                f"{self._name}: link type {linktype} is not supported (known: {known}); "
                "capture on an Ethernet interface or with `tcpdump -i any`"
            )

    def _classic(self, data: bytes, start: int) -> Iterator[tuple[Frame, int]]:
        header = Struct(self._byte_order + "IIII")
        while len(data) >= start + 16:
            seconds, fraction, length, _ = header.unpack_from(data, start)
            if length > MAX_FRAME_BYTES:
                self._is_damaged = True
                return
            end = start + 16 + length
            if len(data) < end:
                return
            yield Frame(self._linktype, data[start + 16 : end], seconds * 1_000 + fraction // self._fraction), end
            start = end

    def _blocks(self, data: bytes) -> Iterator[tuple[Frame | None, int]]:
        start = 0
        while len(data) >= start + 12:
            if data.startswith(_SECTION, start):
                byte_order = self._section_byte_order(data, start)
                if byte_order is None:
                    self._is_damaged = True
                    return
                self._byte_order = byte_order
                self._interfaces = []
            kind, length = Struct(self._byte_order + "II").unpack_from(data, start)
            if not 12 <= length <= MAX_BLOCK_BYTES or length % 4:
                self._is_damaged = True
                return
            end = start + length
            if len(data) < end:
                return
            body = data[start + 8 : end - 4]
            if kind == _INTERFACE_BLOCK:
                self._interfaces.append(_parse_interface(body, self._byte_order))
            yield self._packet(kind, body), end
            start = end

    def _section_byte_order(self, data: bytes, start: int) -> str | None:
        return _BYTE_ORDERS.get(data[start + 8 : start + 12])

    def _packet(self, kind: int, body: bytes) -> Frame | None:
        """Return the frame in a block's body; None where the block is of another kind or lies about its frame."""
        if kind == _ENHANCED_BLOCK and len(body) >= 20:
            number, high, low, length, _ = Struct(self._byte_order + "IIIII").unpack_from(body)
            at = 20
        elif kind == _SIMPLE_BLOCK and len(body) >= 4:
            number, high, low, at = 0, 0, 0, 4
            (length,) = Struct(self._byte_order + "I").unpack_from(body)
        else:
            return None
        if number >= len(self._interfaces):
            return None
        interface = self._interfaces[number]
        self._require_supported(interface.linktype)
        if kind == _ENHANCED_BLOCK:
            time_ms = (high << 32 | low) * 1_000 // interface.ticks_per_s + interface.offset_ms
            if 0 <= time_ms <= MAX_TIME_MS:
                self._newest_ms = time_ms
        elif interface.snap_bytes:
            length = min(length, interface.snap_bytes)
        return Frame(interface.linktype, body[at : at + length], self._newest_ms)


def _parse_interface(body: bytes, byte_order: str) -> _Interface:
    """Return the interface described by a block; what is cut short or unknown in it keeps its default."""
    linktype, snap_bytes = Struct(byte_order + "HxxI").unpack_from(body) if len(body) >= 8 else (-1, 0)
    ticks_per_s, offset_ms = 1_000_000, 0
    option = Struct(byte_order + "HH")
    at = 8
    while len(body) >= at + 4:
        code, length = option.unpack_from(body, at)
        value = body[at + 4 : at + 4 + length]
        if code == _IF_TSRESOL and len(value) == 1:
            ticks_per_s = 1 << (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
        elif code == _IF_TSOFFSET and len(value) == 8:
            offset_ms = Struct(byte_order + "q").unpack(value)[0] * 1_000
        at += 4 + (length + 3) // 4 * 4
    return _Interface(linktype, snap_bytes, ticks_per_s, offset_ms)


class PcapSource:
    """A capture file being read, chunk by chunk.

    Raises:
        PermanentInputError: on making it, the file cannot be opened; on reading, as `PcapDecoder`.
    """

    def __init__(self, path: str) -> None:
        self.name = "stdin" if path == STDIN else path
        self._decoder = PcapDecoder(self.name)
        try:
            self._file = os.dup(0) if path == STDIN else os.open(path, os.O_RDONLY)
        except OSError as e:
            raise PermanentInputError(f"{self.name}: cannot be opened: {e.strerror}") from e

    def fileno(self) -> int:
        """Return the file descriptor, to wait on where it is a pipe."""
        return self._file

    def drain(self, sink: Sink) -> bool:
        """Give the next chunk's frames to `sink`, possibly none; return False at the end."""
        frames = self.frames()
        for linktype, data, time_ms in frames or ():
            start, ethertype, direction = locate(linktype, data)
            sink(data, start, len(data), ethertype, direction, time_ms)
        return frames is not None

    def frames(self) -> list[Frame] | None:
        """Return the next chunk's frames, possibly none; None at the end."""
        try:
            data = os.read(self._file, CHUNK_BYTES)
        except OSError as e:
            raise PermanentInputError(f"{self.name}: cannot be read: {e.strerror}") from e
        if not data:
            return None
        return self._decoder.feed(data)

    def finish(self) -> str | None:
        """Return a warning where the file was cut or damaged; to be called at its end."""
        return self._decoder.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
