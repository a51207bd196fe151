"""A DNS message and what it is known by: keys made of its octets and of where it goes. Pure."""

from typing import Final, NamedTuple

from grapevine.capture.dns import HEADER_BYTES

MIN_QUESTION_BYTES: Final = 5
"""The root's name, type and class."""


class Heard(NamedTuple):
    """A message with a question, and what it is known by."""

    message: bytes
    behind: int
    """Where its question ends."""
    client: bytes
    port: bytes
    resolver: bytes
    transport: str
    key: bytes
    """For `Exchanges`, with `question`."""
    name: bytes
    """For `Repeats`."""

    @property
    def question(self) -> bytes:
        """Return its octets."""
        return self.message[HEADER_BYTES : self.behind]


def hear(message: bytes, client: bytes, port: bytes, resolver: bytes, transport: str) -> Heard:
    """Return `message`, whatever it is, with what it would be known by; without a question that is all of it."""
    behind = message.find(0, HEADER_BYTES) + MIN_QUESTION_BYTES
    if not MIN_QUESTION_BYTES <= behind - HEADER_BYTES <= len(message) - HEADER_BYTES:
        behind = len(message)
    prefix = b"" if transport == "udp" else b"t"
    key = prefix + client + port + message[:2]
    name = prefix + resolver + client + message[2:behind]
    return Heard(message, behind, client, port, resolver, transport, key, name)
