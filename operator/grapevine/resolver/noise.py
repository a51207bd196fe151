"""Observations that say nothing about who talks to whom, each by a reason that is counted.

The reasons are the label values of `grapevine_lookups_unresolved_total` and `grapevine_connections_unresolved_total`
(docs/reference/operator.md).
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from grapevine.resolver.names import is_reverse

_ADDRESS_QUESTIONS = frozenset({"A", "AAAA", "SRV", "HTTPS", "SVCB", "ANY"})
"""Questions a client asks before it connects."""


FLOOD_PREFIX = "*."
"""What capture puts before the parent it folds a client's names to, once there are too many of them."""
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
"""What the resource can hold as a domain; `_` for SRV names and the hosts of some clouds."""


class Reason(StrEnum):
    """Why an observation became no edge."""

    REVERSE = "reverse"
    """A reverse look-up (PTR): logging, not calling."""
    QUESTION_TYPE = "question-type"
    """No question for an address or service (TXT, MX, SOA, …)."""
    NOT_A_HOST_NAME = "not-a-host-name"
    """No name a host can have (RFC 1123 §2.1, underscores allowed): garbage, or data in the form of a name."""
    NAME_FLOOD = "name-flood"
    """Names of one client beyond capture's cap, told as `*.<parent>`, that failed or are none of one domain."""
    LOCAL = "local"
    """`localhost`, also with a search suffix, or the root."""
    OWN = "own"
    """Asked by Grapevine itself."""
    EXCLUDED = "excluded"
    """Asked by a pod that the settings, or an annotation of its own, leave out of the map."""
    METADATA = "cloud-metadata"
    """A cloud's metadata service: what its libraries ask on start."""
    RESOLVER = "resolver"
    """Asked by a DNS server for somebody else."""
    SEARCH_LIST = "search-list"
    """A complete Service name with a search suffix behind it."""
    HOST_NETWORK = "host-network"
    """Asked from an address of a node: a hostNetwork pod or the node itself, which DNS cannot tell apart."""
    NO_POD = "no-pod"
    """No pod held the address at that time."""
    HEARD_ELSEWHERE = "heard-elsewhere"
    """Heard on another node than the client's, whose own capture is heard too and tells of it."""
    UNTRUSTED_RESOLVER = "untrusted-resolver"
    """A name of the cluster, or anything told by dnstap, from an address that is none of its DNS servers'. Retried."""
    POD_UNKNOWN = "pod-unknown"
    """DNS answered for a pod by its address, which no pod of that namespace held; CoreDNS does not check. Retried."""
    CHANGED_HANDS = "changed-hands"
    """The address went to another workload within the window, or in that very second, or both had it then."""
    ADDRESS_SHARED = "address-shared"
    """Pods of several workloads have the address, or one of them has ended and nobody has told. Retried."""
    OWNER_UNKNOWN = "owner-unknown"
    """The pod's owner has not been delivered yet; retried."""
    SERVICE_UNKNOWN = "service-unknown"
    """DNS answered for a Service that has not been delivered yet; retried."""
    DNS_TRAFFIC = "dns-traffic"
    """A connection to port 53: look-ups, told of by what they ask."""
    ITSELF = "itself"
    """A connection between pods of one workload."""
    TO_NODE = "to-node"
    """A connection to an address of a node that no look-up of the client's led to."""
    WITHOUT_LOOKUP = "connection-without-lookup"
    """A connection out of the cluster to an address that no look-up of the client's led to."""


RETRIED = frozenset(
    {
        Reason.NO_POD,
        Reason.ADDRESS_SHARED,
        Reason.UNTRUSTED_RESOLVER,
        Reason.POD_UNKNOWN,
        Reason.OWNER_UNKNOWN,
        Reason.SERVICE_UNKNOWN,
    }
)
"""Reasons that a record still under way may remove."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An observation that became nothing of a workload's."""

    reason: Reason

    @property
    def may_resolve_later(self) -> bool:
        """Whether a record still under way can change that."""
        return self.reason in RETRIED


def noise_of_question(qname: str, qtype: str) -> Reason | None:
    """Return why the question alone already says nothing, or None."""
    if is_reverse(qname):
        return Reason.REVERSE
    if qname == "*":
        return Reason.NAME_FLOOD
    if qtype not in _ADDRESS_QUESTIONS:
        return Reason.QUESTION_TYPE
    if qname and not _HOST_NAME.fullmatch(qname.removeprefix(FLOOD_PREFIX)):
        return Reason.NOT_A_HOST_NAME
    if not qname or f".{qname}".endswith(".localhost") or qname.startswith("localhost."):
        return Reason.LOCAL
    return None
