"""Capture on a node under load: CPU a response, idle CPU, memory and loss of the real process, for each source.

The kernel's own work for a packet socket falls on whoever sends the packet and is not counted, here as in the figures
of others.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.support.coredns import CoreDnsError
from tests.support.eventually import eventually
from tests.support.node import GATEWAY, Node, NodeError

from bench import usage
from bench.figures import describe_python
from bench.rig import SETTLE_S, Rig, has_begun, has_sender, open_rig, require_tools
from bench.tally import Sums

RECORDED_S: Final = 2.0
"""Until tcpdump has written what it heard."""
LEAST_SETTLE_S: Final = 2.0
"""Until `bench.least` has told of all it has seen."""
LEARNING_S: Final = 5.0
"""At least as long as capture learns, which it does anew every five minutes."""
DNSTAP_PORT: Final = 6000
NOTABLE: Final = ("kernel-drops", "unsolicited", "window-full", "fold-early", "name-flood", "spool-overflow")
"""Counters that should stand at 0 under this load."""

Figures = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure."""

    sources: tuple[str, ...] = ("packet", "packet over TLS", "dnstap", "log", "pcap")
    rates: tuple[int, ...] = (2_000, 20_000)
    """Queries a second."""
    new_shares: tuple[float, ...] = (0.0, 0.05)
    """Of names nobody asked for before."""
    seconds: float = 8.0
    """Of load, each time."""
    times: int = 3
    """Each rate and share is measured; the least is what it costs, more is what others on the machine cost."""
    idle_s: float = 60.0
    """0: idle CPU is not measured."""
    capture: tuple[str, ...] = ()
    """Further flags of `grapevine capture`."""
    python: str = sys.executable
    """The interpreter that runs it."""


def run(options: Options | None = None) -> Figures:
    """Return the figures by label, or why there are none."""
    options = options or Options()
    figures: Figures = [("capture runs on", describe_python(options.python))]
    for source in options.sources:
        try:
            figures += [(f"{source}: {label}", figure) for label, figure in _SOURCES[source](options)]
        except (NodeError, CoreDnsError) as error:
            figures.append((f"{source}: skipped", str(error)))
    return figures


def _packet(options: Options) -> Figures:
    with open_rig(python=options.python) as rig:
        least = _least(rig, options)
        process = rig.capture("packet", *options.capture)
        rig.warm_up(process, has_begun)
        return [*least, *_measure(rig, process, options, learns_s=LEARNING_S)]


def _packet_over_tls(options: Options) -> Figures:
    """Measure what TLS adds: memory alone, for it is spoken once a window."""
    with open_rig(python=options.python, has_tls=True) as rig:
        process = rig.capture("packet", *options.capture)
        rig.warm_up(process, has_begun)
        return [("idle RSS", _memory(process))]


def _least(rig: Rig, options: Options) -> Figures:
    """Measure the yardstick of `bench.least` under the same load."""
    told = rig.directory / "least"
    process = rig.node.start(
        "env", f"PYTHONPATH={Path(__file__).parents[1]}", options.python, "-m", "bench.least", told
    )
    figures = []
    try:
        eventually(told.exists)
        rig.ask(500, 1, new_share=0)  # so that it knows the names
        for rate in options.rates:
            time.sleep(LEAST_SETTLE_S)
            before = int(told.read_text())
            costs, completed = _ask(rig, process, rate, 0, options.seconds, LEAST_SETTLE_S, options.times)
            seen = int(told.read_text()) - before
            label = f"the least a reader in Python can do, {rate:,}/s: CPU a response"
            figures.append((label, f"{_cost(costs)}; {seen:,} of {completed:,}"))
    finally:
        process.terminate()
        process.wait(10)
    return figures


def _dnstap(options: Options) -> Figures:
    listen = f"tcp://{GATEWAY}:{DNSTAP_PORT}"
    with open_rig(f"dnstap {listen} full", python=options.python) as rig:
        process = rig.capture("dnstap", f"--listen={listen}", *options.capture)
        rig.warm_up(process, has_sender)
        figures = _measure(rig, process, options)
        dropped = re.findall(r"Dropped dnstap messages: (\d+)", rig.coredns_log())
        return [*figures, ("messages CoreDNS dropped itself, start included", f"{sum(map(int, dropped)):,}")]


