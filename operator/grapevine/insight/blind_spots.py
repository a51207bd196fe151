"""What the map stands on: whose the addresses heard are, which capture processes are heard. Pure; bounded.

Look-ups are counted in two windows, so that a fault that has ended is forgotten and one that began shows.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

WINDOW_MS = 600_000
"""A finding speaks of the last one to two of these."""
_MAX_ADDRESSES = 20_000
_MAX_SENDERS = 10_000
_MAX_NODE_RESOLVERS = 4
_LINK_LOCAL = ("169.254.", "fe80:")
_SOURCES = frozenset({"packet", "pcap", "dnstap", "log"})
"""A sender may call its source anything; any other is counted as `other`."""


class Whose(StrEnum):
    """Whose a client's address is."""

    POD = "pod"
    NODE = "node"
    """A hostNetwork pod's, the node's own, or masqueraded as it."""
    NOBODY = "nobody"

    __hash__ = str.__hash__  # the enum's own is written in Python, and every look-up is counted by it


@dataclass(frozen=True, slots=True)
class Sender:
    """One capture process, as its newest batch or heartbeat says."""

    node: str
    """Empty where it was not told."""
    sources: tuple[str, ...]
    """Open then; empty while it hears nothing."""
    heard_ms: int
    """By our clock."""
    ahead_ms: int
    """How far its clock was ahead of ours; negative behind."""
    counters: Mapping[str, int]
    """Its own, since it began."""


class BlindSpots:
    """Fed with every batch and every look-up; asked by the doctor."""

    def __init__(self) -> None:
        self._senders: dict[str, Sender] = {}
        self._lookups: tuple[Counter[tuple[str, Whose]], ...] = (Counter(), Counter())
        self._addresses: tuple[dict[str, Whose], ...] = ({}, {})
        self._node_resolvers: tuple[set[str], ...] = (set(), set())
        self._began_ms: int | None = None

    def note_sender(self, stream: str, sender: Sender) -> None:
        """Take in a batch or heartbeat; of one node only the newest of a source is kept."""
        key = f"{sender.node} {' '.join(sender.sources)}" if sender.node else stream
        self._senders.pop(key, None)
        self._senders[key] = sender
        if len(self._senders) > _MAX_SENDERS:
            del self._senders[next(iter(self._senders))]

    def note_lookup(self, ip: str, source: str, whose: Whose, count: int, now_ms: int) -> None:
        """Count look-ups of one client's address."""
        if self._began_ms is None:
            self._began_ms = now_ms
        elif now_ms - self._began_ms >= WINDOW_MS:
            self._lookups = (self._lookups[1], Counter())
            self._addresses = (self._addresses[1], {})
            self._node_resolvers = (self._node_resolvers[1], set())
            self._began_ms = now_ms
        self._lookups[1][source if source in _SOURCES else "other", whose] += count
        newest = self._addresses[1]
        if ip in newest or len(newest) < _MAX_ADDRESSES:
            newest[ip] = whose

    def note_resolver(self, ip: str) -> None:
        """Take in who answered a pod for a name of the cluster: a link-local address is on the pod's own node."""
        if ip.startswith(_LINK_LOCAL) and len(self._node_resolvers[1]) < _MAX_NODE_RESOLVERS:
            self._node_resolvers[1].add(ip)

    def node_resolvers(self) -> frozenset[str]:
        """Return the link-local addresses that answered for the cluster's names in the windows, up to 8."""
        return frozenset(self._node_resolvers[0] | self._node_resolvers[1])

    def senders(self) -> list[Sender]:
        """Return the capture processes remembered, the one silent longest first."""
        return list(self._senders.values())

    def lookups(self) -> Counter[tuple[str, Whose]]:
        """Return the look-ups of the windows by source and by whose the client's address is."""
        return self._lookups[0] + self._lookups[1]

    def addresses(self) -> Counter[Whose]:
        """Return the distinct client addresses of the windows by whose they are."""
        return Counter((self._addresses[0] | self._addresses[1]).values())
