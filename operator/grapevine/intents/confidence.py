"""How sure an edge is, from what it was seen by. The scale is documented in docs/reference/clientintents.md."""

from collections.abc import Iterable

_PERCENT = {
    "connection": 90,  # it opened a connection there; who had the address, or which name led to it, is resolved
    "dns": 75,  # it asked and got an address; that it then connected is likely, and not seen
    "dns-unready": 50,  # it asked for a Service that exists and had nothing ready to answer with
}
_BOTH = 95  # it asked, and then connected: two sources that know nothing of each other agree


def confidence(evidence: Iterable[str]) -> int:
    """Return percent: of the strongest evidence, more where look-up and connection agree; 0 for an unknown kind."""
    kinds = set(evidence)
    if {"connection", "dns"} <= kinds:
        return _BOTH
    return max((_PERCENT.get(e, 0) for e in kinds), default=0)
