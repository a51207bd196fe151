"""What one client asked for in vain: which of it an answer explains, and which is a dead dependency.

Success of any variant of a name explains the failures of the others (DESIGN §4). That cannot be told within a batch,
so it is told here, over the life of the client.
"""

from collections import OrderedDict
from dataclasses import dataclass

from grapevine.graph.ageing import Ageing, HeardTime, State, state_of
from grapevine.graph.search import SearchList
from grapevine.graph.tally import GraphTally, Seen, reason_of_failure
from grapevine.model.edge import DeadDependency
from grapevine.model.lookup import Lookup
from grapevine.model.workload import WorkloadRef

_MAX_ANSWERED = 4_096
"""Names of one client known to resolve; forgetting one shows a failed variant of it as dead until it is asked again."""


@dataclass(slots=True)
class _Failure:
    names: set[str]
    """What the application may have asked for: names that every failed variant so far leads back to."""
    rcode: str
    seen: Seen
    ageing: Ageing


class Attempts:
    """One client's failures and answers. Methods that change what is dead return whether they did."""

    __slots__ = ("_answered", "_failures", "_heard", "_max_failures", "_search", "_tally", "folded")

    def __init__(self, search: SearchList, max_failures: int, tally: GraphTally, heard: HeardTime) -> None:
        self._search = search
        self._max_failures = max_failures
        self._tally = tally
        self._heard = heard
        self._failures: OrderedDict[str, _Failure] = OrderedDict()
        """By the shortest of their names; oldest first."""
        self._answered: OrderedDict[str, None] = OrderedDict()
        self.folded: dict[str, int] = {}
        """This client's look-ups that an answer explains, by reason."""

    def __len__(self) -> int:
        return len(self._failures)

    def dead(self, client: WorkloadRef) -> list[DeadDependency]:
        """Return the names none of whose variants ever resolved; oldest failure first."""
        return [
            DeadDependency(
                client, name, f.rcode, f.seen.first_ms, f.seen.last_ms, f.seen.count, f.ageing.age(self._heard)
            )
            for name, f in self._failures.items()
        ]

    def count_dead(self) -> int:
        """Return the look-ups of these names."""
        return sum(failure.seen.count for failure in self._failures.values())

    def answer(self, name: str) -> bool:
        """Note that a name resolved, and withdraw the failures that explains."""
        if name in self._answered and not self._failures:
            self._answered.move_to_end(name)
            return False
        if self._search.learn_from_answer(name, list(self._failures)):
            self._rebase()
        names = self._search.variants(name)
        for variant in names:
            self._answered[variant] = None
            self._answered.move_to_end(variant)
        while len(self._answered) > _MAX_ANSWERED:
            self._answered.popitem(last=False)
        explained = [key for key, f in self._failures.items() if not f.names.isdisjoint(names)]
        for key in explained:
            failure = self._failures.pop(key)
            self.fold(reason_of_failure(failure.rcode), failure.seen.count)
        return bool(explained)

    def fail(self, lookup: Lookup) -> bool:
        """Note that a name did not resolve."""
        search = self._search
        is_new = search.note_attempt(lookup.name)
        names = search.variants(lookup.name)
        if not self._answered.keys().isdisjoint(names):
            self.fold(reason_of_failure(lookup.rcode), lookup.count)
            return False
        # A suffix shows in this name, or, now that its base is known, in one that failed before.
        for name in (search.base(lookup.name), *(self._failures if is_new else ())):
            if search.learn_from_failure(name, self._answered):
                self._rebase()
                self.fail(lookup)
                return True
        known = self._meet(names)
        if known is None:
            seen = Seen(lookup.first_ms, lookup.last_ms, lookup.count)
            ageing = Ageing()
            ageing.see(lookup.source, None, self._heard)
            self._failures[min(names, key=len)] = _Failure(names, lookup.rcode, seen, ageing)
            if len(self._failures) > self._max_failures:
                _, oldest = self._failures.popitem(last=False)
                self._tally.overflow["failures-full"] += 1
                self._tally.lookups["failures-full"] += oldest.seen.count
            return True
        known.ageing.see(lookup.source, lookup.last_ms - known.seen.last_ms, self._heard)
        if not known.seen.add(lookup.first_ms, lookup.last_ms, lookup.count):
            self._tally.lookups["resent"] += lookup.count
        known.rcode = lookup.rcode
        if known.names <= names:
            return False
        self._narrow(known, names)
        return True

    def is_known(self, name: str) -> bool:
        """Whether the name, or what the search list makes of it, is known to resolve."""
        return name in self._answered

    def fold(self, reason: str, count: int) -> None:
        """Count look-ups that are explained, as the client's and as everybody's."""
        self._tally.folded[reason] += count
        self.folded[reason] = self.folded.get(reason, 0) + count

    def restore_answer(self, name: str) -> None:
        """Take back that a name resolves: its failed variants may come again without the answer, which was durable."""
        for variant in self._search.variants(name):
            self._answered[variant] = None

    def restore_dead(self, dead: DeadDependency) -> bool:
        """Take a dead dependency back."""
        if dead.name in self._failures or len(self._failures) >= self._max_failures:
            return False
        seen = Seen(dead.first_ms, dead.last_ms, dead.count, counted_through_ms=dead.last_ms)
        ageing = Ageing.restored(dead.age, self._heard)
        self._failures[dead.name] = _Failure({dead.name}, dead.rcode, seen, ageing)
        return True

    def retire(self, patience_ms: int) -> bool:
        """Forget names that were asked for so long ago that an edge would be stale; return whether there were any."""
        old = [
            name
            for name, f in self._failures.items()
            if state_of(
                f.ageing.heard_ms(self._heard), f.ageing.rhythm_ms, f.seen.last_ms - f.seen.first_ms, patience_ms
            )
            >= State.STALE
        ]
        for name in old:
            self._tally.lookups["retired"] += self._failures.pop(name).seen.count
        return bool(old)

    def _rebase(self) -> None:
        """Name failures anew after a suffix was learned; those that meet an answered name go."""
        failures, self._failures = self._failures, OrderedDict()
        for failure in failures.values():
            failure.names = set().union(*map(self._search.variants, failure.names))
            if not self._answered.keys().isdisjoint(failure.names):
                self.fold(reason_of_failure(failure.rcode), failure.seen.count)
            elif (known := self._meet(failure.names)) is None:
                self._failures[min(failure.names, key=len)] = failure
            else:
                known.seen.join(failure.seen)
                self._narrow(known, failure.names)

    def _meet(self, names: set[str]) -> _Failure | None:
        """Return the failure that may be of the same asked name as one of these variants."""
        return next((f for f in self._failures.values() if not f.names.isdisjoint(names)), None)

    def _narrow(self, known: _Failure, names: set[str]) -> None:
        """Keep of a failure's names what `names` lead back to as well; its key follows, its place stays."""
        known.names &= names
        failures = self._failures.items()
        self._failures = OrderedDict((min(f.names, key=len) if f is known else key, f) for key, f in failures)
