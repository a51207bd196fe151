"""What one client may have decoded in one window. Pure.

A name nobody knows costs as much as fifty that are known by their bytes, so a flood of them (random labels below one
name, say) must not be decoded. Over the cap a client's new names are folded to `*.<parent>`, found by the octets of the
question behind its first label; only one name of each parent is still decoded. What is known already is not touched.

Bounds: names decoded by client and in all; clients are as many as the names.
"""

from typing import Final

from grapevine.capture.window import MAX_CLIENT_PARENTS, DnsTally

MAX_CLIENT_NAMES: Final = 1_024
"""New names of one client, each copy of a response, decoded in one window: 512 and their second copies."""
MAX_NAMES: Final = 8_192
"""The same of all clients: a third of a second."""


class Flood:
    """New names of one window."""

    def __init__(self) -> None:
        self._names: dict[bytes, int] = {}
        self._parents: dict[bytes, int] = {}
        self._total = 0
        self.folded: dict[bytes, DnsTally] = {}
        """Tallies of folded names by `parent_key`."""

    def clear(self) -> None:
        """Begin a window."""
        self._names.clear()
        self._parents.clear()
        self.folded.clear()
        self._total = 0

    def admits_name(self, client: bytes) -> bool:
        """Tell whether a new name of `client` is to be decoded, and count it."""
        number = self._names.get(client, 0)
        if number >= MAX_CLIENT_NAMES or self._total >= MAX_NAMES:
            return False
        self._names[client] = number + 1
        self._total += 1
        return True

    def admits_parent(self, client: bytes) -> bool:
        """Tell whether a name of `client` is to be decoded to learn what it is folded to, and count it."""
        number = self._parents.get(client, 0)
        if number >= MAX_CLIENT_PARENTS or self._total >= MAX_NAMES + MAX_NAMES // 8:
            return False
        self._parents[client] = number + 1
        self._total += 1
        return True


def parent_key(sockets: bytes, message: bytes, question: bytes) -> bytes:
    """Return what the responses to be folded together have in common.

    `sockets` tells client, resolver and transport; then flags, whether there are answers, and the question without its
    first label, in lower case (octets of length are no letters).
    """
    answered = b"\1" if message[6:8] != b"\0\0" else b"\0"
    return sockets + message[2:4] + answered + question[1 + question[0] :].lower()
