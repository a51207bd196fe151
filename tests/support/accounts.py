"""Whether capture's accounts close: what came in is the sum of what became of it (`capture/counters.py`)."""

from collections.abc import Mapping
from typing import Final

FRAME_ENDS: Final = (
    "messages",
    "queries",
    "not-ip",
    "not-udp-tcp",
    "other-port",
    "later-fragment",
    "short-frame",
    "connections",
    "connections-folded",
    "connections-full",
)
"""What becomes of a frame that is no TCP segment."""
TAP_ENDS: Final = ("messages", "dnstap-other", "dnstap-not-full", "dnstap-bad")
LOG_ENDS: Final = ("messages", "log-other", "log-format", "log-repeated", "question-class")
MESSAGE_ENDS: Final = (
    "events",
    "folded",
    "unsolicited",
    "short-message",
    "query",
    "opcode",
    "question-count",
    "question-class",
    "bad-question",
    "truncated-response",
    "window-full",
)
"""What becomes of a message, once nothing is held any more."""


def imbalance(counters: Mapping[str, int], ends: tuple[str, ...] = FRAME_ENDS) -> dict[str, int]:
    """Return what the frames and messages are more than what became of them; empty where the accounts close.

    `ends` is what becomes of a frame of this source. Where there were TCP segments, which may give any number of
    messages, frames cannot be told apart further and only messages are looked at.
    """

    def count(*names: str) -> int:
        return sum(counters.get(name, 0) for name in names)

    left = {"messages": count("messages") - count(*(end for end in MESSAGE_ENDS if end not in ends))}
    if not count("segments"):
        left["frames"] = count("frames") - count(*ends)
    return {name: number for name, number in left.items() if number}
