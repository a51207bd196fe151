"""What a frame costs on its way through capture, without a kernel: `python -m bench.frames`.

Blocks of frames as the packet source hands them over, the same queries and responses again and again, or new names.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support import packets

from grapevine.capture.blocks import PADDING
from grapevine.capture.counters import Counters, Reason
from grapevine.capture.intake import Intake, Matching
from grapevine.wire.codec import encode_batch
from grapevine.wire.schema import Batch, BatchHeader, Hearing

PAIRS = 20_000
PAIRS_A_SECOND = 20_000
BLOCK_FRAMES = 1_000
"""What fills a block of the ring."""
NAMES = 200
"""Distinct names of the runs that repeat."""
ROUNDS = 5
"""Of which the fastest is told: the machine is shared."""
HEADER = BatchHeader("bench", 1, 1, "", 0, Hearing(("packet",), 0))
CLUSTER = ".shop.svc.cluster.local"

Frame = tuple[bytes, int, int, int, int]
"""As `packets.ring_block` takes one: octets, ethertype, direction, interface, time in ns."""


def run() -> list[tuple[str, str]]:
    """Return the figures by label."""
    figures = []
    for label, frames, *matching in (
        ("repeats, one copy of each", pairs()),
        ("repeats, without the query, --match off", pairs(has_queries=False), "off"),
        ("repeats, one copy of each, IPv6", pairs(is_ipv6=True)),
        ("repeats, TTLs that count down", pairs(ttl_step=1)),
        ("repeats, three addresses in changing order", pairs(is_shuffled=True)),
        ("repeats, two copies of each", pairs(copies=2)),
        ("1 new name in 20", pairs(new_every=20)),
        ("new names, 250 clients", pairs(new_every=1, clients=250)),
        ("a flood of new names, one client", pairs(new_every=1, clients=1)),
        ("forged: no query", pairs(has_queries=False)),
    ):
        cpu_us, found = measure(frames, *matching)
        figures.append((f"query and response: {label}", f"{cpu_us:.2f} µs"))
        figures.append((f"  observations of {PAIRS:,} responses, with their encoding", f"{found:,}"))
    figures.append(
        ("RSS with every table of the intake full, without the interpreter's 9 MiB", f"{full_mib():.1f} MiB")
    )
    return figures


def pairs(
    *,
    is_ipv6: bool = False,
    ttl_step: int = 0,
    is_shuffled: bool = False,
    copies: int = 1,
    new_every: int = 0,
    clients: int = 50,
    has_queries: bool = True,
) -> list[Frame]:
    """Return the frames of queries and responses."""
    ethertype = 0x86DD if is_ipv6 else 0x0800
    made = _packets(is_ipv6, ttl_step, is_shuffled, copies, new_every, clients, has_queries)
    return [
        (packet, ethertype, direction, 1, 1_000_000_000 + number * 1_000_000_000 // PAIRS_A_SECOND)
        for number, packet, direction in made
    ]


def _packets(
    is_ipv6: bool, ttl_step: int, is_shuffled: bool, copies: int, new_every: int, clients: int, has_queries: bool
) -> Iterator[tuple[int, bytes, int]]:
    wrap: Callable[..., bytes] = packets.ipv6 if is_ipv6 else packets.ipv4
    resolver, behind = ("fd00::a", "fd00::b") if is_ipv6 else (packets.RESOLVER, packets.COREDNS)
    family = "fd00:1::{:x}" if is_ipv6 else "10.244.1.{}"
    for number in range(PAIRS):
        fresh = new_every and number % new_every == 0
        name = f"n{number}.example.com" if fresh else f"service-{number % NAMES}{CLUSTER}"
        client = family.format(1 + number % clients)
        port, identity = 32_768 + number % 16_384, number & 0xFFFF
        records = [packets.a_record(f"10.96.{number % NAMES}.{1 + i}") for i in range(3 if is_shuffled else 1)]
        if is_shuffled:
            turn = number // NAMES % 3
            records = records[turn:] + records[:turn]
        query = packets.udp(
            packets.dns_response(name, flags=0x0100, transaction_id=identity), src_port=port, dst_port=53
        )
        message = bytearray(packets.dns_response(name, records=records, transaction_id=identity))
        if ttl_step:
            message[-7] = number // NAMES % 30
        response = packets.udp(bytes(message), dst_port=port)
        if has_queries:
            for server, direction in ((resolver, packets.HOST), (behind, packets.OUTGOING))[:copies]:
                yield number, wrap(query, src=client, dst=server), direction
        for server, direction in ((behind, packets.OTHERHOST), (resolver, packets.OUTGOING))[2 - copies :]:
            yield number, wrap(response, src=server, dst=client), direction


def measure(frames: list[Frame], matching: Matching = "on") -> tuple[float, int]:
    """Return CPU µs a query and its response, to encoded batches, and the number of observations in one round."""
    counters = Counters()
    intake = Intake("packet", 1_000, counters, matching=matching)
    best_s, found = float("inf"), 0
    for number in range(ROUNDS):
        blocks = list(_blocks(frames, number * (1_000 + PAIRS * 1_000 // PAIRS_A_SECOND)))
        start_s = time.process_time()
        for block, count in blocks:
            intake.block(block, packets.RING_HEADER_BYTES, count)
        intake.flush()
        cuts = intake.take()
        for cut in cuts:
            encode_batch(Batch(HEADER, cut))
        best_s = min(best_s, time.process_time() - start_s)
        found = sum(map(len, cuts))
    assert counters[Reason.FRAMES] == ROUNDS * len(frames)
    return best_s / PAIRS * 1e6, found


def _blocks(frames: list[Frame], shift_ms: int) -> Iterator[tuple[bytes, int]]:
    for first in range(0, len(frames), BLOCK_FRAMES):
        shifted = [(*frame[:4], frame[4] + shift_ms * 1_000_000) for frame in frames[first : first + BLOCK_FRAMES]]
        block, count = packets.ring_block(shifted)
        yield block + PADDING, count


FULL = """
import sys
from bench.frames import fill, rss_mib
from grapevine.capture.intake import Intake
from grapevine.capture.counters import Counters
before = rss_mib()
intake = Intake("packet", 1_000, Counters(), matching="on")
fill(intake)
print(rss_mib() - before)
"""


def full_mib() -> float:
    """Return what an intake takes in memory when more of everything has come than any of its tables takes."""
    done = subprocess.run(
        [sys.executable, "-c", FULL], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]
    )
    return float(done.stdout)


def fill(intake: Intake) -> None:
    """Give an intake new names of many clients, queries without response, connections and segments in disorder."""
    records = [packets.a_record(f"192.0.2.{i}") for i in range(8)]
    for number in range(60_000):
        time_ms = 1_000 + number // 20
        client = f"10.{number % 97}.{number // 97 % 250}.1"
        name = f"name-of-usual-length-{number}.example.com"
        if number % 3 == 0:
            answer = packets.dns_response(name, records=records, transaction_id=number & 0xFFFF)
            query = packets.dns_response(name, flags=0x0100, transaction_id=number & 0xFFFF)
            made = [
                packets.ipv4(packets.udp(query, src_port=40_000, dst_port=53), src=client, dst=packets.RESOLVER),
                packets.ipv4(packets.udp(answer), dst=client),
            ]
        elif number % 3 == 1:
            query = packets.dns_response(name, flags=0x0100, transaction_id=number & 0xFFFF)
            made = [packets.ipv4(packets.udp(query, src_port=40_000, dst_port=53), src=client, dst=packets.RESOLVER)]
        else:
            syn = packets.tcp(b"", seq=number, flags=packets.SYN, src_port=40_000, dst_port=443)
            segment = packets.tcp(b"\1\0" + bytes(2) + b"\x81" + bytes(500), seq=number, dst_port=number % 60_000)
            made = [packets.ipv4(each, src=client, dst=packets.RESOLVER, proto=6) for each in (syn, segment)]
        for packet in made:
            intake.frame(packet, 0, len(packet), 0x0800, packets.OUTGOING, time_ms)
        intake.take()


def rss_mib() -> float:
    """Return the resident memory of this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1_024


if __name__ == "__main__":
    for label, figure in run():
        print(f"{label}: {figure}")
