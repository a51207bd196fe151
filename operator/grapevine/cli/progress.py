"""A word on a terminal about what takes long; a file or a pipe gets none."""

import contextlib
import sys
import threading
from collections.abc import Iterator

PATIENCE_S = 2.0
"""Whoever waits longer wonders."""


@contextlib.contextmanager
def told_when_slow(command: str) -> Iterator[None]:
    """Say once on stderr, where that is a terminal, that a command still works; nothing where it is done before."""
    if not sys.stderr.isatty():
        yield
        return
    text = f"grapevine: {command} is still at work; Ctrl-C ends it"
    timer = threading.Timer(PATIENCE_S, lambda: print(text, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
