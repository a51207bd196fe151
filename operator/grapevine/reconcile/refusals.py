"""Which clients' objects cannot be written, told from an API server that can write nothing. Pure.

Refused is what the server says no to, and also what has failed again and again while other objects were written: a
webhook that does not answer for one namespace, a field history that cannot be converted. Either is the object's own
trouble, to be said and to hold nothing else back.
"""

from grapevine.model.workload import WorkloadRef

_AGAIN_MS = 5_000
"""Pause after the first refusal: an API server that has just started refuses what it allows a second later."""
_AFTER_MS = 60_000
"""Pause after an object was refused again: its input may be mended, so it is tried again, rarely."""
_TRIES = 8
"""Failures in a row, two minutes of them by the queue's back-off, until they count as refusals."""


class Refusals:
    """Refusals and failures in a row, by client; bounded by the clients there are."""

    def __init__(self) -> None:
        self._refused: dict[WorkloadRef, int] = {}
        self._failed: dict[WorkloadRef, tuple[int, int]] = {}
        """Failures in a row, and `_written` at the first of them."""
        self._written = 0
        self._reason = ""

    def __len__(self) -> int:
        """Clients whose newest write was refused."""
        return len(self._refused)

    def forgive(self) -> None:
        """Count as refused only what is refused from now on."""
        self._refused.clear()

    def is_final(self, client: WorkloadRef) -> bool:
        """Whether the client's object was refused more than once in a row: nothing need wait for it."""
        return self._refused.get(client, 0) > 1

    def settled(self, client: WorkloadRef, *, has_written: bool) -> None:
        """Take in that nothing is left to write of the client, and whether something was."""
        self._refused.pop(client, None)
        self._failed.pop(client, None)
        self._written += has_written

    def refused(self, client: WorkloadRef, reason: str) -> int:
        """Take in a refusal; return the pause before the next try, in milliseconds."""
        count = self._refused[client] = self._refused.get(client, 0) + 1
        self._reason = reason
        return _AFTER_MS if count > 1 else _AGAIN_MS

    def failed(self, client: WorkloadRef, reason: str) -> None:
        """Take in a failure that may pass."""
        tries, written = self._failed.get(client, (0, self._written))
        self._failed[client] = (tries + 1, written)
        if tries + 1 < _TRIES or self._written == written:
            self._refused.pop(client, None)
        else:
            self._refused[client] = 2
            self._reason = reason

    def told(self) -> tuple[int, str]:
        """Return how many clients' newest write was refused, and why the last one was; none, and the text is old."""
        return len(self._refused), self._reason
