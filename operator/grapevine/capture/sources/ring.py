"""An AF_PACKET socket with a TPACKET_V3 ring: the kernel writes packets into memory that we read (Linux only).

The kernel fills one block after the other and hands over each when it is full or `RETIRE_MS` old, so that a busy node
costs one wake-up for a thousand packets and an idle one none. Needs CAP_NET_RAW to open and no capability afterwards.
Structures: linux/if_packet.h, Documentation/networking/packet_mmap.rst.
"""

import errno
import mmap
import os
import socket
from array import array
from collections.abc import Callable
from struct import Struct
from typing import Final

from grapevine.capture.blocks import PADDING, walk
from grapevine.capture.sources.bpf import Instruction, empty_filter, encode
from grapevine.model.errors import PermanentInputError

BLOCK_BYTES: Final = 512 << 10
"""Two thousand queries and responses. At 2,000 of each a second a block is full within `RETIRE_MS`, or nearly."""
RING_BLOCKS: Final = (4, 2)
"""Tried one after the other until the kernel grants it. 2 MiB hold a tenth of a second at 20,000 responses a second
with their queries and all copies of both; they count in RSS from the start."""
RETIRE_MS: Final = 500
"""How long a packet waits for its block to fill. No map shows it, and each time we wake up costs as much as hundreds of
packets, most of it for caches that have gone cold. A block is used up by then, however empty, so 4 of them let us stand
still for 2 s."""

Sink = Callable[[bytes, int, int], None]
"""Takes the frames of one block: (data, at, count), as `blocks.walk`; `blocks.PADDING` or more follows the last."""
Watch = Callable[[bytes, int, int, int, int, int, int], None]
"""Takes one frame, first: (data, start, end, ethertype, direction, time_ms, interface), as in `blocks.Located`."""

_ETH_P_ALL: Final = 3
_SO_ATTACH_FILTER: Final = 26
_SOL_PACKET: Final = 263
_RX_RING, _STATISTICS, _VERSION = 5, 6, 10
_TPACKET_V3: Final = 2
_KERNEL, _USER = 0, 1
"""Who owns a block: `TP_STATUS_KERNEL`, `TP_STATUS_USER`."""

_REQUEST: Final = Struct("7I")
"""`struct tpacket_req3`."""
_STATISTICS_V3: Final = Struct("3I")
_PROGRAM: Final = Struct("HP")
"""`struct sock_fprog`: number of instructions, padding, pointer to them."""
_BLOCK: Final = Struct("8x4I")
"""Of `struct tpacket_block_desc`: status, packets, offset of the first one, octets used."""
_STATUS: Final = Struct("I")
_STATUS_OFFSET: Final = 8


class Ring:
    """DNS traffic of every interface of this network namespace, as they come and go.

    Raises:
        PermanentInputError: on making it, no Linux, no CAP_NET_RAW, or the kernel has no such ring.
    """

    def __init__(self, program: tuple[Instruction, ...]) -> None:
        """Open the socket and let in what passes `program`."""
        self._socket = _open()
        try:
            self._blocks = _make_ring(self._socket)
            self._memory = mmap.mmap(self._socket.fileno(), self._blocks * BLOCK_BYTES)
            self.attach(program)
        except OSError as e:
            self._socket.close()
            raise PermanentInputError(
                f"--source packet: the kernel refuses the packet ring: {e.strerror}; it needs TPACKET_V3 and 1 MiB"
            ) from e
        self._next = 0
        """The block that the kernel hands over next."""

    def fileno(self) -> int:
        """Return the socket, to wait on."""
        return self._socket.fileno()

    def attach(self, program: tuple[Instruction, ...]) -> None:
        """Replace the filter at once; what has passed the one before is still in the ring."""
        _attach(self._socket, program)

    def drain(self, sink: Sink, watch: Watch | None = None) -> int:
        """Give the blocks that the kernel has handed over to `sink`; return the number of frames.

        `watch` is shown each frame of a block before, where there is one. At most one round of the ring, then signals
        and windows get their turn.
        """
        memory = self._memory
        frames = 0
        for _ in range(self._blocks):
            block = self._next * BLOCK_BYTES
            status, count, at, used = _BLOCK.unpack_from(memory, block)
            if not status & _USER:
                break
            # A copy, for slices of bytes are cheaper than of the mapping and can be kept; the block goes back at once
            data = memory[block : block + used + len(PADDING)]
            if len(data) < used + len(PADDING):
                data += PADDING
            _STATUS.pack_into(memory, block + _STATUS_OFFSET, _KERNEL)
            self._next = (self._next + 1) % self._blocks
            frames += count
            if watch is not None:
                for start, end, ethertype, direction, time_ms, interface in walk(data, at, count):
                    watch(data, start, end, ethertype, direction, time_ms, interface)
            if count:
                sink(data, at, count)
        if not frames:
            self._raise_error()
        return frames

    def take_drops(self) -> int:
        """Return the packets the kernel dropped since the last call, for the ring was full."""
        _, drops, _ = _STATISTICS_V3.unpack(self._socket.getsockopt(_SOL_PACKET, _STATISTICS, _STATISTICS_V3.size))
        return int(drops)

    def close(self) -> None:
        """Give back the memory and close the socket."""
        self._memory.close()
        self._socket.close()

    def _raise_error(self) -> None:
        """Take the error that made the socket readable without a packet, or it would stay so."""
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error not in (0, errno.ENETDOWN):  # an interface that went away takes nothing else with it
            raise OSError(error, os.strerror(error))


def _open() -> socket.socket:
    """Return a socket that hears nothing yet and has heard nothing."""
    if not hasattr(socket, "AF_PACKET"):
        raise PermanentInputError(
            "--source packet needs Linux; elsewhere use `tcpdump -w - | … --source pcap --file -`"
        )
    try:
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    except PermissionError as e:
        raise PermanentInputError(
            "--source packet needs the capability CAP_NET_RAW: run as root, or `setcap cap_net_raw+ep` on the "
            "interpreter, or in a pod securityContext.capabilities.add: [NET_RAW]"
        ) from e
    # The socket hears everything from its first moment, for Python can bind one to an interface only, not to all of
    # them later. So shut it and empty it: what the ring gets has passed the filter
    packets.setblocking(False)
    _attach(packets, empty_filter())
    _discard(packets)
    return packets


def _make_ring(packets: socket.socket) -> int:
    """Have the kernel make a ring, smaller where it has no memory for a large one; return the number of blocks."""
    packets.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V3)
    for blocks in RING_BLOCKS:
        request = _REQUEST.pack(BLOCK_BYTES, blocks, BLOCK_BYTES, blocks, RETIRE_MS, 0, 0)
        try:
            packets.setsockopt(_SOL_PACKET, _RX_RING, request)
        except OSError as e:
            if e.errno != errno.ENOMEM or blocks == RING_BLOCKS[-1]:
                raise
        else:
            return blocks
    raise AssertionError  # the last size returns or raises


def _attach(packets: socket.socket, program: tuple[Instruction, ...]) -> None:
    instructions = array("B", encode(program))
    address, _ = instructions.buffer_info()
    packets.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _PROGRAM.pack(len(program), address))


def _discard(packets: socket.socket) -> None:
    while True:
        try:
            packets.recv(1)
        except BlockingIOError:
            return
