"""The operator's API with parts that a test chooses."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from grapevine.pipeline.newsroom import Newsroom
from grapevine.view.servicemap import ServiceMap, service_map
from grapevine.web.api import ApiServer, Views
from grapevine.web.changes import ChangeStreams
from grapevine.web.graph import GraphAnswers, Maps
from grapevine.web.news import NewsAnswers


class FixedMap:
    """A map that a test puts there; its number of changes grows each time."""

    def __init__(self, found: ServiceMap | None = None) -> None:
        self._map = found or service_map((), ())
        self.changes = 1
        self.intents: dict[tuple[str, str, str], str] = {}

    def put(self, found: ServiceMap) -> None:
        """Show another map from now on."""
        self._map = found
        self.changes += 1

    async def look(self) -> int:
        """Return the number of the map that is shown."""
        return self.changes

    async def current(self) -> ServiceMap:
        """Return the map."""
        return self._map

    def intents_yaml(self, namespace: str, kind: str, name: str) -> str | None:
        """Return what a test has put there."""
        return self.intents.get((namespace, kind, name))


class NoViews:
    """For tests in which nobody asks for these."""

    def explain(self, *_: str) -> Any:
        """Raise."""
        raise NotImplementedError

    def findings(self) -> Any:
        """Raise."""
        raise NotImplementedError

    def accounts(self) -> Any:
        """Raise."""
        raise NotImplementedError


def an_api(
    views: Views,
    *,
    answers: NewsAnswers | None = None,
    maps: Maps | None = None,
    changes: ChangeStreams | None = None,
    elsewhere: Callable[[], str | None] = lambda: None,
) -> ApiServer:
    """Return the API, not started."""
    shown = maps or FixedMap()
    news = answers or NewsAnswers(Newsroom(lambda: 0), "i1")
    return ApiServer(views, news, GraphAnswers(shown), changes or ChangeStreams(shown, "i1"), elsewhere)


@contextmanager
def served(make: Callable[[], ApiServer]) -> Iterator[str]:
    """Serve in a thread of its own, and yield the URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="api")
    thread.start()

    async def start() -> ApiServer:
        server = make()
        await server.start("127.0.0.1", 0)
        return server

    try:
        server = asyncio.run_coroutine_threadsafe(start(), loop).result(timeout=10)
        try:
            yield f"http://127.0.0.1:{server.port}"
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(timeout=10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
