"""Milliseconds since the epoch ↔ RFC 3339, the two forms of time in this project."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def format_ms(ms: int) -> str:
    """Return `ms` as RFC 3339 in UTC with milliseconds; what `parse_ms` takes back without loss."""
    return (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def format_micros(ms: int) -> str:
    """Return `ms` with six digits behind the second, the form of metav1.MicroTime."""
    return format_ms(ms).removesuffix("Z") + "000Z"


def format_s(ms: int) -> str:
    """Return `ms` cut to the whole second, the form of metav1.Time."""
    return (_EPOCH + timedelta(seconds=ms // 1000)).strftime("%Y-%m-%dT%H:%M:%SZ")


def try_parse_ms(text: object) -> int | None:
    """Return the milliseconds of an RFC 3339 time with an offset, fractions cut; None where it is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment - _EPOCH) // timedelta(milliseconds=1) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
