"""Frame Streams → data frames, and what a reader answers. Sans-IO; hostile bytes end a stream, never raise.

https://farsightsec.github.io/fstrm/: a frame is four octets of length and its bytes; length 0 escapes a control frame,
which has a length of its own. A writer that can read begins READY → ACCEPT → START and ends STOP → FINISH; one that
cannot begins START and ends STOP.

Bounds: a frame has at most `MAX_FRAME_BYTES`, a control frame `MAX_CONTROL_BYTES`; kept is one unfinished frame.
Work is linear in the bytes, however they are cut.
"""

from enum import Enum, auto
from struct import Struct
from typing import Final

MAX_FRAME_BYTES: Final = 128 << 10
"""A query and a response of the largest size with the little around them."""
MAX_CONTROL_BYTES: Final = 512
"""As in fstrm, `FSTRM_CONTROL_FRAME_LENGTH_MAX`."""

ACCEPT, START, STOP, READY, FINISH = 1, 2, 3, 4, 5
_CONTENT_TYPE: Final = 1
_U32: Final = Struct("!I")
_U32_PAIR: Final = Struct("!II")


class _State(Enum):
    NEW = auto()
    """Waits for READY or START."""
    READY = auto()
    """Has accepted; waits for START."""
    STARTED = auto()
    ENDED = auto()
    """STOP has come."""
    BROKEN = auto()


class FrameStream:
    """The reader's side of one connection."""

    def __init__(self, content_type: bytes) -> None:
        self._content_type = content_type
        self._state = _State.NEW
        self._is_bidirectional = False
        self._rest = bytearray()
        """Bytes of a frame that has not ended."""
        self._needed = 0
        """With fewer bytes than these, looking at `_rest` again is no use."""
        self._reply = b""

    @property
    def is_started(self) -> bool:
        """Whether data frames may come."""
        return self._state is _State.STARTED

    @property
    def is_ended(self) -> bool:
        """Whether the writer has said that it is done."""
        return self._state is _State.ENDED

    @property
    def is_broken(self) -> bool:
        """Whether something came that is no Frame Streams of our content type; all after it is ignored."""
        return self._state is _State.BROKEN

    @property
    def is_owed(self) -> bool:
        """Whether the writer has begun what it has not ended: the handshake, or a frame. Between frames it may rest."""
        return self._state in (_State.NEW, _State.READY) or bool(self._rest)

    @property
    def held_bytes(self) -> int:
        """What is kept of an unfinished frame."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the data frames that `data` completes, in order."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        frames: list[bytes] = []
        start = 0
        while self._state not in (_State.ENDED, _State.BROKEN):
            if self._state is _State.STARTED:
                start = _take_frames(data, start, frames)
            bounds = self._bounds(data, start)
            if bounds is None:
                self._state = _State.BROKEN
                break
            is_control, body, end = bounds
            if end > len(data):
                self._needed = end - start
                self._rest += data[start:]
                break
            if is_control:
                self._control(data[body:end])
            else:
                frames.append(data[body:end])
            start = end
        return frames

    def take_reply(self) -> bytes:
        """Return what is to be sent to the writer now, once; mostly nothing."""
        reply, self._reply = self._reply, b""
        return reply

    def _bounds(self, data: bytes, start: int) -> tuple[bool, int, int] | None:
        """Return whether a control frame is at `start`, and where its body begins and ends as far as can be told yet.

        None where no frame of such a length may stand.
        """
        body = start + _U32.size
        if len(data) < body:
            return False, body, body
        (length,) = _U32.unpack_from(data, start)
        if length:
            is_allowed = self._state is _State.STARTED and length <= MAX_FRAME_BYTES
            return (False, body, body + length) if is_allowed else None
        body += _U32.size
        if len(data) < body:
            return True, body, body
        (length,) = _U32.unpack_from(data, start + _U32.size)
        return (True, body, body + length) if _U32.size <= length <= MAX_CONTROL_BYTES else None

    def _control(self, frame: bytes) -> None:
        """Take a control frame: its type and, each with its length, the content types it names."""
        (kind,) = _U32.unpack_from(frame)
        types = _parse_content_types(frame)
        # One that names none leaves the type open (READY) or as agreed (START)
        is_ours = types is not None and (not types or self._content_type in types)
        if kind == READY and self._state is _State.NEW and is_ours:
            self._state = _State.READY
            self._is_bidirectional = True
            self._reply += encode_control(ACCEPT, self._content_type)
        elif kind == START and self._state in (_State.NEW, _State.READY) and is_ours:
            self._state = _State.STARTED
        elif kind == STOP and self._state is _State.STARTED:
            self._state = _State.ENDED
            if self._is_bidirectional:
                self._reply += encode_control(FINISH)
        else:
            self._state = _State.BROKEN


def encode_control(kind: int, content_type: bytes = b"") -> bytes:
    """Return a control frame on the wire, escape included."""
    field = _U32_PAIR.pack(_CONTENT_TYPE, len(content_type)) + content_type if content_type else b""
    return _U32_PAIR.pack(0, _U32.size + len(field)) + _U32.pack(kind) + field


def encode_frame(data: bytes) -> bytes:
    """Return a data frame on the wire."""
    return _U32.pack(len(data)) + data


def _take_frames(data: bytes, start: int, frames: list[bytes]) -> int:
    """Append the whole data frames from `start` on; return where the first thing stands that is none."""
    size, length_at = len(data), _U32.unpack_from
    while start + 4 <= size:
        (length,) = length_at(data, start)
        end = start + 4 + length
        if end > size or not 0 < length <= MAX_FRAME_BYTES:
            break
        frames.append(data[start + 4 : end])
        start = end
    return start


def _parse_content_types(frame: bytes) -> list[bytes] | None:
    """Return the content types named in a control frame; None where its fields are none."""
    types: list[bytes] = []
    at = _U32.size
    while at < len(frame):
        if len(frame) < at + _U32_PAIR.size:
            return None
        field, length = _U32_PAIR.unpack_from(frame, at)
        at += _U32_PAIR.size + length
        if field != _CONTENT_TYPE or at > len(frame):
            return None
        types.append(frame[at - length : at])
    return types
