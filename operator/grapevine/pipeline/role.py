"""What this replica says to whoever comes to it: that it takes batches and answers questions, or who does."""

from collections.abc import Sequence

from grapevine.insight.facts import Lead
from grapevine.kube.lease import Leadership


class Role:
    """Joins whether this replica leads and whether its map is restored."""

    def __init__(self, leadership: Leadership) -> None:
        self._leadership = leadership
        self._is_open = False

    def open(self) -> None:
        """Take batches and questions from now on, as long as this replica leads."""
        self._is_open = True

    def close(self) -> None:
        """Send everybody elsewhere: the process is about to end."""
        self._is_open = False

    def missing(self) -> Sequence[str]:
        """Return what a replica that leads waits for; one that follows is ready as it is."""
        return ["map"] if self._leads() and not self._is_open else []

    def lead(self) -> Lead:
        """Return who leads."""
        if self._leads():
            return Lead.OURS
        return Lead.ANOTHERS if self._leadership.leader() else Lead.NOBODYS

    def batches_elsewhere(self) -> str | None:
        """Return the address batches are to go to, empty where nobody leads; None while they are to come here."""
        if self._leads():
            return None if self._is_open else ""
        leader = self._leadership.leader()
        return leader.address if leader else ""

    def questions_elsewhere(self) -> str | None:
        """Return the pod whose API to ask, empty where nobody leads; None while questions are for this replica.

        They are as long as it has the map, also while it is cut off from the API server and may not write.
        """
        if self._is_open or self._leads():
            return None if self._is_open else ""
        leader = self._leadership.leader()
        return leader.pod if leader else ""

    def _leads(self) -> bool:
        return self._leadership.left_s() > 0
