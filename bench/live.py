"""Capture on a node under load: CPU a response, idle CPU, memory and loss of the real process, for each source.

A node's network in namespaces (tests/support/node.py), CoreDNS in one pod, dnsperf in another, `grapevine capture` on
the node. The kernel's own work for a packet socket falls on whoever sends the packet and is not counted, here as in
the figures of others. Needs root, dnsperf, iproute2, nftables and CoreDNS (`make coredns`).
"""

import argparse
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.support.coredns import CoreDnsError, find_coredns
from tests.support.eventually import eventually
from tests.support.node import GATEWAY, Node, NodeError, Pod
from tests.support.processes import GRAPEVINE

from bench import load, usage
from bench.tally import Sums, Tally

RATES: Final = (2_000, 20_000)
SECONDS: Final = 15.0
IDLE_S: Final = 60.0
NEW_SHARE: Final = 0.05
WARM_UP_S: Final = 2.0
SETTLE_S: Final = 7.0
"""After the load: a window, then a heartbeat (5 s) with the last counters."""
RECORDED_S: Final = 2.0
"""Until tcpdump has written what it heard."""
COREDNS_LOG: Final = "coredns.log"
DNSTAP_PORT: Final = 6000
START_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure."""

    sources: tuple[str, ...] = ("packet", "dnstap", "pcap")
    rates: tuple[int, ...] = RATES
    """Queries a second."""
    new_shares: tuple[float, ...] = (0.0, NEW_SHARE)
    seconds: float = SECONDS
    idle_s: float = IDLE_S
    """0: idle CPU is not measured."""
    capture: tuple[str, ...] = ()
    """Further flags of `grapevine capture`."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One node with a DNS server, a client and the operator's stand-in."""

    node: Node
    client: Pod
    directory: Path
    tally: Tally
    options: Options

    def start(self, source: str, *arguments: str) -> "subprocess.Popen[str]":
        """Start `grapevine capture` on the node."""
        common = ("capture", f"--source={source}", f"--operator={self.tally.url}", "--node=bench")
        return self.node.start(*GRAPEVINE, *common, *arguments, *self.options.capture)


Figures = list[tuple[str, str]]


def run(options: Options | None = None) -> Figures:
    """Return the figures by label, or why there are none."""
    options = options or Options()
    missing = [tool for tool in ("dnsperf", "ss") if shutil.which(tool) is None]
    if missing:
        return [("skipped", f"needs {' and '.join(missing)} (Debian: apt-get install dnsperf iproute2)")]
    try:
        find_coredns()
        return [
            (f"{source}: {label}", figure) for source in options.sources for label, figure in _SOURCES[source](options)
        ]
    except (NodeError, CoreDnsError) as error:
        return [("skipped", str(error))]


def _packet(options: Options) -> Figures:
    with _bench(options) as bench:
        return _measure(bench, bench.start("packet"))


def _dnstap(options: Options) -> Figures:
    listen = f"tcp://{GATEWAY}:{DNSTAP_PORT}"
    with _bench(options, f"dnstap {listen} full") as bench:
        figures = _measure(bench, bench.start("dnstap", f"--listen={listen}"), is_ready=_has_sender)
        dropped = re.findall(r"Dropped dnstap messages: (\d+)", (bench.directory / COREDNS_LOG).read_text())
        return [*figures, ("messages CoreDNS dropped itself, start included", f"{sum(map(int, dropped)):,}")]


def _pcap(options: Options) -> Figures:
    """Measure a capture file of the same traffic, start and end of the process left in."""
    if shutil.which("tcpdump") is None:
        return [("skipped", "needs tcpdump (Debian: apt-get install tcpdump)")]
    figures = []
    with _bench(options) as bench:
        for new_share in options.new_shares:
            file = bench.directory / "recorded.pcap"
            tcpdump = _record(bench.node, file)
            asked = _ask(bench, max(options.rates), new_share)
            time.sleep(RECORDED_S)
            tcpdump.terminate()
            tcpdump.wait(10)
            before = replace(bench.tally.sums(), counters={})  # each file is a process of its own
            began = _children_cpu_s()
            assert bench.start("pcap", f"--file={file}").wait(600) == 0
            cpu_s = _children_cpu_s() - began
            figures += _figures(_label(max(options.rates), new_share), asked, cpu_s, before, bench.tally.sums())
    return figures


def _record(node: Node, file: Path) -> "subprocess.Popen[str]":
    """Start recording all DNS of the node."""
    command = ("tcpdump", "-i", "any", "-B", "65536", "-Z", "root", "-w", file, "udp port 53")
    tcpdump = node.start(*command, stderr=subprocess.PIPE)
    assert tcpdump.stderr is not None
    heard = tcpdump.stderr.readline()
    while "listening" not in heard:
        if not heard:
            raise NodeError(f"tcpdump ended with code {tcpdump.wait(10)}")
        heard = tcpdump.stderr.readline()
    return tcpdump


def _has_batches(sums: Sums) -> bool:
    return sums.batches > 0


def _has_sender(sums: Sums) -> bool:
    return "dnstap-senders" in sums.counters


