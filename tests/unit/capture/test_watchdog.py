"""The watchdog in a process of its own, for it ends the process."""

import subprocess
import sys

import pytest

from grapevine.capture.watchdog import TURNS, Watchdog

PROGRAM = """
import time
from grapevine.capture.watchdog import Watchdog

beats, is_stalled, timeout_s = {beats}, {is_stalled}, {timeout_s}
with Watchdog(timeout_s, lambda now_s: is_stalled) as watchdog:
    until_s = time.monotonic() + {lasts_s}
    while time.monotonic() < until_s:
        time.sleep(0.05)
        if beats:
            watchdog.beat(time.monotonic())
print("well")
"""


def run(*, beats: bool, is_stalled: bool, timeout_s: float, lasts_s: float) -> "subprocess.CompletedProcess[str]":
    program = PROGRAM.format(beats=beats, is_stalled=is_stalled, timeout_s=timeout_s, lasts_s=lasts_s)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)


def test_ends_a_process_whose_loop_stands_still_and_says_where() -> None:
    done = run(beats=False, is_stalled=False, timeout_s=0.5, lasts_s=90)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Timeout (0:00:00.500000)!")
    assert 'File "<string>", line' in done.stderr


def test_ends_a_process_whose_sender_stands_still() -> None:
    assert run(beats=True, is_stalled=True, timeout_s=0.5, lasts_s=90).returncode == 1


@pytest.mark.parametrize(("beats", "timeout_s"), [(True, 3), (False, 0)], ids=["beats", "no time-out"])
def test_leaves_a_process_alone(beats: bool, timeout_s: float) -> None:
    done = run(beats=beats, is_stalled=False, timeout_s=timeout_s, lasts_s=timeout_s + 1)
    assert (done.returncode, done.stdout, done.stderr) == (0, "well\n", "")


def test_must_be_told_several_times_within_its_time() -> None:
    assert Watchdog(60, lambda now_s: False).period_s == 60 / TURNS
    assert Watchdog(0, lambda now_s: False).period_s is None
