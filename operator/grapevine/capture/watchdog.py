"""Ends a live capture that stands still, for Kubernetes to start it again.

faulthandler's timer is a thread in C, so it also ends a process whose interpreter hangs; it writes every thread's stack
to stderr first. The reading loop puts it off whenever it turns, as long as the sender gets on too.
"""

import faulthandler
from collections.abc import Callable
from types import TracebackType
from typing import Final

TURNS: Final = 4
"""The timer is put off so many times within its time: each time costs a thread, 50 µs."""
_STDERR: Final = 2


class Watchdog:
    """While entered, ends the process with code 1 when `beat` was not called for `timeout_s`, or `is_stalled` since."""

    def __init__(self, timeout_s: float, is_stalled: Callable[[float], bool]) -> None:
        """Make one; with a time-out of 0 it ends nothing. `is_stalled` is given the monotonic time in seconds."""
        self._timeout_s = timeout_s
        self._is_stalled = is_stalled
        self._put_off_s = float("-inf") if timeout_s else float("inf")

    @property
    def period_s(self) -> float | None:
        """How often `beat` must be called at least; None where it need not be."""
        return self._timeout_s / TURNS if self._timeout_s else None

    def __enter__(self) -> "Watchdog":
        self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        faulthandler.cancel_dump_traceback_later()

    def beat(self, now_s: float) -> None:
        """Tell that the loop has turned at `now_s`, monotonic; cheap but for one time a period."""
        if now_s >= self._put_off_s and not self._is_stalled(now_s):
            self._put_off_s = now_s + self._timeout_s / TURNS
            self._start()

    def _start(self) -> None:
        if self._timeout_s:
            faulthandler.dump_traceback_later(self._timeout_s, exit=True, file=_STDERR)
