"""Where a client workload opened connections to: the resolver's word to the graph."""

from dataclasses import dataclass, field

from grapevine.model.target import Destination
from grapevine.model.workload import WorkloadRef


@dataclass(frozen=True, slots=True)
class Connection:
    """Connections of a known client to one address and port."""

    client: WorkloadRef
    address: str
    port: int
    proto: str
    """`tcp`."""
    destination: Destination | None
    """Who has the address in the cluster; None for a node's or one outside, which only a look-up can name."""
    first_ms: int
    last_ms: int
    count: int
    source: str = ""
    """What heard it."""
    pod: str = field(default="", compare=False)
    """Name of the client's pod, or of the newest it may have been."""
