"""`/api/v1/news`: what was new lately, as a long poll.

A request that finds nothing waits for it, so that a reader hears at once, and one that was cut off goes on at its
number. Chosen over a stream of events because a question and its answer is what goes through `pods/portforward`
(docs/decisions/013, 022).
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Protocol

from grapevine.insight.news import NewsPage
from grapevine.model.errors import RetryableError
from grapevine.model.metric import Metric
from grapevine.web.query import count_of, text_of

PATH = "/api/v1/news"
MAX_WAIT_S = 60
MAX_WAITING = 64
"""Requests that wait at the same time; one more is told to come again."""
_MAX_SEQ = 10**15 - 1
_MAX_WAIT_ASKED_S = 9_999


class News(Protocol):
    """Where news is."""

    async def after(self, seq: int, namespaces: Collection[str], wait_s: float) -> NewsPage:
        """Return what came after a number, waiting for so long where that is nothing."""


class NewsAnswers:
    """Answers of one process, which is known by `instance`."""

    def __init__(self, news: News, instance: str) -> None:
        self._news = news
        self._instance = instance
        self.waiting = 0
        """Requests that wait now."""

    def metrics(self) -> list[Metric]:
        """Return how many wait."""
        text = "Requests that wait for news, each one `grapevine watch`."
        return [Metric("grapevine_news_waiting", "gauge", text, {"": self.waiting})]

    async def answer(self, query: Mapping[str, str]) -> object:
        """Return what is sent as JSON.

        Raises:
            BadQueryError: the query is none of this endpoint's.
            RetryableError: too many wait.
        """
        seq = count_of(query, "after", _MAX_SEQ)
        wait_s = min(count_of(query, "wait", _MAX_WAIT_ASKED_S), MAX_WAIT_S)
        namespaces = frozenset(each for each in text_of(query, "namespace", needed=False).split(",") if each)
        if query.get("instance", self._instance) != self._instance:
            seq = 0  # of another process, whose numbers say nothing here
        if self.waiting >= MAX_WAITING:
            raise RetryableError(f"{MAX_WAITING} others wait for news: come again", after_s=5)
        self.waiting += 1
        try:
            page = await self._news.after(seq, namespaces, wait_s)
        finally:
            self.waiting -= 1
        return {"instance": self._instance, **asdict(page)}
