"""What a transport of OTLP tells of one request."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """What a collector said, or that it said nothing."""

    reason: str = ""
    """Why the request was not taken, in words; empty where it was."""
    may_repeat: bool = False
    """Whether the same request may be taken later."""
    retry_after_s: float = 0.0
    """How long the collector asked to be left alone; 0 where it did not."""
    body: bytes = b""
    """Of a request that was taken: the response's message, which may say that a part was rejected."""


class Transport(Protocol):
    """One signal's way to its collector. One thread at a time; `close` from any."""

    def send(self, message: bytes, timeout_s: float) -> Answer:
        """Send one request and return the answer; raises nothing."""

    def close(self) -> None:
        """End the connections."""
