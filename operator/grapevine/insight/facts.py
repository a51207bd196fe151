"""What the doctor judges, as values. No judgement here.

`insight.sources` and `insight.coverage` judge, `insight.doctor` puts the findings in order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from grapevine.insight.blind_spots import Sender, Whose
from grapevine.intents.kept import KeptStatus
from grapevine.model.account import Account
from grapevine.model.rbac import Refusal

FEW = 20
"""Fewer look-ups than this say nothing about shares."""
_SHOWN = 5


class Lead(StrEnum):
    """Which replica leads, as this one sees it."""

    OURS = "ours"
    ANOTHERS = "anothers"
    NOBODYS = "nobodys"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is judged."""

    now_ms: int
    nodes: frozenset[str]
    """Of the cluster."""
    pods: int
    """With an address of their own."""
    host_pods: int
    """On the network of their node."""
    senders: Sequence[Sender]
    lookups: Mapping[tuple[str, Whose], int]
    """Of the last windows, by source."""
    addresses: Mapping[Whose, int]
    is_dns_known: bool
    """Whether Services of the cluster's DNS are known, or servers were set."""
    untrusted: int
    """Look-ups left out because of who answered, since the start."""
    refused: Mapping[str, Refusal]
    """Kinds the informers cannot follow now."""
    overflow: Mapping[str, int]
    """What the map's bounds kept out, by bound."""
    dns_caches: Sequence[str] = ()
    """DaemonSets of NodeLocal DNSCache, `namespace/name`."""
    node_resolvers: frozenset[str] = frozenset()
    """Link-local addresses that answered pods for names of the cluster in the last windows."""
    accounts: Mapping[str, Account] = field(default_factory=dict)
    """Of `lookups` and `connections`."""
    domain: str = "cluster.local"
    """The cluster's, as set or found."""
    zones: Mapping[str, int] = field(default_factory=dict)
    """Observations of Services by the domain they were asked for under; empty for the cluster's."""
    unread_owners: Mapping[str, int] = field(default_factory=dict)
    """Workloads named by an owner that could not be read, by its kind and group."""
    refused_owners: Mapping[str, Refusal] = field(default_factory=dict)
    """Kinds of owners that were asked for and cannot be followed now, as they were asked for."""
    refused_writes: tuple[int, str] = (0, "")
    """Clients whose object cannot be written, and why the last of them."""
    kept: KeptStatus = field(default_factory=KeptStatus)
    """What the cluster's schema keeps of a status."""
    schema_unread: str = ""
    """Why that is not known; empty where it is."""
    lead: Lead = Lead.OURS


def some(texts: Sequence[str]) -> str:
    """Return the first few, and how many more there are."""
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more
