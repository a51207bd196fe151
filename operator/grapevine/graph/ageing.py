"""How old an edge is: active, idle, stale or retired. Pure; no clock runs in here.

An edge ages by two numbers of its own. *Rhythm*: the longest pause between two sightings that is still usual for it;
it is as long as the newest long pause and shrinks by an eighth of the time that passes without another one, so it is
gone after eight times its own length. *Heard*: the time since the last sighting in which a source that has seen the
edge was listening where its client runs. What nobody could have heard makes nothing older.

| state   | heard without a sighting for longer than                                       |
|---------|--------------------------------------------------------------------------------|
| idle    | 2 rhythms, and 1/24 of the patience (one hour)                                 |
| stale   | 4 rhythms, and the patience (one day); 8 times that while it is known no longer |
| retired | 8 rhythms, and 35 times the patience (five weeks)                              |

Eight days for what is new: a weekly job that ran once has no rhythm yet.
"""

from dataclasses import dataclass
from enum import IntEnum

from grapevine.model.age import Age

MAX_RHYTHM_MS = 400 * 86_400_000
"""Nothing comes more rarely than once a year; a sender's clock that was wrong may say so."""
_SHRINK = 8
_NEW = 8
_RETIRE = 35


class State(IntEnum):
    """How far gone an edge is, in this order."""

    ACTIVE = 0
    IDLE = 1
    STALE = 2
    RETIRED = 3


class HeardTime:
    """Time in which a client was listened to, by the set of sources that may tell of a thing; in milliseconds."""

    __slots__ = ("_heard_ms",)

    def __init__(self) -> None:
        self._heard_ms: dict[frozenset[str], int] = {}

    def advance(self, sources: frozenset[str], elapsed_ms: int) -> None:
        """Let time pass in which these sources listened."""
        for each in self._heard_ms:
            if not each.isdisjoint(sources):
                self._heard_ms[each] += elapsed_ms

    def through(self, sources: frozenset[str]) -> int:
        """Return how long one of these sources at least has listened, since some moment that stays the same."""
        return self._heard_ms.setdefault(sources, 0)

    @property
    def sources(self) -> frozenset[str]:
        """Every source anything is known by."""
        return frozenset[str]().union(*self._heard_ms)


@dataclass(slots=True)
class Ageing:
    """Rhythm and heard time of one thing that is seen again and again."""

    sources: frozenset[str] = frozenset()
    """What has seen it; empty where a status of before did not say: then nothing makes it older."""
    rhythm_ms: int = 0
    mark_ms: int = 0
    """What `HeardTime.through` was at the last sighting."""

    def see(self, source: str, gap_ms: int | None, heard: HeardTime) -> None:
        """Take in a sighting, `gap_ms` after the one before; None for the first, negative for one that comes late."""
        if source not in self.sources:
            self.sources |= {source}
        elif gap_ms is not None and gap_ms < 0:
            return
        if gap_ms is not None and gap_ms > 0:
            self.rhythm_ms = next_rhythm(self.rhythm_ms, gap_ms)
        self.mark_ms = heard.through(self.sources)

    def heard_ms(self, heard: HeardTime) -> int:
        """Return for how long it was listened for in vain."""
        return heard.through(self.sources) - self.mark_ms if self.sources else -self.mark_ms

    def age(self, heard: HeardTime) -> Age:
        """Return it as others read it."""
        return Age(tuple(sorted(self.sources)), self.rhythm_ms, self.heard_ms(heard))

    @classmethod
    def restored(cls, age: Age, heard: HeardTime) -> "Ageing":
        """Return what a status remembers, to go on from there."""
        sources = frozenset(age.sources)
        through_ms = heard.through(sources) if sources else 0
        return cls(sources, min(age.rhythm_ms, MAX_RHYTHM_MS), through_ms - age.heard_ms)


def next_rhythm(rhythm_ms: int, gap_ms: int) -> int:
    """Return the rhythm after a pause of `gap_ms`."""
    return min(max(gap_ms, rhythm_ms - gap_ms // _SHRINK), MAX_RHYTHM_MS)


def state_of(heard_ms: int, rhythm_ms: int, known_ms: int, patience_ms: int) -> State:
    """Return the state of what was seen over `known_ms`, from its first to its last sighting."""
    if heard_ms > max(8 * rhythm_ms, _RETIRE * patience_ms):
        return State.RETIRED
    if heard_ms > stale_after_ms(rhythm_ms, known_ms, patience_ms):
        return State.STALE
    if heard_ms > max(2 * rhythm_ms, patience_ms // 24):
        return State.IDLE
    return State.ACTIVE


def stale_after_ms(rhythm_ms: int, known_ms: int, patience_ms: int) -> int:
    """Return how long a thing may be listened for in vain before it is stale."""
    return max(4 * rhythm_ms, patience_ms if known_ms >= _NEW * patience_ms else _NEW * patience_ms)


def remembered_ms(patience_ms: int) -> int:
    """Return how long, at least, a thing is stale before it retires, whatever its rhythm.

    The least is where 8 rhythms are 35 times the patience: it is stale after half of that.
    """
    return _RETIRE * patience_ms // 2
