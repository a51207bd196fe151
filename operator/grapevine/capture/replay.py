"""A capture file → its batches, the same ones every time: for `grapevine run`, and for sending them."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from grapevine.capture.batches import Batcher
from grapevine.capture.counters import Counters
from grapevine.capture.frames import locate
from grapevine.capture.intake import Intake, Matching
from grapevine.capture.sources.pcap import PcapSource
from grapevine.model.errors import PermanentInputError
from grapevine.wire.schema import Batch, Hearing

WINDOW_MS: Final = 1_000
STREAM_ID_CHARS: Final = 32


class Replay:
    """One capture file, read once from its start to its end."""

    def __init__(
        self,
        path: str,
        report: Callable[[str], None],
        *,
        window_ms: int = WINDOW_MS,
        matching: Matching = "auto",
        takes_connections: bool = True,
    ) -> None:
        """Make a replay of the file at `path`; `report` gets a line where the file is cut or damaged.

        Raises:
            PermanentInputError: the file cannot be read.
        """
        self._path = path
        self._report = report
        self._window_ms = window_ms
        self.counters = Counters()
        self._intake = Intake("pcap", window_ms, self.counters, matching=matching, takes_connections=takes_connections)
        stream = file_digest(path)
        # Other observations, other batches: another stream
        if window_ms != WINDOW_MS:
            stream += f"-{window_ms}"
        if matching != "auto":
            stream += f"-match-{matching}"
        if not takes_connections:
            stream += "-connections-off"
        self.batcher = Batcher(stream, "", self.counters, lambda: self._intake.newest_ms)

    def batches(self) -> Generator[Batch, None, None]:
        """Yield the file's batches; stream, numbers and content depend on the file's bytes and the window alone.

        Raises:
            PermanentInputError: no capture file, or of a link type that is not supported.
        """
        with closing(PcapSource(self._path)) as source:
            while (frames := source.frames()) is not None:
                for linktype, data, time_ms in frames:
                    start, ethertype, direction = locate(linktype, data)
                    self._intake.frame(data, start, len(data), ethertype, direction, time_ms)
                    if self._intake.has_cuts():
                        yield from self._cut()
            warning = source.finish()
        if warning:
            self._report(warning)
        self._intake.flush()
        yield from self._cut()

    def _cut(self) -> Iterator[Batch]:
        for cut in self._intake.take():
            self.batcher.hearing = Hearing(("pcap",), self._intake.first_ms or 0)
            yield self.batcher.batch(cut)


def read_batches(path: str, report: Callable[[str], None]) -> Iterator[Batch]:
    """Yield the batches of the capture file at `path`, as `Replay` does."""
    yield from Replay(path, report).batches()


def file_digest(path: str) -> str:
    """Return the stream id of a file: the first 128 bits of its SHA-256, in hex.

    Raises:
        PermanentInputError: the file cannot be read, or not twice.
    """
    import hashlib  # 4 MiB of OpenSSL, which a live capture does not need

    if Path(path).is_fifo():
        raise PermanentInputError(f"{path}: a pipe cannot be read twice; give it as stdin, with `--file -`")
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:STREAM_ID_CHARS]
    except OSError as e:
        raise PermanentInputError(f"{path}: cannot be read: {e.strerror}") from e
