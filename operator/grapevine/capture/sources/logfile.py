"""Log lines from a file or stdin (`kubectl logs -f … | grapevine capture --source log --file -`)."""

import os
from typing import Final

from grapevine.capture.settings import STDIN
from grapevine.capture.sources.corelog import MAX_LINE_BYTES
from grapevine.capture.sources.pcap import CHUNK_BYTES
from grapevine.model.errors import PermanentInputError

_NO_ADDRESS: Final = bytes(4)
"""A log does not say whose it is."""


class LineSplitter:
    """Chunks in, lines out; keeps of one that is too long no more than shows that it is."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` ends, without their ends."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: MAX_LINE_BYTES + 1]
        return lines

    def finish(self) -> list[bytes]:
        """Return what came after the last end of a line, if anything."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


class LogFileSource:
    """A log being read, chunk by chunk.

    Raises:
        PermanentInputError: on making it, the file cannot be opened; on reading, it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.name = "stdin" if path == STDIN else path
        self._splitter = LineSplitter()
        try:
            self._file = os.dup(0) if path == STDIN else os.open(path, os.O_RDONLY)
        except OSError as e:
            raise PermanentInputError(f"{self.name}: cannot be opened: {e.strerror}") from e

    def fileno(self) -> int:
        """Return the file descriptor, to wait on where it is a pipe."""
        return self._file

    def read(self) -> list[tuple[bytes, bytes]] | None:
        """Return the lines of the next chunk, possibly none, each with no server's address; None at the end."""
        try:
            data = os.read(self._file, CHUNK_BYTES)
        except OSError as e:
            raise PermanentInputError(f"{self.name}: cannot be read: {e.strerror}") from e
        lines = self._splitter.feed(data) if data else self._splitter.finish()
        return [(line, _NO_ADDRESS) for line in lines] if data or lines else None

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
