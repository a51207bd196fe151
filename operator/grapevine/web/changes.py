"""`/api/v1/changes`: server-sent events that say when the map says something else than before.

An event carries no map: whoever hears it asks again, with its ETag. Source: HTML Standard, "Server-sent events".
"""

import asyncio
import contextlib

from aiohttp import web

from grapevine.model.errors import RetryableError
from grapevine.model.metric import Metric
from grapevine.web.graph import TIMEOUT_S, Maps

PATH = "/api/v1/changes"
MAX_LISTENING = 32
"""Streams at the same time; one more is told to come again."""
LOOK_S = 1.0
"""Between two looks, and so between two events."""
HEARTBEAT_S = 15.0
LIFE_S = 600.0
"""After which a stream ends; an EventSource comes again by itself."""
_WRITE_S = 10.0
_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}


class ChangeStreams:
    """Streams of one process, which is known by `instance`."""

    def __init__(self, maps: Maps, instance: str) -> None:
        self._maps = maps
        self._instance = instance
        self._closing = asyncio.Event()
        self._refused = 0
        self.listening = 0
        """Streams that are open."""

    def metrics(self) -> list[Metric]:
        """Return how many listen, and how many were sent away."""
        refused = "Streams of changes that were told to come again: too many were open."
        return [
            Metric("grapevine_map_listening", "gauge", "Streams of changes of the map.", {"": self.listening}),
            Metric("grapevine_map_listening_refused", "counter", refused, {"": self._refused}),
        ]

    def close(self) -> None:
        """End all streams soon."""
        self._closing.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Send the number of the map's state now, and again whenever it is another.

        Raises:
            RetryableError: too many listen.
        """
        if self.listening >= MAX_LISTENING:
            self._refused += 1
            raise RetryableError(f"{MAX_LISTENING} others listen for changes: come again", after_s=5)
        self.listening += 1
        try:
            response = web.StreamResponse(headers=_HEADERS)
            await response.prepare(request)
            with contextlib.suppress(ConnectionError, TimeoutError):
                await self._send(response)
            return response
        finally:
            self.listening -= 1

    async def _send(self, response: web.StreamResponse) -> None:
        told = None
        changes = self._maps.changes
        quiet_s = lived_s = 0.0
        while lived_s < LIFE_S and not self._closing.is_set():
            if changes != told:
                told, quiet_s = changes, 0.0
                text = f"event: change\nid: {self._instance}-{changes}\ndata: {changes}\n\n"
            else:
                quiet_s += LOOK_S
                text = ": still here\n\n" if quiet_s % HEARTBEAT_S < LOOK_S else ""
            if text:
                async with asyncio.timeout(_WRITE_S):
                    await response.write(text.encode())
            lived_s += LOOK_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._closing.wait()
            async with asyncio.timeout(TIMEOUT_S):
                changes = await self._maps.look()
