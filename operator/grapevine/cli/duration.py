"""Spans of time as a person writes them."""

import re

from grapevine.model.errors import PermanentInputError
from grapevine.model.timestamp import try_parse_ms

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d{1,9})([smhdw])")


def parse_duration_s(text: str, what: str) -> int:
    """Return the seconds of `90s`, `15m`, `24h`, `7d`, `2w`, or of several such as `1h30m`.

    Raises:
        PermanentInputError: it is none of these; `what` is named.
    """
    if not re.fullmatch(rf"(?:{_PART.pattern})+", text):
        raise PermanentInputError(f"{what}: {text!r} is no span of time: give one like 90s, 15m, 24h, 7d or 1h30m")
    return sum(int(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))


def parse_moment_ms(text: str, what: str, now_ms: int) -> int:
    """Return the milliseconds since the epoch of a moment: so long ago (`24h`), or RFC 3339 (`2026-11-25T08:00:00Z`).

    Raises:
        PermanentInputError: it is neither; `what` is named.
    """
    moment_ms = try_parse_ms(text)
    if moment_ms is not None:
        return max(moment_ms, 0)
    try:
        return max(now_ms - parse_duration_s(text, what) * 1_000, 0)
    except PermanentInputError as error:
        raise PermanentInputError(f"{error}, or a moment like 2026-11-25T08:00:00Z") from error
