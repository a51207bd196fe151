"""Spans of time as a person writes them."""

import re

from grapevine.model.errors import PermanentInputError

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
