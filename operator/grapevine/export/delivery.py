"""What becomes of a message a receiver did not take, and when it is tried again. Pure; chance is an argument.

Source: Standard Webhooks 1.0, "Deliverability and reliability"; RFC 9110 §10.2.3 and §15.5.
"""

from enum import Enum

TRIES = 8
"""Of one message, over about 25 minutes."""
_FIRST_PAUSE_S, _GROWTH, _MAX_PAUSE_S = 1.0, 4, 600.0
_GONE = 410
_UNFIT = frozenset({400, 413, 415, 422})
"""Answers about this message, which another try would get again; what is about us or the receiver may be mended."""


class Outcome(Enum):
    """What an answer says."""

    DELIVERED = "delivered"
    AGAIN = "again"
    """Not now."""
    REFUSED = "refused"
    """Not this message, ever."""
    GONE = "gone"
    """No message any more: the receiver was taken down."""


def outcome_of(status: int) -> Outcome:
    """Return what a status code says; a redirection is not followed, so it is a failure."""
    if 200 <= status < 300:
        return Outcome.DELIVERED
    if status == _GONE:
        return Outcome.GONE
    return Outcome.REFUSED if status in _UNFIT else Outcome.AGAIN


def pause_s(tried: int, asked_s: float, chance: float) -> float:
    """Return the pause after `tried` ≥ 1 tries: four times as long each, a half of it by chance (0 to 1).

    Not shorter than the receiver asked for, and never over ten minutes.
    """
    whole_s: float = min(_FIRST_PAUSE_S * _GROWTH ** (tried - 1), _MAX_PAUSE_S)
    return min(max(whole_s * (1 + chance) / 2, asked_s), _MAX_PAUSE_S)


def asked_pause_s(retry_after: str) -> float:
    """Return the seconds of a `Retry-After`; a date, which few send, counts as none."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 7 else 0.0
