"""One destination of one client: who stands behind it, and what it was seen by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from grapevine.graph.ageing import Ageing, HeardTime, State
from grapevine.graph.tally import Seen
from grapevine.graph.trail import Trail
from grapevine.model.age import Age
from grapevine.model.target import Target
from grapevine.model.workload import WorkloadRef

EVIDENCE_DNS = "dns"
EVIDENCE_UNREADY = "dns-unready"
EVIDENCE_CONNECTION = "connection"
MAX_OWNERS = 16
"""Workloads kept of one Service; the CRD's bound."""
MAX_PORTS = 64
"""Ports kept of one destination: protocols that make ports up (FTP, RPC) would give new ones for ever."""

MAX_ADDRESSES = 32
"""Addresses kept of one destination, the newest ones: a content network has thousands."""
ADDRESS_LIFETIME_MS = 3_600_000
"""How long after the last answer that had it an address counts: the wire tells no TTL, and clients outlive theirs."""

Port = tuple[int, str]
"""Number and protocol."""


@dataclass(slots=True)
class Sighting:
    """Look-ups, connections, or both; one of them at least."""

    target: Target
    lookups: Seen | None = None
    is_answered: bool = False
    """Whether a look-up was answered; with look-ups and without that, the Service was not ready."""
    connections: Seen | None = None
    ports: set[Port] = field(default_factory=set)
    """Ports of the connections."""
    owners: dict[WorkloadRef, int] | None = None
    """Addresses of their pods in the answers; None while no answer held one."""
    ageing: Ageing = field(default_factory=Ageing)
    state: State = State.ACTIVE
    """As of the last look at it (`graph.client`)."""
    addresses: dict[str, int] | None = None
    """Addresses it resolved to, outside the cluster, with the newest answer that had each; None for none."""
    is_new: bool = True
    """Whether nobody was told of it yet (`graph.news`); what came back from the cluster's status is not new."""
    trail: Trail | None = None
    """What stood behind it since the process began; None before the first such observation, or over the bound."""

    def note_owners(self, owners: Iterable[WorkloadRef], count: int) -> bool:
        """Count addresses in answers by whose pods they are, up to the bound; return whether all had room."""
        has_room = True
        for owner in owners:
            if self.owners is None:
                self.owners = {}
            if owner in self.owners or len(self.owners) < MAX_OWNERS:
                self.owners[owner] = self.owners.get(owner, 0) + count
            else:
                has_room = False
        return has_room

    @property
    def last_ms(self) -> int | None:
        """When it was last seen; None before the first time."""
        lookups, connections = self.lookups, self.connections
        if lookups is None or connections is None:
            only = lookups or connections
            return only.last_ms if only else None
        return max(lookups.last_ms, connections.last_ms)

    @property
    def known_ms(self) -> int:
        """How long lies between the first sighting and the last."""
        seen = [each for each in (self.lookups, self.connections) if each]
        return max(each.last_ms for each in seen) - min(each.first_ms for each in seen) if seen else 0

    def resolve(self, addresses: Iterable[str], at_ms: int) -> bool:
        """Take in that a look-up was answered with these; return whether the list of them is another now.

        An address stays while it is among the newest answers, and an hour (`ADDRESS_LIFETIME_MS`) longer.
        """
        known = self.addresses or {}
        if len(known) == 1 and known.keys() >= set(addresses):  # a server with one address, nearly always the same
            self.addresses = dict.fromkeys(known, max(at_ms, *known.values()))
            return False
        before = known.keys()
        joined = known | {each: max(at_ms, known.get(each, 0)) for each in addresses}
        newest_ms = max(joined.values(), default=0)
        kept = sorted(
            ((ms, each) for each, ms in joined.items() if newest_ms - ms <= ADDRESS_LIFETIME_MS), reverse=True
        )
        self.addresses = {each: ms for ms, each in kept[:MAX_ADDRESSES]} or None
        return (self.addresses or {}).keys() != before

    def connect(self, ports: Iterable[Port], first_ms: int, last_ms: int, count: int) -> bool:
        """Take in connections, ports up to the bound; return whether there were none before, or none to such a port."""
        is_news = self.connections is None
        if self.connections is None:
            self.connections = Seen(first_ms, last_ms, count)
        else:
            self.connections.add(first_ms, last_ms, count)
        new = sorted(set(ports) - self.ports)[: MAX_PORTS - len(self.ports)]
        self.ports.update(new)
        return is_news or bool(new)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the sightings of one target say together."""

    kinds: tuple[str, ...]
    """Sorted."""
    ports: tuple[int, ...]
    protocols: tuple[str, ...]
    first_ms: int
    last_ms: int
    count: int
    """Look-ups; connections where nobody looked it up."""


def evidence_of(sightings: Sequence[Sighting]) -> Evidence:
    """Join the sightings of one target; at least one."""
    lookups = [s.lookups for s in sightings if s.lookups]
    connections = [s.connections for s in sightings if s.connections]
    kinds = [EVIDENCE_CONNECTION] if connections else []
    if lookups:
        kinds.append(EVIDENCE_DNS if any(s.is_answered for s in sightings) else EVIDENCE_UNREADY)
    seen = lookups + connections
    return Evidence(
        kinds=tuple(kinds),
        ports=tuple(sorted({port for s in sightings for port, _ in s.ports})[:MAX_PORTS]) if connections else (),
        protocols=tuple(sorted({protocol for s in sightings for _, protocol in s.ports})) if connections else (),
        first_ms=min(s.first_ms for s in seen),
        last_ms=max(s.last_ms for s in seen),
        count=sum(s.count for s in lookups or connections),
    )


def age_of(sightings: Sequence[Sighting], heard: HeardTime) -> Age:
    """Join the ages of the sightings of one target: as young as the youngest."""
    ages = [sighting.ageing.age(heard) for sighting in sightings]
    if len(ages) == 1:
        return ages[0]
    return Age(
        sources=tuple(sorted({source for age in ages for source in age.sources})),
        rhythm_ms=max(age.rhythm_ms for age in ages),
        heard_ms=min(age.heard_ms for age in ages),
    )
