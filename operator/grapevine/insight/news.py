"""What was new lately, in order, so that whoever lost the thread can take it up again. Pure.

A number is given once and never again within a process; another process begins anew, under another instance.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from grapevine.insight.targets import TargetView, view_of
from grapevine.intents.confidence import confidence
from grapevine.model.news import NewEdge
from grapevine.model.workload import WorkloadRef

MAX_REMEMBERED = 1_000
"""Items kept; under 1 KiB each but for long names."""
MAX_ANSWERED = 200
"""Items of one page."""
_MAX_NAMES = 16
"""Names shown of one item, as many as in a status."""


@dataclass(frozen=True, slots=True)
class NewsItem:
    """A workload was seen to reach something for the first time."""

    seq: int
    """≥ 1, each one more than the last."""
    told_ms: int
    """When it was told, by the operator's clock."""
    client: WorkloadRef
    target: TargetView
    names: tuple[str, ...]
    """What was asked for, at most 16; empty for a pod reached by its address."""
    evidence: tuple[str, ...]
    confidence: int
    """Percent."""
    ports: tuple[int, ...]
    """Ports connected to; empty where no connection was seen."""
    first_ms: int
    """When it was first seen, by the clock of the capture."""
    learned_ms: int
    listened_ms: int
    """Both as in `model.news.NewEdge`."""


@dataclass(frozen=True, slots=True)
class NewsPage:
    """What came after a number."""

    items: tuple[NewsItem, ...]
    next: int
    """The number to ask after the next time: of the last item that was looked at, shown or not."""
    missed: int
    """Items between the number asked for and the oldest remembered: they are gone, whatever they were of."""


class NewsLog:
    """The newest items, `MAX_REMEMBERED` of them."""

    def __init__(self) -> None:
        self._items: deque[NewsItem] = deque(maxlen=MAX_REMEMBERED)
        self.last = 0
        """Number of the newest item; 0 before the first."""

    def __len__(self) -> int:
        return len(self._items)

    @property
    def forgotten(self) -> int:
        """How many items gave way to newer ones."""
        return self.last - len(self._items)

    def add(self, new: NewEdge, now_ms: int) -> NewsItem:
        """Remember something new and return it with its number."""
        self.last += 1
        edge = new.edge
        item = NewsItem(
            seq=self.last,
            told_ms=now_ms,
            client=edge.client,
            target=view_of(edge.target),
            names=edge.names[:_MAX_NAMES],
            evidence=edge.evidence,
            confidence=confidence(edge.evidence),
            ports=edge.ports,
            first_ms=edge.first_ms,
            learned_ms=new.learned_ms,
            listened_ms=new.listened_ms,
        )
        self._items.append(item)
        return item

    def after(self, seq: int, namespaces: Collection[str] = ()) -> NewsPage:
        """Return a page of what came after `seq`, of clients in these namespaces, or of all; O(items remembered).

        A number that was never given counts as the last one: whoever asks for it has seen nothing of this process.
        """
        seq = min(max(seq, 0), self.last)
        missed = max(self.forgotten - seq, 0)
        waiting = islice(self._items, max(seq - self.forgotten, 0), None)
        shown: list[NewsItem] = []
        for item in waiting:
            if not namespaces or item.client.namespace in namespaces:
                shown.append(item)
                if len(shown) == MAX_ANSWERED:
                    return NewsPage(tuple(shown), item.seq, missed)
        return NewsPage(tuple(shown), self.last, missed)
