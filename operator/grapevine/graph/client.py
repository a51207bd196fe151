"""One client of the map: what it reached, what it asked for in vain, and what only a wildcard answered."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from grapevine.graph.attempts import Attempts
from grapevine.graph.sighting import Sighting
from grapevine.graph.wildcards import Wildcards
from grapevine.model.lookup import Lookup
from grapevine.model.target import Destination, DomainDestination

AddressesOf = Callable[[Destination], Collection[str]]
"""Tells the addresses outside the cluster that the client's look-ups of a destination led to."""


@dataclass(slots=True)
class Client:
    """Methods that may change the client's edges return whether they did."""

    attempts: Attempts
    sightings: dict[Destination, Sighting] = field(default_factory=dict)
    wildcards: Wildcards = field(default_factory=Wildcards)

    def is_answered(self, destination: Destination) -> bool:
        """Whether a look-up of the destination was answered."""
        sighting = self.sightings.get(destination)
        return sighting is not None and sighting.is_answered

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

    def learn_wildcard(self, lookup: Lookup, addresses_of: AddressesOf) -> bool:
        """Take in an answer that proves a wildcard, and look again at what it may have answered before."""
        self._leave_out(lookup.name, lookup.count)
        return self.wildcards.learn(lookup.wildcard, lookup.addresses) and self._sweep(
            [d.domain for d in self.sightings if isinstance(d, DomainDestination)], addresses_of
        )

    def look_again(self, answered: str, addresses_of: AddressesOf) -> bool:
        """Withdraw what the search list made of a name that is now known to resolve itself."""
        return bool(self.wildcards) and self._sweep(self.wildcards.variants(answered), addresses_of)

    def _sweep(self, names: Collection[str], addresses_of: AddressesOf) -> bool:
        has_changed = False
        for name in names:
            sighting = self.sightings.get(DomainDestination(name))
            if sighting is None:
                continue
            asked = self.wildcards.asked_for(name, addresses_of(DomainDestination(name)), self.attempts.is_known)
            if asked is None or self.wildcards.is_within(asked):  # that one led to the same address, and stays
                continue
            has_changed = True
            del self.sightings[DomainDestination(name)]
            self.attempts.answer(asked)
            self._leave_out(name, sighting.lookups.count if sighting.lookups else 0)
        return has_changed

    def _leave_out(self, name: str, count: int) -> None:
        self.wildcards.leave_out(name)
        self.attempts.answer(name)  # so that its AAAA without a record is no dead dependency
        self.attempts.fold("wildcard-search", count)
