"""The least that a reader of DNS in Python can do: `python -m bench.least FILE`; a yardstick for the machine.

A ring and a filter that passes one copy of each response over plain IPv4. Each is known by its client, flags and
question, and counted; no query, no answer, no connection, no other transport, and nobody is told. The number of them is
written to FILE once a second. What capture takes beside this, on the same node under the same load, is what it does.
"""

import mmap
import select
import socket
import struct
import sys
import time
from array import array
from pathlib import Path

_BLOCK, _BLOCKS, _RETIRE_MS = 256 << 10, 8, 60
_NETWORK = 96
_FILTER = (
    (0x28, 0, 0, 0xFFFFF000),  # protocol of the link layer: IPv4
    (0x15, 0, 8, 0x0800),
    (0x28, 0, 0, 0xFFFFF004),  # packet type: on its way out
    (0x15, 0, 6, 4),
    (0x30, 0, 0, 9),  # UDP
    (0x15, 0, 4, 17),
    (0xB1, 0, 0, 0),  # source port 53
    (0x48, 0, 0, 0),
    (0x15, 0, 1, 53),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)


def main() -> None:
    """Count until killed."""
    told = Path(sys.argv[1])
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    program = array("B", b"".join(struct.pack("HBBI", *each) for each in _FILTER))
    packets.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HP", len(_FILTER), program.buffer_info()[0]))
    packets.setsockopt(263, 10, 2)
    packets.setsockopt(263, 5, struct.pack("7I", _BLOCK, _BLOCKS, _BLOCK, _BLOCKS, _RETIRE_MS, 0, 0))
    ring = mmap.mmap(packets.fileno(), _BLOCKS * _BLOCK)
    poll = select.poll()
    poll.register(packets, select.POLLIN)
    seen: dict[bytes, list[float]] = {}
    block = total = 0
    due_s = 0.0
    while True:
        poll.poll(1_000)
        now_s = time.monotonic()
        while True:
            start = block * _BLOCK
            status, count, at, used = struct.unpack_from("8x4I", ring, start)
            if not status & 1:
                break
            data = ring[start : start + used]
            struct.pack_into("I", ring, start + 8, 0)
            block = (block + 1) % _BLOCKS
            _count(data, at, count, seen, now_s)
            total += count
        if now_s >= due_s:
            due_s = now_s + 1
            told.write_text(str(total))


def _count(data: bytes, at: int, count: int, seen: dict[bytes, list[float]], now_s: float) -> None:
    unpack = struct.Struct("=I8xI").unpack_from
    for _ in range(count):
        step, captured = unpack(data, at)
        start = at + _NETWORK
        behind = data.find(0, start + 40, start + captured) + 5
        key = data[start + 16 : start + 20] + data[start + 30 : behind]
        known = seen.get(key)
        if known is None or known[1] < now_s:
            seen[key] = [1, now_s + 30]
        else:
            known[0] += 1
        at += step


if __name__ == "__main__":
    main()
