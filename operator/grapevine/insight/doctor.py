"""What a running operator does not see, what that means, and what to do. Pure: facts → findings.

docs/reference/doctor.md lists the codes; `grapevine_findings` has them as label values.
"""

from collections.abc import Callable, Mapping

from grapevine.insight import coverage, sources
from grapevine.insight.facts import Facts, Lead
from grapevine.model.finding import Finding, Level

_CHECKS: Mapping[str, Callable[[Facts], Finding]] = {
    "NoLeader": coverage.no_leader,
    "SourceSilent": sources.source_silent,
    "ObjectsUnread": coverage.objects_unread,
    "OwnersUnread": coverage.owners_unread,
    "WritesRefused": coverage.writes_refused,
    "StatusNotKept": coverage.status_not_kept,
    "ClientIPMasked": sources.client_ip_masked,
    "ClientsUnmapped": coverage.clients_unmapped,
    "HostNetwork": coverage.host_network,
    "ResolverUnknown": coverage.resolver_unknown,
    "ClusterDomain": coverage.cluster_domain,
    "ClockSkew": sources.clock_skew,
    "Losses": sources.losses,
    "Unaccounted": coverage.unaccounted,
}
CODES = tuple(_CHECKS)
_OF_ANY_REPLICA = frozenset({"NoLeader", "ObjectsUnread"})


def judge(facts: Facts) -> list[Finding]:
    """Return one finding for each of `CODES`, in their order; only the leader hears what most of them are about."""
    return [
        check(facts)
        if facts.lead is Lead.OURS or code in _OF_ANY_REPLICA
        else Finding(code, Level.UNKNOWN, "not to be told by a replica that does not lead")
        for code, check in _CHECKS.items()
    ]
