"""The ring without a kernel: a socket of the test's own, and a file of memory written as the kernel would."""

import errno
import os
import struct
import sys
from collections.abc import Iterator

import pytest
from tests.support.packets import RING_HEADER_BYTES, ring_block

from grapevine.capture.blocks import PADDING, walk
from grapevine.capture.sources import ring as ring_module
from grapevine.capture.sources.bpf import empty_filter
from grapevine.capture.sources.ring import BLOCK_BYTES, RING_BLOCKS, Ring
from grapevine.model.errors import PermanentInputError

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs memfd_create, which Linux alone has")

SOL_PACKET, RX_RING, STATISTICS = 263, 5, 6
KERNEL, USER = 0, 1
PROGRAM = empty_filter()


class FakeSocket:
    """A packet socket: refuses the ring as often as it is told, and has memory for it."""

    def __init__(self) -> None:
        self.refusals: list[int] = []
        self.blocks = 0
        self.error = 0
        self.drops = 0
        self.queued = [b"heard before the filter"]
        self.is_closed = False
        self._memory = os.memfd_create("ring")

    def fileno(self) -> int:
        return self._memory

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        if (level, option) != (SOL_PACKET, RX_RING):
            return
        if self.refusals:
            code = self.refusals.pop(0)
            raise OSError(code, os.strerror(code))
        assert isinstance(value, bytes)
        size, self.blocks, *_ = struct.unpack("7I", value)
        os.ftruncate(self._memory, size * self.blocks)

    def getsockopt(self, level: int, option: int, size: int = 0) -> int | bytes:
        if (level, option) == (SOL_PACKET, STATISTICS):
            drops, self.drops = self.drops, 0
            return struct.pack("3I", 1_000, drops, 0)
        error, self.error = self.error, 0
        return error

    def recv(self, size: int) -> bytes:
        if not self.queued:
            raise BlockingIOError
        return self.queued.pop()

    def close(self) -> None:
        if not self.is_closed:
            os.close(self._memory)
        self.is_closed = True

    def fill(
        self, block: int, *frames: tuple[bytes, int, int, int], time_ms: int = 1_234, at: int = RING_HEADER_BYTES
    ) -> None:
        """Hand over a block of frames, the first at `at`: octets, ethertype, packet type, interface."""
        body, count = ring_block([(*frame, time_ms * 1_000_000) for frame in frames], at)
        header = struct.pack("6I", 1, 0, USER, count, at, len(body))  # linux/if_packet.h
        os.pwrite(self._memory, header + body[len(header) :], block * BLOCK_BYTES)

    def owner(self, block: int) -> int:
        """Return who owns a block."""
        return int.from_bytes(os.pread(self._memory, 4, block * BLOCK_BYTES + 8), sys.byteorder)


@pytest.fixture
def packets(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSocket]:
    fake = FakeSocket()
    monkeypatch.setattr(ring_module.socket, "socket", lambda *_: fake)
    yield fake
    fake.close()


class Heard:
    """A sink, and a watch, that keep the frames they are given."""

    def __init__(self) -> None:
        self.frames: list[tuple[bytes, int, int, int]] = []
        self.interfaces: list[int] = []

    def sink(self, data: bytes, at: int, count: int) -> None:
        assert type(data) is bytes
        frames = list(walk(data, at, count))
        assert len(data) >= frames[-1][1] + len(PADDING)
        self.frames += [
            (data[start:end], ethertype, direction, ms) for start, end, ethertype, direction, ms, _ in frames
        ]

    def watch(self, *frame: int | bytes) -> None:
        self.interfaces.append(int(frame[-1]))


def test_gives_the_frames_of_a_block_with_its_time_and_gives_the_block_back(packets: FakeSocket) -> None:
    ring, heard = Ring(PROGRAM), Heard()
    packets.fill(0, (b"first", 0x0800, 4, 7), (b"the second one", 0x86DD, 0, 8), time_ms=1_700_000_000_123)
    assert ring.drain(heard.sink) == 2
    assert heard.frames == [(b"first", 0x0800, 4, 1_700_000_000_123), (b"the second one", 0x86DD, 0, 1_700_000_000_123)]
    assert packets.owner(0) == KERNEL
    ring.close()


