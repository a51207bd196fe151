"""When a serving certificate is replaced, and which authorities are published meanwhile. Pure.

Every certificate has an authority of its own, whose key is thrown away once it has signed: nothing else can ever be
signed by what senders trust. So a rotation changes what they must trust, and takes two steps, far enough apart for a
ConfigMap to reach every node:

| in use                             | successor         | action                                                |
|------------------------------------|-------------------|-------------------------------------------------------|
| none, expired, or not for a name   | good              | use it: its authority is published                    |
|                                    | none, or no good  | make one, use it at once: nobody could connect before |
| young                              | any               | nothing                                               |
| two thirds through                 | none              | make a successor, publish its authority, use the old  |
|                                    | younger than lead | nothing                                               |
|                                    | of lead or older  | use it                                                |

The authority of one that was replaced stays published until it expires, for a replica that has not looked yet.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

PUBLISH_LEAD_MAX_S = 3_600.0
"""From publishing an authority to using it; kubelet brings a ConfigMap into a pod within two minutes."""
CHECK_MAX_S = 60.0


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that senders trust."""

    pem: str
    until_s: float
    """End of its validity, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class ServingPair:
    """A serving certificate, its key, and the authority that signed it."""

    certificate_pem: str
    key_pem: str = field(repr=False)
    authority: Authority
    names: frozenset[str]
    """DNS names it is for."""
    since_s: float
    """When it was made."""
    until_s: float


@dataclass(frozen=True, slots=True)
class Material:
    """What the replicas share."""

    current: ServingPair | None = None
    successor: ServingPair | None = None
    former: tuple[Authority, ...] = ()
    """Authorities of certificates no longer in use, until they expire."""

    def published(self) -> str:
        """Return what senders must trust, PEM, the one in use first."""
        pairs = (pair for pair in (self.current, self.successor) if pair)
        return "".join(dict.fromkeys([*(pair.authority.pem for pair in pairs), *(each.pem for each in self.former)]))


@dataclass(frozen=True, slots=True)
class Schedule:
    """Times of a rotation, all from one: how long a certificate is valid."""

    lifetime_s: float = 90 * 86_400.0

    @property
    def renew_after_s(self) -> float:
        """Age at which a successor is made."""
        return self.lifetime_s * 2 / 3

    @property
    def lead_s(self) -> float:
        """Age at which the successor is used."""
        return min(PUBLISH_LEAD_MAX_S, self.lifetime_s / 9)

    @property
    def check_s(self) -> float:
        """How often to look: at what is stored, for the other replica's work, and at the clock."""
        return min(CHECK_MAX_S, self.lifetime_s / 30)


def advance(
    held: Material, names: frozenset[str], now_s: float, schedule: Schedule, make: Callable[[], ServingPair]
) -> Material:
    """Return what must be stored now; equal to `held` where nothing is to be done. `make` makes a new pair."""
    former = tuple(each for each in held.former if each.until_s > now_s)
    current, successor = held.current, held.successor
    if successor is not None and not _is_good(successor, names, now_s):
        successor = None
    if current is None or not _is_good(current, names, now_s):
        return Material(successor or make(), None, former)
    if now_s < current.since_s + schedule.renew_after_s:
        return Material(current, successor, former)
    if successor is None:
        return Material(current, make(), former)
    if now_s < successor.since_s + schedule.lead_s:
        return Material(current, successor, former)
    return Material(successor, None, (*former, current.authority))


def _is_good(pair: ServingPair, names: frozenset[str], now_s: float) -> bool:
    return now_s < pair.until_s and names <= pair.names
