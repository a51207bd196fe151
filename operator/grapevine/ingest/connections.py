"""Connections of the server: how many, and how long one may be silent.

aiohttp times idle connections out only after their first request and knows no cap; a peer that connects and says
nothing, or drips a header, would stay. This stands between the socket and aiohttp's protocol, which does the HTTP.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from aiohttp import web


class Connections:
    """Makes a guarded protocol for each connection; `heard` on each answer keeps it open."""

    def __init__(self, server: web.Server, max_open: int, idle_s: float, on_refused: Callable[[], None]) -> None:
        self._server = server
        self._max_open = max_open
        self._idle_s = idle_s
        self._on_refused = on_refused
        self._open: dict[asyncio.BaseProtocol, _Guard] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a new connection."""
        return _Guard(self._server(), self)

    def heard(self, protocol: asyncio.BaseProtocol) -> None:
        """Give the connection of an aiohttp protocol another idle time."""
        guard = self._open.get(protocol)
        if guard is not None:
            guard.rearm(self._idle_s)

    def admit(self, guard: "_Guard") -> bool:
        """Take a connection in, or count its refusal."""
        if len(self._open) >= self._max_open:
            self._on_refused()
            return False
        self._open[guard.inner] = guard
        guard.rearm(self._idle_s)
        return True

    def drop(self, guard: "_Guard") -> None:
        """Forget a connection."""
        self._open.pop(guard.inner, None)


class _Guard(asyncio.Protocol):
    """One connection: everything goes on to aiohttp's protocol, once admitted."""

    def __init__(self, inner: asyncio.Protocol, connections: Connections) -> None:
        self.inner = inner
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._admitted = False
        self._timer: asyncio.TimerHandle | None = None

    def rearm(self, idle_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._timer = asyncio.get_running_loop().call_later(idle_s, self._transport.abort)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._admitted = self._connections.admit(self)
        if self._admitted:
            self.inner.connection_made(transport)
        else:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._admitted:
            self._connections.drop(self)
            self.inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._admitted:
            self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received() if self._admitted else None

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()
