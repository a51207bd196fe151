"""What a client workload asked and got: the resolver's word to the graph."""

from dataclasses import dataclass, field

from grapevine.model.target import Destination
from grapevine.model.workload import WorkloadRef


@dataclass(frozen=True, slots=True)
class Lookup:
    """One aggregated look-up of a known client."""

    client: WorkloadRef
    name: str
    """The name on the wire, which a search list may have lengthened."""
    destination: Destination | None
    """What it names, where that is an edge; None where it only failed."""
    is_answered: bool
    """Whether it resolved: it then explains the failed variants of the same name."""
    rcode: str
    """Response code; `NODATA` for NOERROR without a record of the question's type."""
    first_ms: int
    last_ms: int
    count: int
    addresses: tuple[str, ...] = ()
    """Addresses it resolved to that nothing in the cluster explains; a connection to one is one to this name."""
    wildcard: str = ""
    """Search suffix that this answer proves a wildcard behind, so that it says nothing of what was asked for."""
    owners: tuple[WorkloadRef, ...] = ()
    """Whose pods the other addresses are, one an address, where several workloads are behind the Service asked for."""
    source: str = ""
    """What heard it."""
    pod: str = field(default="", compare=False)
    """Name of the client's pod, or of the newest it may have been."""
