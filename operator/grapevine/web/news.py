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
from grapevine.web.query import BadQueryError, text_of

PATH = "/api/v1/news"
MAX_WAIT_S = 60
MAX_WAITING = 64
"""Requests that wait at the same time; one more is told to come again."""
_MAX_SEQ_DIGITS = 15


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
        seq = _count(query, "after", _MAX_SEQ_DIGITS)
        wait_s = min(_count(query, "wait", 4), MAX_WAIT_S)
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


def _count(query: Mapping[str, str], key: str, max_digits: int) -> int:
    text = text_of(query, key, needed=False) or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= max_digits):
        raise BadQueryError(f"{key}: give a whole number")
    return int(text)
