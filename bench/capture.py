"""What capture costs: CPU a response on the path of a capture file, memory after start. `python -m bench.capture`."""

import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tests.support import packets

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import parse_response
from grapevine.capture.frames import locate
from grapevine.capture.intake import Intake
from grapevine.capture.replay import WINDOW_MS
from grapevine.capture.sources.pcap import PcapDecoder
from grapevine.wire.codec import encode_batch
from grapevine.wire.schema import Batch, BatchHeader, Hearing

RESPONSES = 10_000
NAMES = 200
"""Distinct names of the repeated run: what one node asks for again and again."""
RESPONSES_A_SECOND = 2_000
HEADER = BatchHeader("bench", 1, 1, "", 0, Hearing(("pcap",), 0))
SOURCE = Path(__file__).parents[1] / "operator"
MEMORY = """
import sys
sys.path.insert(0, sys.argv[1])
import grapevine.cli.main, grapevine.cli.capture, grapevine.capture.loop
if "TLS" in sys.argv:
    import ssl, grapevine.capture.tls
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
print(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
"""


def run() -> list[tuple[str, str]]:
    """Return the figures by label."""
    figures = []
    for label, names in (("fresh names", RESPONSES), ("repeated names", NAMES)):
        cpu_us, observations = measure(capture_file(names))
        figures.append((f"CPU a response, {label}, both copies decoded", f"{cpu_us:.0f} µs"))
        figures.append((f"observations sent for {RESPONSES:,} responses, {label}", f"{observations:,}"))
    figures.append(("CPU of the costliest hostile message of tests/data/vectors", f"{worst_vector_ms():.1f} ms"))
    figures.append(("RSS after import, packet source, without its ring of 2 MiB", f"{memory_kib() / 1_024:.1f} MiB"))
    figures.append(("the same with TLS loaded", f"{memory_kib('TLS') / 1_024:.1f} MiB"))
    return figures


def capture_file(names: int) -> bytes:
    """Return a capture of `RESPONSES` responses of three addresses, each with its two copies, over `names` names."""
    return packets.pcap(_frames(names))


def _frames(names: int) -> Iterable[tuple[int, bytes]]:
    records = [packets.a_record(f"192.0.2.{i}") for i in range(3)]
    for number in range(RESPONSES):
        name = f"service-{number % names}.shop.example.com"
        datagram = packets.udp(packets.dns_response(name, records=records, transaction_id=number & 0xFFFF))
        time_ms = number * 1_000 // RESPONSES_A_SECOND
        for resolver, direction in ((packets.COREDNS, packets.OTHERHOST), (packets.RESOLVER, packets.OUTGOING)):
            yield time_ms, packets.cooked_v2(packets.ipv4(datagram, src=resolver), direction=direction)


def measure(content: bytes) -> tuple[float, int]:
    """Return CPU µs a response from the file's bytes to encoded batches, and the number of observations in them."""
    counters, decoder = Counters(), PcapDecoder("bench")
    intake = Intake("pcap", WINDOW_MS, counters)
    start_s = time.process_time()
    for frame in decoder.feed(content):
        start, ethertype, direction = locate(frame.linktype, frame.data)
        intake.frame(frame.data, start, len(frame.data), ethertype, direction, frame.time_ms)
    intake.flush()
    cuts = intake.take()
    for cut in cuts:
        encode_batch(Batch(HEADER, cut))
    elapsed_s = time.process_time() - start_s
    assert counters[Reason.EVENTS] == RESPONSES
    return elapsed_s / RESPONSES * 1e6, sum(map(len, cuts))


def worst_vector_ms() -> float:
    """Return the CPU milliseconds of the hostile message that costs most to reject."""
    return max(_parse_ms(path.read_bytes()) for path in packets.VECTORS.glob("*.bin"))


def _parse_ms(message: bytes) -> float:
    start_s = time.thread_time()
    parse_response(message)
    return (time.thread_time() - start_s) * 1e3


def memory_kib(*words: str) -> int:
    """Return the resident memory of a process that has imported all that `grapevine capture` imports for packets."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", SOURCE / "grapevine"], check=True)
    command = [sys.executable, "-c", MEMORY, str(SOURCE), *words]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    for label, figure in run():
        print(f"{label}: {figure}")
