"""The wish to end, from a signal or another thread, as something the loop can wait for."""

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    """While entered, SIGTERM and SIGINT no longer end the process but set this. For the main thread.

    A second signal sets `is_urgent`: do not wait for anything any more.
    """

    def __init__(self) -> None:
        self.is_set = False
        self.is_urgent = False
        self._previous: list[signal._HANDLER] = []
        self._previous_wakeup_fd = -1
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)

    def fileno(self) -> int:
        """Return a file descriptor that becomes readable with the first signal and stays so."""
        return self._read_end

    def set(self) -> None:
        """Wish to end; any thread may."""
        if not self.is_set:
            self.is_set = True
            os.write(self._write_end, b"x")

    def wait(self, timeout_s: float) -> None:
        """Wait until this is set, or for as long."""
        select.select([self._read_end], [], [], timeout_s)

    def __enter__(self) -> "StopSignal":
        # A handler runs between two bytecodes: for a signal just before we begin to wait that would be after the wait.
        # This is written to at once.
        self._previous_wakeup_fd = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        self._previous = [signal.signal(number, self._handle) for number in _SIGNALS]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for number, handler in zip(_SIGNALS, self._previous, strict=True):
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_wakeup_fd)
        os.close(self._read_end)
        os.close(self._write_end)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.is_urgent = self.is_set
        self.set()
