"""Who and what stood behind one observation of an edge: what `explain` shows, and nothing else needs."""

from typing import NamedTuple


class Trace(NamedTuple):
    """What an observation leaves in an edge's memory."""

    pod: str
    """Name of the client's pod, in the namespace of its workload."""
    source: str
    """What heard it: `packet`, `pcap`, `dnstap` or `log`."""
    resolver: str = ""
    """Address that answered; empty for a connection."""
    answers: tuple[str, ...] = ()
    """What it answered, or the one address that was dialled."""
