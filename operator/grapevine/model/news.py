"""That a workload reaches something for the first time: what is told of it, and what that is worth."""

from dataclasses import dataclass

from grapevine.model.edge import Edge


@dataclass(frozen=True, slots=True)
class NewEdge:
    """An edge that was not there before, of a workload that was listened to for long enough to say so."""

    edge: Edge
    learned_ms: int
    """How long its client was listened to in all, at least; ≥ the learning period."""
    listened_ms: int
    """How long of that up to now, without a pause that this process knows of: before it, the edge may have been there
    unheard. 0 in the first half minute of a process."""
