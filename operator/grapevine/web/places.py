"""Where things stood in the picture before, of each view: a page that asks again sees little move.

Views are of all who look, so that two people see the same. Bounded, and in memory alone: a new operator lays out anew.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from grapevine.view.layout import Layout, lay_out
from grapevine.view.servicemap import ServiceMap

MAX_VIEWS = 16
"""Views whose places are kept; the one that nobody asked for the longest goes. 600 nodes are about 200 KiB."""
_MOST_GROWTH = 2
"""A view of so many times the nodes it was first laid out with is laid out anew: places suit what was there then."""
_MOVING = frozenset({"since_ms", "new_since_ms"})
"""What of a query is another every minute, in the same view."""


@dataclass(frozen=True, slots=True)
class _Kept:
    layout: Layout
    nodes_at_first: int


class Places:
    """The last layouts; called from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[tuple[str, str], ...], _Kept] = OrderedDict()

    def lay_out(self, query: Mapping[str, str], drawn: ServiceMap) -> Layout:
        """Return where the nodes of a view stand, which is known by its query."""
        view = tuple(sorted((key, value) for key, value in query.items() if key not in _MOVING))
        number = len(drawn.nodes)
        with self._lock:
            before = self._kept.get(view)
        is_known = before is not None and number <= before.nodes_at_first * _MOST_GROWTH
        layout = lay_out(drawn, before.layout if before and is_known else None)
        with self._lock:
            self._kept[view] = _Kept(layout, before.nodes_at_first if before and is_known else number)
            self._kept.move_to_end(view)
            while len(self._kept) > MAX_VIEWS:
                self._kept.popitem(last=False)
        return layout