def _log(options: Options) -> Figures:
    """Measure the log of CoreDNS, which capture reads from a pipe as it is written."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as log, open_rig("log", stdout=write_end, python=options.python) as rig:
        os.close(write_end)  # CoreDNS alone has it
        process = rig.capture("log", "--file=-", *options.capture, stdin=log)
        rig.warm_up(process, has_begun)
        return _measure(rig, process, options)


def _pcap(options: Options) -> Figures:
    """Measure a capture file of the same traffic, start and end of the process left in."""
    require_tools("tcpdump")
    rate, figures = max(options.rates), []
    with open_rig(python=options.python) as rig:
        for new_share in options.new_shares:
            file = rig.directory / "recorded.pcap"
            tcpdump = _record(rig.node, file)
            asked = rig.ask(rate, options.seconds, new_share=new_share)
            time.sleep(RECORDED_S)
            tcpdump.terminate()
            tcpdump.wait(10)
            before = replace(rig.tally.sums, counters={})  # each file is a process of its own
            cpu_s = _children_cpu_s()
            assert rig.capture("pcap", f"--file={file}", *options.capture).wait(600) == 0
            cpu_s = _children_cpu_s() - cpu_s
            costs = [cpu_s / asked.completed]
            figures += _figures(_label(rate, new_share), costs, asked.completed, before, rig.tally.sums)
    return figures


_SOURCES: Final[dict[str, Callable[[Options], Figures]]] = {
    "packet": _packet,
    "packet over TLS": _packet_over_tls,
    "dnstap": _dnstap,
    "log": _log,
    "pcap": _pcap,
}


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


def _measure(rig: Rig, process: "subprocess.Popen[str]", options: Options, *, learns_s: float = 0) -> Figures:
    """Measure a live source: idle, what it learns from, then each rate, then its memory."""
    figures = []
    if options.idle_s:
        began_s, cpu_s = time.monotonic(), usage.cpu_s(process.pid)
        time.sleep(options.idle_s)
        share = (usage.cpu_s(process.pid) - cpu_s) / (time.monotonic() - began_s)
        figures += [(f"idle CPU over {options.idle_s:.0f} s", f"{share:.3%} of a core"), ("idle RSS", _memory(process))]
    if learns_s:
        learning = f"{options.rates[0]:,}/s, the first {learns_s:.0f} s, in which it learns where copies are"
        figures += _load(rig, process, learning, options.rates[0], 0, learns_s)
    for new_share in options.new_shares:
        for rate in options.rates:
            label = _label(rate, new_share)
            figures += _load(rig, process, label, rate, new_share, options.seconds, options.times)
    return [*figures, ("RSS after all", _memory(process))]


def _load(
    rig: Rig, process: "subprocess.Popen[str]", label: str, rate: int, new_share: float, seconds: float, times: int = 1
) -> Figures:
    before = rig.tally.sums
    costs, completed = _ask(rig, process, rate, new_share, seconds, SETTLE_S, times)
    return _figures(label, costs, completed, before, rig.tally.sums)


def _ask(
    rig: Rig,
    process: "subprocess.Popen[str]",
    rate: int,
    new_share: float,
    seconds: float,
    settle_s: float,
    times: int,
) -> tuple[Sequence[float], int]:
    """Return what a response costs the process each time, in seconds of CPU, and how many there were in all."""
    costs, completed = [], 0
    for _ in range(times):
        cpu_s = usage.cpu_s(process.pid)
        asked = rig.ask(rate, seconds, new_share=new_share)
        time.sleep(settle_s)
        costs.append((usage.cpu_s(process.pid) - cpu_s) / asked.completed)
        completed += asked.completed
    return costs, completed


def _label(rate: int, new_share: float) -> str:
    return f"{rate:,}/s, {new_share:.0%} new names" if new_share else f"{rate:,}/s, all repeats"


def _figures(label: str, costs: Sequence[float], completed: int, before: Sums, after: Sums) -> Figures:
    seen = after.responses - before.responses
    told = {name: number - before.counters.get(name, 0) for name, number in after.counters.items()}
    notable = [f"{name} {told[name]:,}" for name in NOTABLE if told.get(name)]
    return [
        (f"{label}: CPU a response", _cost(costs)),
        (
            f"{label}: responses seen of those completed",
            ", ".join([f"{seen:,} of {completed:,} in {told.get('frames', 0):,} frames", *notable]),
        ),
    ]


def _cost(costs: Sequence[float]) -> str:
    """Return the least of some costs, in seconds, and the others."""
    least, *others = (f"{each * 1e6:.1f}" for each in sorted(costs))
    return f"{least} µs" + (f" ({', '.join(others)})" if others else "")


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
    parser.add_argument("--seconds", type=float, default=default.seconds, help="of load, each time (%(default)s)")
    parser.add_argument(
        "--times", type=int, default=default.times, help="each case of a live source is measured (%(default)s)"
    )
    parser.add_argument("--idle", type=float, default=default.idle_s, metavar="S", help="0: skip it (%(default)s)")
    parser.add_argument("--capture", action="append", default=[], metavar="FLAG", help="as in --capture=--match=off")
    parser.add_argument("--python", default=default.python, metavar="PATH", help="interpreter that runs capture")
    args = parser.parse_args()
    unknown = set(args.sources) - set(_SOURCES)
    if unknown:
        parser.error(f"no such source: {', '.join(sorted(unknown))}; there are {', '.join(_SOURCES)}")
    options = Options(
        tuple(args.sources) or default.sources,
        tuple(args.rate or default.rates),
        default.new_shares if args.new is None else tuple(args.new),
        args.seconds,
        args.times,
        args.idle,
        tuple(args.capture),
        args.python,
    )
    for label, figure in run(options):
        print(f"{label.ljust(60)} {figure}")


if __name__ == "__main__":
    main()
