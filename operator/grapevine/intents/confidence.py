"""How sure an edge is, from what it was seen by. The scale is documented in docs/reference/clientintents.md."""

from collections.abc import Iterable

_PERCENT = {
    "dns": 75,  # it asked and got an address; that it then connected is likely, and not seen
    "dns-unready": 50,  # it asked for a Service that exists and had nothing ready to answer with
}


def confidence(evidence: Iterable[str]) -> int:
    """Return percent: that of the strongest evidence; 0 for evidence of an unknown kind."""
    return max((_PERCENT.get(e, 0) for e in evidence), default=0)
