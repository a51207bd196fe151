"""What of one workload's look-ups and connections became no edge, by reason, with some of the names. Pure; bounded."""

from dataclasses import dataclass

from grapevine.model.workload import WorkloadRef
from grapevine.resolver.noise import Reason

MAX_NAMES = 4
"""Names, or addresses dialled, kept of one reason of one client: a sample."""


@dataclass(slots=True)
class LeftOutCount:
    """One reason of one client."""

    count: int = 0
    names: tuple[str, ...] = ()
    """The newest of them, the oldest first."""


class LeftOut:
    """Counts by client; clients over the bound are left out of it."""

    def __init__(self, max_clients: int) -> None:
        self._max_clients = max_clients
        self._clients: dict[WorkloadRef, dict[Reason, LeftOutCount]] = {}

    def add(self, client: WorkloadRef, reason: Reason, name: str, count: int) -> None:
        """Count what was asked for, or dialled, under that name."""
        mine = self._clients.get(client)
        if mine is None:
            if len(self._clients) >= self._max_clients:
                return
            mine = self._clients[client] = {}
        entry = mine.get(reason)
        if entry is None:
            entry = mine[reason] = LeftOutCount()
        entry.count += count
        if name not in entry.names:
            entry.names = (*entry.names, name)[-MAX_NAMES:]

    def of(self, client: WorkloadRef) -> list[tuple[Reason, LeftOutCount]]:
        """Return the client's reasons, the most frequent first; empty for a client nothing was left out of."""
        return sorted(self._clients.get(client, {}).items(), key=lambda item: (-item[1].count, item[0]))
