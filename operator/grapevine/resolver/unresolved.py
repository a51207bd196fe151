"""What became no edge, by reason and, bounded, by address: a blind spot is counted and named, never guessed at."""

from collections import Counter
from dataclasses import dataclass, field

from grapevine.model.metric import Metric
from grapevine.model.observation import DnsObservation, Observation
from grapevine.resolver.noise import Reason

_MAX_ADDRESSES = 1_000
_MAX_NAMES = 5
_NAMED = frozenset(
    {
        Reason.HOST_NETWORK,
        Reason.NO_POD,
        Reason.CHANGED_HANDS,
        Reason.ADDRESS_SHARED,
        Reason.UNTRUSTED_RESOLVER,
    }
)
"""Reasons where the address is the finding; the others are noise."""


@dataclass(slots=True)
class UnresolvedAddress:
    """Look-ups from one address that could not be given to a workload, or that it had no right to answer."""

    reason: Reason
    ip: str
    """The client's; for `untrusted-resolver` that of who answered, for the client's may be made up."""
    count: int = 0
    names: set[str] = field(default_factory=set)
    """Some of the names asked for from there."""


class UnresolvedTally:
    """Counts by reason, and the addresses behind those reasons that are blind spots."""

    def __init__(self) -> None:
        self.by_reason: Counter[str] = Counter()
        """Look-ups."""
        self.connections_by_reason: Counter[str] = Counter()
        self._addresses: dict[tuple[Reason, str], UnresolvedAddress] = {}

    def add(self, observation: Observation, reason: Reason) -> None:
        """Count an observation's look-ups or connections."""
        if not isinstance(observation, DnsObservation):
            self.connections_by_reason[reason] += observation.count
            return
        self.by_reason[reason] += observation.count
        if reason not in _NAMED:
            return
        ip = observation.resolver_ip if reason is Reason.UNTRUSTED_RESOLVER else observation.client_ip
        key = (reason, ip)
        entry = self._addresses.get(key)
        if entry is None:
            if len(self._addresses) >= _MAX_ADDRESSES:
                return
            entry = self._addresses[key] = UnresolvedAddress(reason, ip)
        entry.count += observation.count
        if observation.answers and len(entry.names) < _MAX_NAMES:
            entry.names.add(observation.qname)

    def metrics(self) -> list[Metric]:
        """Return the counts by reason."""
        return [
            Metric(
                f"grapevine_{what}_unresolved", "counter", f"{text} that became no edge, by reason.", counts, "reason"
            )
            for what, text, counts in (
                ("lookups", "Look-ups", dict(self.by_reason)),
                ("connections", "Connections", dict(self.connections_by_reason)),
            )
        ]

    def addresses(self) -> list[UnresolvedAddress]:
        """Return the addresses, those with the most look-ups first."""
        return sorted(self._addresses.values(), key=lambda a: (-a.count, a.ip))
