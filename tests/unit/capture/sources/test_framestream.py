"""Frame Streams as the reader sees them."""

import pytest
from tests.support.taps import ACCEPT, FINISH, READY, START, STOP

from grapevine.capture.sources import framestream as fs
from grapevine.capture.sources.framestream import FrameStream, encode_control, encode_frame
from grapevine.capture.sources.tap import CONTENT_TYPE


def a_stream(*data: bytes) -> FrameStream:
    stream = FrameStream(CONTENT_TYPE)
    for each in data:
        stream.feed(each)
    return stream


def test_answers_the_handshake_of_a_writer_that_can_read() -> None:
    stream = a_stream(READY)
    assert (stream.take_reply(), stream.take_reply(), stream.is_started) == (ACCEPT, b"", False)
    assert stream.feed(START + encode_frame(b"one") + encode_frame(b"two")) == [b"one", b"two"]
    assert (stream.is_started, stream.take_reply()) == (True, b"")
    assert stream.feed(encode_frame(b"three") + STOP + b"whatever follows") == [b"three"]
    assert (stream.is_ended, stream.is_broken, stream.take_reply()) == (True, False, FINISH)


def test_a_writer_that_cannot_read_is_answered_nothing() -> None:
    stream = FrameStream(CONTENT_TYPE)
    assert stream.feed(START + encode_frame(b"one") + STOP) == [b"one"]
    assert (stream.is_ended, stream.take_reply()) == (True, b"")


def test_a_writer_may_offer_several_types_or_none() -> None:
    of_any = encode_control(fs.READY)
    field = fs._U32_PAIR.pack(1, 4) + b"more" + fs._U32_PAIR.pack(1, len(CONTENT_TYPE)) + CONTENT_TYPE
    offer = fs._U32_PAIR.pack(0, 4 + len(field)) + fs._U32.pack(fs.READY) + field
    assert [a_stream(ready).take_reply() for ready in (of_any, offer)] == [ACCEPT, ACCEPT]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",  # TLS
        encode_control(fs.READY, b"protobuf:something.Else"),
        encode_control(fs.START, b"protobuf:something.Else"),
        STOP,
        ACCEPT,
        READY + READY,
        READY + encode_frame(b"too early"),
        START + START,
        START + encode_control(77),
        START + fs._U32.pack(fs.MAX_FRAME_BYTES + 1),
        fs._U32_PAIR.pack(0, fs.MAX_CONTROL_BYTES + 1),
        fs._U32_PAIR.pack(0, 3),
        fs._U32_PAIR.pack(0, 5) + fs._U32.pack(fs.START) + b"x",
        fs._U32_PAIR.pack(0, 12) + fs._U32.pack(fs.START) + fs._U32_PAIR.pack(1, 9),
        fs._U32_PAIR.pack(0, 12) + fs._U32.pack(fs.START) + fs._U32_PAIR.pack(2, 0),
    ],
)
def test_anything_else_breaks_the_stream(data: bytes) -> None:
    stream = a_stream(data)
    assert stream.is_broken
    assert (stream.feed(START + encode_frame(b"x")), stream.held_bytes) == ([], 0)


def test_only_a_rest_between_frames_may_last() -> None:
    stream = FrameStream(CONTENT_TYPE)
    owed = [stream.is_owed]
    for data in (READY, START, encode_frame(b"one"), encode_frame(b"two")[:5], encode_frame(b"two")[5:]):
        stream.feed(data)
        owed.append(stream.is_owed)
    assert owed == [True, True, False, False, True, False]


def test_a_frame_of_the_largest_size_passes() -> None:
    stream = a_stream(START)
    data = encode_frame(bytes(fs.MAX_FRAME_BYTES))
    assert [stream.feed(data[i : i + 10_000]) for i in range(0, len(data), 10_000)][-1] == [bytes(fs.MAX_FRAME_BYTES)]
