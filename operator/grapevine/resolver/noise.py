"""Look-ups that say nothing about who talks to whom, each by a reason that is counted.

The reasons are the label values of `grapevine_lookups_unresolved_total` (docs/reference/metrics.md).
"""

import re
from enum import StrEnum

from grapevine.resolver.names import is_reverse

_ADDRESS_QUESTIONS = frozenset({"A", "AAAA", "SRV", "HTTPS", "SVCB", "ANY"})
"""Questions a client asks before it connects."""


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
    LOCAL = "local"
    """`localhost`, also with a search suffix, or the root."""
    OWN = "own"
    """Asked by Grapevine itself."""
    RESOLVER = "resolver"
    """Asked by a DNS server for somebody else."""
    SEARCH_LIST = "search-list"
    """A complete Service name with a search suffix behind it."""
    HOST_NETWORK = "host-network"
    """Asked from an address of a node: a hostNetwork pod or the node itself, which DNS cannot tell apart."""
    NO_POD = "no-pod"
    """No pod held the address at that time."""
    UNTRUSTED_RESOLVER = "untrusted-resolver"
    """Told by dnstap from an address that is no DNS server's: any pod could tell anything. Retried."""
    POD_UNKNOWN = "pod-unknown"
    """DNS answered for a pod by its address, which no pod of that namespace held; CoreDNS does not check. Retried."""
    CHANGED_HANDS = "changed-hands"
    """The address went to another workload within the window."""
    OWNER_UNKNOWN = "owner-unknown"
    """The pod's owner has not been delivered yet; retried."""
    SERVICE_UNKNOWN = "service-unknown"
    """DNS answered for a Service that has not been delivered yet; retried."""


RETRIED = frozenset(
    {
        Reason.NO_POD,
        Reason.UNTRUSTED_RESOLVER,
        Reason.POD_UNKNOWN,
        Reason.OWNER_UNKNOWN,
        Reason.SERVICE_UNKNOWN,
    }
)
"""Reasons that a record still under way may remove."""


def noise_of_question(qname: str, qtype: str) -> Reason | None:
    """Return why the question alone already says nothing, or None."""
    if is_reverse(qname):
        return Reason.REVERSE
    if qtype not in _ADDRESS_QUESTIONS:
        return Reason.QUESTION_TYPE
    if qname and not _HOST_NAME.fullmatch(qname):
        return Reason.NOT_A_HOST_NAME
    if not qname or f".{qname}".endswith(".localhost") or qname.startswith("localhost."):
        return Reason.LOCAL
    return None
