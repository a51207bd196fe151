"""How many observations an edge has gained since the last look. Pure."""

from collections.abc import Iterable

from grapevine.model.edge import Edge
from grapevine.model.target import Target
from grapevine.model.workload import WorkloadRef


class Increments:
    """The edges' counts at the last look; as large as the map.

    A count may fall: a Service that gets another owner takes its look-ups along. Then nothing was gained.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[WorkloadRef, Target], int] = {}

    def take(self, edges: Iterable[Edge]) -> list[int]:
        """Return what each has gained, in order, and remember these edges and no others."""
        before, self._counts = self._counts, {}
        gains = []
        for edge in edges:
            key = (edge.client, edge.target)
            self._counts[key] = edge.count
            gains.append(max(0, edge.count - before.get(key, 0)))
        return gains
