"""Logging of the process: one handler on stderr, constant messages, variables as fields.

Must stay cheap to import: `grapevine capture` uses it too.
"""

import argparse
import json
import logging
import os
import sys
import time
from typing import Any

from grapevine.model.errors import PermanentInputError

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

_LOUD = {
    "kopf": logging.WARNING,
    "kopf._core.reactor.running": logging.ERROR,  # warns that signals are not its business; they are the app's
    "kubernetes": logging.ERROR,  # what it warns of is in the error that follows
    "aiohttp.access": logging.CRITICAL,
    "asyncio": logging.WARNING,
}
"""Libraries' loggers and the level from which they are heard, whatever ours is."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""Attributes every record has; the rest came in through `extra`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--log-level` and `--log-format`, with their environment variables as defaults."""
    group = parser.add_argument_group("logging")
    level, style = os.environ.get("GRAPEVINE_LOG_LEVEL", "info"), os.environ.get("GRAPEVINE_LOG_FORMAT", "text")
    group.add_argument("--log-level", choices=LEVELS, default=level, help="env GRAPEVINE_LOG_LEVEL (%(default)s)")
    group.add_argument("--log-format", choices=FORMATS, default=style, help="env GRAPEVINE_LOG_FORMAT (%(default)s)")


def configure(level: str, style: str) -> None:
    """Send the process's log to stderr, replacing what was configured before.

    Raises:
        PermanentInputError: level or style came from the environment and is none of ours.
    """
    for value, known, variable in ((level, LEVELS, "GRAPEVINE_LOG_LEVEL"), (style, FORMATS, "GRAPEVINE_LOG_FORMAT")):
        if value not in known:
            raise PermanentInputError(f"{variable} is {value!r}: give one of {', '.join(known)}")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, floor in _LOUD.items():
        logging.getLogger(name).setLevel(max(floor, root.level))


class TextFormatter(logging.Formatter):
    """`2026-11-22T21:27:00.123Z INFO kube.informer: message key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, with a traceback below where there is one."""
        fields = "".join(f" {key}={value!r}" for key, value in _fields(record).items())
        name = record.name.removeprefix("grapevine.")
        line = f"{_time(record)} {record.levelname} {name}: {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, the fields, `error` for a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON; what JSON does not know is written as text."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"
