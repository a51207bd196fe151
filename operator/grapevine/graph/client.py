"""One client of the map: what it reached, what it asked for in vain, what only a wildcard answered, and its age."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from grapevine.graph.ageing import HeardTime, State, state_of
from grapevine.graph.attempts import Attempts
from grapevine.graph.sighting import Sighting
from grapevine.graph.wildcards import MAX_NAMES, Wildcards
from grapevine.model.lookup import Lookup
from grapevine.model.target import Destination, DomainDestination

AddressesOf = Callable[[Destination], Collection[str]]
"""Tells the addresses outside the cluster that the client's look-ups of a destination led to."""
SILENT_MS = 300_000
"""After so long without a source that has seen it, a client's edges are said to stand still."""
_FILE = frozenset({"pcap"})
"""Sources that end, and are not silent for that."""


@dataclass(slots=True)
class Client:
    """Methods that may change the client's edges return whether they did."""

    attempts: Attempts
    heard: HeardTime
    sightings: dict[Destination, Sighting] = field(default_factory=dict)
    wildcards: Wildcards = field(default_factory=Wildcards)
    retired: int = 0
    """Sightings that were retired since the process began."""
    unheard_ms: int = 0
    """For how long no source that has seen it has listened."""
    listened_ms: int = 0
    """For how long one has since the last silence, or since the process began."""
    learned_ms: int = 0
    """For how long one has in all; what a status tells of before included."""
    domains: int = 0
    """Domains among `sightings`."""
    overflow: int = 0
    """Look-ups of domains that had no room."""
    overflow_names: tuple[str, ...] = ()
    """The newest of these, a sample, the oldest first."""

    def enter(self, destination: Destination, sighting: Sighting) -> Sighting:
        """Take in a destination that is new."""
        self.sightings[destination] = sighting
        self.domains += isinstance(destination, DomainDestination)
        return sighting

    def note_overflow(self, name: str, count: int) -> bool:
        """Count look-ups of a domain that has no room; return whether they are the first."""
        self.overflow += count
        if name not in self.overflow_names:
            self.overflow_names = (*self.overflow_names, name)[-MAX_NAMES:]
        return self.overflow == count

    def is_answered(self, destination: Destination) -> bool:
        """Whether a look-up of the destination was answered."""
        sighting = self.sightings.get(destination)
        return sighting is not None and sighting.is_answered

    @property
    def is_silent(self) -> bool:
        """Whether nothing that has seen it listens any more."""
        return self.unheard_ms >= SILENT_MS

    def see(self, sighting: Sighting, source: str, first_ms: int, last_ms: int) -> bool:
        """Note that a destination is used, before it is counted; return whether it was thought not to be."""
        before_ms = sighting.last_ms
        gap_ms = None if before_ms is None else first_ms - before_ms
        if gap_ms is not None and gap_ms < 0 < last_ms - (before_ms or 0):
            gap_ms = 0
        sighting.ageing.see(source, gap_ms, self.heard)
        if sighting.state is State.ACTIVE or (gap_ms is not None and gap_ms < 0):
            return False
        sighting.state = State.ACTIVE
        return True

    def listen(self, sources: frozenset[str], elapsed_ms: int) -> bool:
        """Let time pass in which these sources listened; return whether the client has fallen silent or is not now."""
        self.heard.advance(sources, elapsed_ms)
        was_silent = self.is_silent
        seen_by = self.heard.sources - _FILE
        is_heard = not seen_by.isdisjoint(sources)
        self.unheard_ms = 0 if is_heard or not seen_by else self.unheard_ms + elapsed_ms
        heard_ms = elapsed_ms if is_heard else 0
        self.learned_ms += heard_ms
        self.listened_ms = 0 if self.is_silent else self.listened_ms + heard_ms
        return was_silent != self.is_silent

    def age(self, patience_ms: int) -> tuple[bool, list[tuple[Destination, Sighting]]]:
        """Let edges and dead dependencies grow old; return whether anything changed, and the edges that retired."""
        has_changed = self.attempts.retire(patience_ms)
        retired: list[tuple[Destination, Sighting]] = []
        for destination, sighting in self.sightings.items():
            heard_ms = sighting.ageing.heard_ms(self.heard)
            state = state_of(heard_ms, sighting.ageing.rhythm_ms, sighting.known_ms, patience_ms)
            if state is State.RETIRED:
                retired.append((destination, sighting))
            elif state is not sighting.state:
                sighting.state = state
                has_changed = True
        for destination, _ in retired:
            del self.sightings[destination]
            self.domains -= isinstance(destination, DomainDestination)
        self.retired += len(retired)
        return has_changed or bool(retired), retired

    def noise(self) -> list[tuple[str, int, tuple[str, ...]]]:
        """Return what is explained or had no room: reason, count, and some of the names where they are kept."""
        samples = {"wildcard-search": self.wildcards.names}
        counts = sorted(self.attempts.folded.items())
        overflow = [("domains-full", self.overflow, self.overflow_names)] if self.overflow else []
        return [(reason, count, samples.get(reason, ())) for reason, count in counts] + overflow

    def without_wildcard(self, lookup: Lookup) -> Lookup | None:
        """Return the look-up as the application meant it; None, counted, where only a wildcard answered for it."""
        if not self.wildcards or not isinstance(lookup.destination, DomainDestination):
            return lookup
        asked = self.wildcards.asked_for(lookup.name, lookup.addresses, self.attempts.is_known)
        if asked is None:
            return lookup
        self.attempts.answer(asked)
        if self.wildcards.is_within(asked):  # the same wildcard answers for the name itself
            return replace(lookup, name=asked, destination=DomainDestination(asked))
        self._leave_out(lookup.name, lookup.count)
        return None

    def learn_wildcard(self, lookup: Lookup, addresses_of: AddressesOf) -> list[Sighting]:
        """Take in an answer that proves a wildcard; return what it had answered before, withdrawn and counted."""
        self._leave_out(lookup.name, lookup.count)
        if not self.wildcards.learn(lookup.wildcard, lookup.addresses):
            return []
        return self._sweep([d.domain for d in self.sightings if isinstance(d, DomainDestination)], addresses_of)

    def look_again(self, answered: str, addresses_of: AddressesOf) -> list[Sighting]:
        """Return what the search list made of a name that is now known to resolve itself, withdrawn and counted."""
        return self._sweep(self.wildcards.variants(answered), addresses_of)

    def _sweep(self, names: Collection[str], addresses_of: AddressesOf) -> list[Sighting]:
        withdrawn: list[Sighting] = []
        for name in names:
            sighting = self.sightings.get(DomainDestination(name))
            if sighting is None:
                continue
            asked = self.wildcards.asked_for(name, addresses_of(DomainDestination(name)), self.attempts.is_known)
            if asked is None or self.wildcards.is_within(asked):  # that one led to the same address, and stays
                continue
            withdrawn.append(sighting)
            del self.sightings[DomainDestination(name)]
            self.domains -= 1
            self.attempts.answer(asked)
            self._leave_out(name, sighting.lookups.count if sighting.lookups else 0)
        return withdrawn

    def _leave_out(self, name: str, count: int) -> None:
        self.wildcards.leave_out(name)
        self.attempts.answer(name)  # so that its AAAA without a record is no dead dependency
        self.attempts.fold("wildcard-search", count)
