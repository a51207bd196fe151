"""What DNS servers' own words cost: CPU a dnstap message, from the socket to the aggregated observation, and CPU a line
of CoreDNS's log. `python -m bench dnstap`.
"""

import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from random import Random

from tests.support import packets, taps

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.sources.corelog import LogLine, LogParser
from grapevine.capture.sources.dnstap import DnstapSource, ListenAddress
from grapevine.capture.sources.framestream import encode_frame
from grapevine.capture.told import Told

RESPONSES = 100_000
CLIENTS, NAMES = 200, 40
"""Of the load: 200 pods that ask for 40 names each, A and AAAA, and now and then for a name nobody asked for before."""
TARGET_MESSAGES_A_SECOND = 34_000
SENDER = """
import socket, sys, time
data = sys.stdin.buffer.read()
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as out:
    out.sendall(data)
    out.shutdown(socket.SHUT_WR)
    while out.recv(4096):
        pass
"""


def run() -> list[tuple[str, str]]:
    """Return the figures by label."""
    figures = []
    for label, fresh in (("all repeats", 0.0), ("5 % new names", 0.05), ("new names alone", 1.0)):
        responses = RESPONSES // 10 if fresh == 1.0 else RESPONSES
        us = measure(load(responses, fresh), responses)
        figures.append((f"CPU a message, {label}, of two messages a response", f"{us:.1f} µs"))
        figures.append(
            (
                f"of a core at {TARGET_MESSAGES_A_SECOND:,} messages/s, {label}",
                f"{us * TARGET_MESSAGES_A_SECOND / 1e4:.0f} %",
            )
        )
    figures.append(("CPU a line of CoreDNS's log, common format, all repeats", f"{measure_log():.1f} µs"))
    return figures


def measure_log() -> float:
    """Return CPU µs a line, from its bytes to the aggregated observation."""
    random, start_ms = Random(5), 1_795_393_029_000
    lines = [
        f"2026-11-23T00:17:{number // 2_000 % 60:02}.{number % 2_000:04}00000Z [INFO] 10.244.{random.randrange(4)}."
        f"{random.randrange(CLIENTS // 4)}:{random.randrange(1_024, 65_536)} - {random.randrange(65_536)} "
        f'"A IN service-{random.randrange(NAMES)}.shop.svc.cluster.local. udp 62 false 1232" NOERROR qr,aa 122 0.001s'
        for number in range(RESPONSES // 4)
    ]
    counters = Counters()
    told, parser = Told("log", 1_000, counters), LogParser()
    start_s = time.process_time()
    for number, line in enumerate(lines):
        found = parser.parse(line.encode())
        assert isinstance(found, LogLine)
        told.line(found, bytes(4), start_ms + number // 20)
    told.flush()
    elapsed_s = time.process_time() - start_s
    assert counters[Reason.MESSAGES] == len(lines)
    return elapsed_s / len(lines) * 1e6


def load(responses: int, fresh: float) -> bytes:
    """Return what CoreDNS sends of so many responses: CLIENT_QUERY and CLIENT_RESPONSE of each, TTLs counting down."""
    return taps.START + b"".join(encode_frame(taps.tap(each)) for each in _messages(responses, fresh)) + taps.STOP


def _messages(responses: int, fresh: float) -> Iterator[bytes]:
    random = Random(5)
    now_ms = time.time_ns() // 1_000_000
    for number in range(responses):
        asked = number if random.random() < fresh else random.randrange(NAMES)
        name = (
            f"service-{asked}.shop.svc.cluster.local"
            if asked % 4
            else f"service-{asked}.example.com.shop.svc.cluster.local"
        )
        records, flags = [(b"\xc0\x0c", packets.A, bytes((10, 96, asked >> 8 & 255, asked & 255)))], 0x8580
        if asked % 4 == 0:  # search list: does not exist
            records, flags = [], 0x8583
        message = packets.dns_response(name, records=records, flags=flags, transaction_id=random.randrange(65_536))
        if records:  # TTL of the only record: before its length and its four octets
            message = message[:-10] + (30 - number // 4_000 % 30).to_bytes(4, "big") + message[-6:]
        client = f"10.244.{random.randrange(4)}.{random.randrange(CLIENTS // 4)}"
        yield taps.message(kind=taps.CLIENT_QUERY, client=client, query_ms=now_ms)
        yield taps.message(message, client=client, query_ms=now_ms, response_ms=now_ms + 1)


def measure(stream: bytes, responses: int) -> float:
    """Return CPU µs a message of a listener that a process sends `stream` to, encoding left out."""
    counters = Counters()
    told = Told("dnstap", 1_000, counters)
    with (
        closing(DnstapSource(ListenAddress("127.0.0.1", 0, ""), counters)) as source,
        selectors.PollSelector() as ready,
    ):
        ready.register(source, selectors.EVENT_READ)
        sender = subprocess.Popen([sys.executable, "-c", SENDER, str(source.port)], stdin=subprocess.PIPE)
        assert sender.stdin is not None
        with sender.stdin:
            sender.stdin.write(stream)
        while source.hearing_since_ms is None:
            ready.select()
            _drain(source, told)
        start_s, counted = time.process_time(), counters[Reason.FRAMES]
        while source.hearing_since_ms is not None:
            ready.select()
            _drain(source, told)
            told.take()
        told.flush()
        elapsed_s, counted = time.process_time() - start_s, counters[Reason.FRAMES] - counted
        sender.wait(10)
    ends = sum(counters[each] for each in (Reason.EVENTS, Reason.FOLDED, Reason.WINDOW_FULL))
    assert (counters[Reason.FRAMES], ends) == (2 * responses, responses), counters.snapshot()
    return elapsed_s / counted * 1e6


def _drain(source: DnstapSource, told: Told) -> None:
    for tap, now_ms in source.read():
        told.tap(tap, now_ms)


if __name__ == "__main__":
    for label, figure in run():
        print(f"{label}: {figure}")
