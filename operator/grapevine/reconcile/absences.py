"""Discovered objects that a person does not want: deleted lately, or kept out by a word on the workload. Pure.

Who deletes the object says *forget this*: its edges leave the map too, and what is seen from then on makes a new
object once the grace is over. A restart within the grace ends it: nothing about it stands in the cluster.
"""

from collections import OrderedDict

from grapevine.model.workload import WorkloadRef

_MAX_DELETED = 10_000
"""Deletions remembered; the oldest is forgotten first."""


class Absences:
    """Deletions by client."""

    def __init__(self, *, grace_ms: int) -> None:
        self._grace_ms = grace_ms
        self._deleted_ms: OrderedDict[WorkloadRef, int] = OrderedDict()

    def note(self, client: WorkloadRef, now_ms: int) -> None:
        """Take in that a person deleted the client's discovered object."""
        self._deleted_ms.pop(client, None)
        self._deleted_ms[client] = now_ms
        if len(self._deleted_ms) > _MAX_DELETED:
            self._deleted_ms.popitem(last=False)

    def is_unwanted(self, client: WorkloadRef, last_seen_ms: int) -> bool:
        """Whether nothing newer than the grace after the deletion was seen; otherwise the deletion is forgotten."""
        deleted_ms = self._deleted_ms.get(client)
        if deleted_ms is None:
            return False
        if last_seen_ms <= deleted_ms + self._grace_ms:
            return True
        del self._deleted_ms[client]
        return False
