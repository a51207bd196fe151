"""The packet ring in a process of its own, for a network namespace: `python -m tests.support.listener`.

It says "ready" once it listens, then answers each line of stdin with one of JSON: to `heard` the frames since the last
time, as (octets from the network header on in hex, ethertype, packet type); to `drops` what the kernel dropped. In
between it reads nothing.
"""

import json
import select
import sys

from grapevine.capture.blocks import walk
from grapevine.capture.sources.bpf import Wanted, wanted_filter
from grapevine.capture.sources.ring import RETIRE_MS, Ring


def main() -> None:
    """Listen until stdin ends."""
    ring = Ring(wanted_filter(Wanted()))
    heard: list[tuple[str, int, int]] = []

    def sink(data: bytes, at: int, count: int) -> None:
        heard.extend(
            (data[start:end].hex(), ethertype, direction)
            for start, end, ethertype, direction, *_ in walk(data, at, count)
        )

    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "drops":
            print(json.dumps(ring.take_drops()), flush=True)
            continue
        while select.select([ring], [], [], 5 * RETIRE_MS / 1_000)[0]:
            ring.drain(sink)
        print(json.dumps(heard), flush=True)
        heard.clear()
    ring.close()


if __name__ == "__main__":
    main()
