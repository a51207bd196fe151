"""Where news comes in and goes out: remembered, counted, and told to those that wait. Implements `web.news.News`."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from grapevine.insight.news import NewsItem, NewsLog, NewsPage
from grapevine.model.intents import ActualIntents
from grapevine.model.metric import Metric
from grapevine.model.news import NewEdge

Listener = Callable[[NewsItem, ActualIntents | None], None]
"""Takes one item and the ClientIntents in force for its client; must neither block nor raise."""


class Newsroom:
    """Runs on the pipeline's event loop. `clock` gives milliseconds since the epoch."""

    def __init__(self, clock: Callable[[], int], listeners: Sequence[Listener] = ()) -> None:
        self._clock = clock
        self._listeners = listeners
        self._log = NewsLog()
        self._came = asyncio.Event()
        """Set once something comes, and another one from then on."""
        self._counts: Counter[str] = Counter(workload=0, service=0, internet=0)

    def tell(self, new_edges: Sequence[NewEdge], actual: ActualIntents | None) -> None:
        """Take in what is new of one client, and tell everybody."""
        for new in new_edges:
            item = self._log.add(new, self._clock())
            self._counts[item.target.type] += 1
            for listener in self._listeners:
                listener(item, actual)
        came, self._came = self._came, asyncio.Event()
        came.set()

    async def after(self, seq: int, namespaces: Collection[str], wait_s: float) -> NewsPage:
        """Return what came after `seq`; where that is nothing, wait for so long that something does."""
        page = self._log.after(seq, namespaces)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not page.items and not page.missed:
                    await self._came.wait()
                    page = self._log.after(seq, namespaces)
        return page

    def metrics(self) -> list[Metric]:
        """Return how much was new."""
        return [
            Metric(
                "grapevine_new_edges",
                "counter",
                "Edges seen for the first time after the learning period of their client, by type of target.",
                dict(self._counts),
                "target",
            ),
            Metric(
                "grapevine_news_forgotten",
                "counter",
                "New edges that `grapevine watch` cannot ask for any more.",
                {"": self._log.forgotten},
            ),
        ]