_SOURCES: Final[dict[str, Callable[[Options], Figures]]] = {"packet": _packet, "dnstap": _dnstap, "pcap": _pcap}


@contextmanager
def _bench(options: Options, *plugins: str) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as path, Node() as node, Tally(node) as tally:
        directory, client, server = Path(path), node.pod(), node.pod()
        with (directory / COREDNS_LOG).open("wb") as log:
            load.start_coredns(node, server, directory, *plugins, stdout=log)
        yield Bench(node, client, directory, tally, options)


def _measure(
    bench: Bench, process: "subprocess.Popen[str]", *, is_ready: Callable[[Sums], bool] = _has_batches
) -> Figures:
    """Measure a live source: idle, then each rate, then its memory."""
    options = bench.options
    eventually(lambda: process.poll() is not None or is_ready(bench.tally.sums()), timeout_s=START_TIMEOUT_S)
    if process.returncode is not None:
        raise RuntimeError(f"capture ended with code {process.returncode}")
    load.write_names(bench.directory / "warm-up", 1_000, new_share=0)
    load.ask(bench.node, bench.client, bench.directory / "warm-up", per_s=500, seconds=WARM_UP_S)
    time.sleep(SETTLE_S)
    figures = []
    if options.idle_s:
        began_s, cpu_s = time.monotonic(), usage.cpu_s(process.pid)
        time.sleep(options.idle_s)
        share = (usage.cpu_s(process.pid) - cpu_s) / (time.monotonic() - began_s)
        figures += [(f"idle CPU over {options.idle_s:.0f} s", f"{share:.3%} of a core"), ("idle RSS", _memory(process))]
    for new_share in options.new_shares:
        for rate in options.rates:
            before, cpu_s = bench.tally.sums(), usage.cpu_s(process.pid)
            asked = _ask(bench, rate, new_share)
            time.sleep(SETTLE_S)
            cpu_s = usage.cpu_s(process.pid) - cpu_s
            figures += _figures(_label(rate, new_share), asked, cpu_s, before, bench.tally.sums())
    return [*figures, ("RSS after all", _memory(process))]


def _ask(bench: Bench, rate: int, new_share: float) -> load.Asked:
    names = bench.directory / "names"
    load.write_names(names, int(rate * bench.options.seconds), new_share=new_share)
    return load.ask(bench.node, bench.client, names, per_s=rate, seconds=bench.options.seconds)


def _label(rate: int, new_share: float) -> str:
    return f"{rate:,}/s, {new_share:.0%} new names" if new_share else f"{rate:,}/s, all repeats"


def _figures(label: str, asked: load.Asked, cpu_s: float, before: Sums, after: Sums) -> Figures:
    seen = after.responses - before.responses
    told = {name: number - before.counters.get(name, 0) for name, number in after.counters.items()}
    notable = {name: told[name] for name in _NOTABLE if told.get(name)}
    return [
        (f"{label}: CPU a response", f"{cpu_s / asked.completed * 1e6:.1f} µs"),
        (
            f"{label}: responses seen of those completed",
            f"{seen:,} of {asked.completed:,}; frames {told.get('frames', 0):,}"
            + "".join(f", {name} {number:,}" for name, number in notable.items()),
        ),
    ]


_NOTABLE: Final = ("kernel-drops", "unsolicited", "window-full", "fold-early", "name-flood", "spool-overflow")
"""Counters that should stand at 0 under this load."""


def _memory(process: "subprocess.Popen[str]") -> str:
    memory = usage.memory(process.pid)
    return (
        f"{memory.rss_kib / 1024:.1f} MiB, peak {memory.peak_kib / 1024:.1f}, proportional {memory.pss_kib / 1024:.1f}"
    )


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure as the flags say, to tune one source; `python -m bench live` measures all and can record."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.live",
        description="Measure capture on a node under load (root). Repeat one case while tuning: "
        "sudo .venv/bin/python -m bench.live packet --rate 2000 --new 0 --seconds 5 --idle 0",
    )
    default = Options()
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help=f"some of {', '.join(_SOURCES)} (default: all)")
    parser.add_argument("--rate", type=int, action="append", metavar="N", help="queries a second (2000 and 20000)")
    parser.add_argument("--new", type=float, action="append", metavar="SHARE", help="of new names, 0 to 1 (0 and 0.05)")
    parser.add_argument("--seconds", type=float, default=default.seconds, help="of load for each case (%(default)s)")
    parser.add_argument("--idle", type=float, default=default.idle_s, metavar="S", help="0: skip it (%(default)s)")
    parser.add_argument(
        "--capture", action="append", default=[], metavar="FLAG", help="for capture: --capture=--match=off"
    )
    args = parser.parse_args()
    unknown = set(args.sources) - set(_SOURCES)
    if unknown:
        parser.error(f"no such source: {', '.join(sorted(unknown))}; there are {', '.join(_SOURCES)}")
    options = Options(
        tuple(args.sources) or default.sources,
        tuple(args.rate or default.rates),
        tuple(args.new if args.new is not None else default.new_shares),
        args.seconds,
        args.idle,
        tuple(args.capture),
    )
    for label, figure in run(options):
        print(f"{label.ljust(60)} {figure}")


if __name__ == "__main__":
    main()