def test_pads_a_block_that_ends_with_the_ring(packets: FakeSocket) -> None:
    ring, heard = Ring(PROGRAM), Heard()
    for block in range(packets.blocks):
        packets.fill(block, (b"last", 0x0800, 4, 7), at=BLOCK_BYTES - 96 - 16)
    assert ring.drain(heard.sink) == packets.blocks
    assert heard.frames == [(b"last", 0x0800, 4, 1_234)] * packets.blocks
    ring.close()


def test_shows_interfaces_to_who_watches(packets: FakeSocket) -> None:
    ring, heard = Ring(PROGRAM), Heard()
    packets.fill(0, (b"a", 0x0800, 4, 7), (b"b", 0x0800, 4, 8))
    ring.drain(heard.sink, heard.watch)
    assert heard.interfaces == [7, 8]
    assert len(heard.frames) == 2
    ring.close()


def test_goes_round_the_ring_once_a_call_and_stops_at_the_kernels_block(packets: FakeSocket) -> None:
    ring, heard = Ring(PROGRAM), Heard()
    for block in range(packets.blocks):
        packets.fill(block, (bytes([block]), 0x0800, 4, 7))
    assert ring.drain(heard.sink) == packets.blocks
    assert ring.drain(heard.sink) == 0
    packets.fill(0, (b"again", 0x0800, 4, 7))
    packets.fill(2, (b"not yet", 0x0800, 4, 7))  # the kernel hands over in order
    assert ring.drain(heard.sink) == 1
    assert [data for data, *_ in heard.frames] == [*(bytes([i]) for i in range(packets.blocks)), b"again"]
    ring.close()


def test_an_empty_block_is_given_back(packets: FakeSocket) -> None:
    ring, heard = Ring(PROGRAM), Heard()
    packets.fill(0)
    packets.fill(1, (b"x", 0x0800, 4, 7))
    assert ring.drain(heard.sink) == 1
    assert (packets.owner(0), packets.owner(1)) == (KERNEL, KERNEL)
    ring.close()


def test_reads_nothing_that_came_before_the_filter(packets: FakeSocket) -> None:
    Ring(PROGRAM).close()
    assert packets.queued == []


def test_takes_a_smaller_ring_where_the_kernel_has_no_memory(packets: FakeSocket) -> None:
    packets.refusals = [errno.ENOMEM] * (len(RING_BLOCKS) - 1)
    ring, heard = Ring(PROGRAM), Heard()
    assert packets.blocks == RING_BLOCKS[-1]
    for block in range(packets.blocks):
        packets.fill(block, (b"x", 0x0800, 4, 7))
    assert ring.drain(heard.sink) == packets.blocks
    ring.close()


@pytest.mark.parametrize("refusals", [[errno.ENOMEM] * len(RING_BLOCKS), [errno.EINVAL]])
def test_says_that_there_is_no_ring(packets: FakeSocket, refusals: list[int]) -> None:
    packets.refusals = refusals
    with pytest.raises(PermanentInputError, match=r"refuses the packet ring: .*TPACKET_V3"):
        Ring(PROGRAM)
    assert packets.is_closed


def test_an_interface_that_went_away_is_no_error_but_others_are(packets: FakeSocket) -> None:
    ring, heard = Ring(PROGRAM), Heard()
    packets.error = errno.ENETDOWN
    assert ring.drain(heard.sink) == 0
    packets.error = errno.ENOBUFS
    with pytest.raises(OSError, match=os.strerror(errno.ENOBUFS)):
        ring.drain(heard.sink)
    ring.close()


def test_counts_drops_since_the_last_call(packets: FakeSocket) -> None:
    ring = Ring(PROGRAM)
    packets.drops = 7
    assert [ring.take_drops(), ring.take_drops()] == [7, 0]
    ring.close()
