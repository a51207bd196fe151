"""Capture for half an hour, then a flood of names: does its memory stay where it is? `make soak ARGS=capture`.

500 look-ups a second, one in twenty for a name nobody asked for before; then a million names, each asked for once.
"""

import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from bench import load, usage
from bench.rig import SETTLE_S, Rig, has_begun, open_rig

TITLE: Final = "Capture's memory, over time and in a flood of names"
MINUTES: Final = 30.0
PER_S: Final = 500
NEW_SHARE: Final = 0.05
FLOOD_NAMES: Final = 1_000_000
FLOOD_PER_S: Final = 10_000
SAMPLE_S: Final = 1.0
SETTLED_SHARE: Final = 0.2
"""Of the soak: until then tables fill; what comes after must be flat."""
MAX_GROWTH_KIB: Final = 512
"""From the beginning of the flat part to its end, along the straight line through it."""
MAX_RSS_KIB: Final = 32 << 10
"""What the DaemonSet requests of a node. DESIGN §5 bounds capture at rest, which `make bench ARGS=live` measures."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Memory over time."""

    seconds: list[float]
    rss_kib: list[int]

    def settled(self) -> "Curve":
        """Return it without its beginning."""
        first = int(len(self.seconds) * SETTLED_SHARE)
        return Curve(self.seconds[first:], self.rss_kib[first:])

    def fifths(self) -> list[int]:
        """Return the memory at its beginning and after each fifth of it."""
        last = len(self.rss_kib) - 1
        return [self.rss_kib[last * number // 5] for number in range(6)]

    def slope_kib_per_s(self) -> float:
        """Return the slope of the straight line through it (least squares)."""
        return statistics.linear_regression(self.seconds, self.rss_kib).slope

    def growth_kib(self) -> float:
        """Return what it grew along that line."""
        return self.slope_kib_per_s() * (self.seconds[-1] - self.seconds[0])


def run(minutes: float) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the figures by label, and which bounds were broken.

    Raises:
        NodeError, CoreDnsError: It cannot be measured here.
    """
    with open_rig() as rig:
        process = rig.capture("packet")
        rig.warm_up(process, has_begun)
        soak, soak_figures = _watch(rig, process, lambda: rig.ask(PER_S, minutes * 60, new_share=NEW_SHARE))
        names = rig.directory / "flood"
        load.write_flood(names, FLOOD_NAMES)
        flood, flood_figures = _watch(rig, process, lambda: load.ask(rig.node, rig.client, names, per_s=FLOOD_PER_S))
    flat = soak.settled()
    figures = [
        (
            f"soak: {minutes:g} min at {PER_S}/s, {NEW_SHARE:.0%} new names, slope of the RSS after the first fifth",
            f"{flat.slope_kib_per_s() * 60:+.1f} KiB a minute",
        ),
        *((f"soak: {label}", figure) for label, figure in soak_figures),
        *((f"flood of {FLOOD_NAMES:,} names at {FLOOD_PER_S:,}/s: {label}", figure) for label, figure in flood_figures),
    ]
    broken = []
    if flat.growth_kib() > MAX_GROWTH_KIB:
        broken.append(f"memory grew by {flat.growth_kib():.0f} KiB, more than {MAX_GROWTH_KIB}, after the first fifth")
    for what, curve in (("soak", soak), ("flood", flood)):
        if max(curve.rss_kib) > MAX_RSS_KIB:
            broken.append(f"{what}: RSS of {max(curve.rss_kib)} KiB, more than {MAX_RSS_KIB}")
    return figures, broken


def _watch(
    rig: Rig, process: "subprocess.Popen[str]", ask: Callable[[], load.Asked]
) -> tuple[Curve, list[tuple[str, str]]]:
    """Ask, and watch capture's memory meanwhile; return it and the figures."""
    before = rig.tally.sums
    with _sampled(process.pid) as curve:
        asked = ask()
        time.sleep(SETTLE_S)
    after = rig.tally.sums
    told = {name: number - before.counters.get(name, 0) for name, number in after.counters.items()}
    return curve, [
        ("RSS at first, after each fifth", f"{' / '.join(f'{kib / 1024:.1f}' for kib in curve.fifths())} MiB"),
        ("highest RSS", f"{max(curve.rss_kib) / 1024:.1f} MiB"),
        ("responses seen of those completed", f"{after.responses - before.responses:,} of {asked.completed:,}"),
        ("observations sent", f"{after.records - before.records:,}"),
        ("counters", ", ".join(f"{name} {number:,}" for name, number in told.items() if number)),
    ]


@contextmanager
def _sampled(pid: int) -> Iterator[Curve]:
    """Sample a process's memory while entered."""
    curve, ended = Curve([], []), threading.Event()

    def sample() -> None:
        while True:
            curve.seconds.append(time.monotonic())
            curve.rss_kib.append(usage.memory(pid).rss_kib)
            if ended.wait(SAMPLE_S):
                return

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield curve
    finally:
        ended.set()
        thread.join()
