"""Numbers that edges and attempts keep together."""

from collections import Counter
from dataclasses import dataclass, field

_BOUNDS = (
    "clients-full",
    "destinations-full",
    "domains-full",
    "failures-full",
    "ports-full",
    "owners-full",
    "addresses-full",
    "address-names-full",
    "trails-full",
)


@dataclass(slots=True)
class Seen:
    """First, last and how often."""

    first_ms: int
    last_ms: int
    count: int
    counted_through_ms: int = 0
    """Observations up to here were counted before a restart: sent again, they add nothing."""

    def add(self, first_ms: int, last_ms: int, count: int) -> bool:
        """Take in look-ups or connections; return whether they were counted, and not before a restart already."""
        if first_ms < self.first_ms:
            self.first_ms = first_ms
        if last_ms > self.last_ms:
            self.last_ms = last_ms
        if last_ms <= self.counted_through_ms:
            return False
        self.count += count
        return True

    def join(self, other: "Seen") -> None:
        """Take in what was counted apart."""
        self.first_ms = min(self.first_ms, other.first_ms)
        self.last_ms = max(self.last_ms, other.last_ms)
        self.count += other.count


@dataclass(slots=True)
class GraphTally:
    """What the map left out, and why; shared by all of its clients."""

    overflow: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_BOUNDS, 0))
    """What the bounds kept out, by bound."""
    folded: dict[str, int] = field(default_factory=lambda: {"search-list": 0, "nodata-twin": 0, "wildcard-search": 0})
    """Failed look-ups that an answer to another variant of the name, or question, explains, and answers that a
    wildcard gave to what the search list made of a name."""
    lookups: Counter[str] = field(default_factory=Counter)
    """Look-ups that are in no sighting and no failure, by what became of them: a bound, `resent`, or, taken
    out again, `retired` or `forgotten`."""
    connections: Counter[str] = field(default_factory=Counter)
    """All connections taken in, by what became of them: `edge`, or a bound."""
    restored: int = 0
    """Look-ups that came back with the objects' status."""
    retired: int = 0
    """Destinations that left by age."""


def reason_of_failure(rcode: str) -> str:
    """Return by which reason a failed look-up is explained, once an answer explains it."""
    return "nodata-twin" if rcode == "NODATA" else "search-list"
