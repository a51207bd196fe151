"""One address to listen on: how many connections, from whom, with TLS or not, and how long one may be silent.

asyncio's own server knows no cap and does not tell of handshakes under way; aiohttp times idle connections out only
after their first request. So connections are accepted here, and a guard stands between each and aiohttp's protocol,
which does the HTTP.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from grapevine.serving.limits import ListenLimits

ACCEPT_RETRY_S = 0.5
"""After a failed accept: the process is out of file descriptors."""
TLS_SHUTDOWN_S = 2.0
BACKLOG = 128

_log = logging.getLogger(__name__)

Admit = Callable[[str], str | None]
"""Tells why an address may not connect now, None where it may."""


class Listener:
    """Accepts connections and bounds them. `start` and `stop` once each."""

    def __init__(
        self,
        runner: web.BaseRunner,
        limits: ListenLimits,
        count: Callable[[str], None],
        *,
        context: ssl.SSLContext | None = None,
        admit: Admit = lambda _: None,
    ) -> None:
        """Take who answers, made with `http_log`, and who counts refusals by result; `context` puts TLS on."""
        self._runner = runner
        self._limits = limits
        self._count = count
        self._context = context
        self._admit = admit
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._greeting: set[asyncio.Task[None]] = set()
        self._guards: dict[asyncio.BaseProtocol, _Guard] = {}
        self._open: Counter[str] = Counter()

    @property
    def connections(self) -> int:
        """How many are open, handshakes included."""
        return self._open.total()

    @property
    def is_listening(self) -> bool:
        """Whether new connections are accepted."""
        return self._accepting is not None and not self._accepting.done()

    @property
    def port(self) -> int:
        """Port listened on, also where 0 was asked for; 0 while not listening."""
        return int(self._socket.getsockname()[1]) if self._socket is not None and self.is_listening else 0

    async def start(self, host: str, port: int) -> None:
        """Listen; on `::` for IPv4 too.

        Raises:
            OSError: the address is taken or not ours.
        """
        await self._runner.setup()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        both = host == "::" and socket.has_dualstack_ipv6()
        self._socket = socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
        self._socket.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(self._socket), name=f"accept {host}:{port}")

    async def close(self) -> None:
        """Accept nothing new; connections stay."""
        for task in (self._accepting, *self._greeting):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        if self._socket is not None:
            self._socket.close()

    async def stop(self) -> None:
        """End every connection, idle ones at once, the others within the limit."""
        await self.close()
        await self._runner.cleanup()

    def heard(self, protocol: asyncio.BaseProtocol, idle_s: float | None = None) -> None:
        """Give the connection of an aiohttp protocol another idle time, or one of its own."""
        guard = self._guards.get(protocol)
        if guard is not None:
            guard.heard(self._limits.idle_s if idle_s is None else idle_s)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connected, address = await loop.sock_accept(listening)
            except OSError:
                self._count("accept-failed")
                await asyncio.sleep(ACCEPT_RETRY_S)
                continue
            peer = str(address[0])
            refused = self._refusal(peer)
            if refused is not None:
                self._count(refused)
                connected.close()
                continue
            self._open[peer] += 1
            greeting = asyncio.create_task(self._greet(connected, peer))
            self._greeting.add(greeting)
            greeting.add_done_callback(self._greeting.discard)

    def _refusal(self, peer: str) -> str | None:
        limits = self._limits
        if self.connections >= limits.max_connections or self._open[peer] >= limits.max_connections_per_peer:
            return "connections-full"
        return self._admit(peer)

    async def _greet(self, connected: socket.socket, peer: str) -> None:
        """Do the handshake, if there is one, and hand the connection to aiohttp."""
        serve = cast(web.Server, self._runner.server)  # it is set up: `start` comes before any connection
        guard = _Guard(serve(), self, peer)
        is_made = False
        try:
            if self._context is None:
                await asyncio.get_running_loop().connect_accepted_socket(lambda: guard, connected)
            else:
                await _shake_hands(connected, guard, self._context, self._limits.greeting_s)
            is_made = True
        except OSError:  # ssl's errors and the time-out are some, too
            self._count("handshake")
        finally:
            if not is_made and not guard.is_made:
                self._release(peer)

    def made(self, guard: "_Guard") -> None:
        """Take note of a connection that stands, and of how long it may take to ask."""
        self._guards[guard.inner] = guard
        guard.rearm(self._limits.greeting_s)

    def lost(self, guard: "_Guard", ended_as: str | None) -> None:
        """Forget a connection, counting how it ended where that was no good end."""
        self._guards.pop(guard.inner, None)
        self._release(guard.peer)
        if ended_as is not None:
            self._count(ended_as)

    def _release(self, peer: str) -> None:
        self._open[peer] -= 1
        if not self._open[peer]:
            del self._open[peer]


class _SmallSslProtocol(SSLProtocol):
    """asyncio's, but for the buffer: it keeps 256 KiB for every connection, 140 MiB for 500 nodes."""

    max_size = 16 << 10  # the largest record of TLS


async def _shake_hands(
    connected: socket.socket, protocol: asyncio.Protocol, context: ssl.SSLContext, timeout_s: float
) -> None:
    """Put TLS on an accepted socket, with `protocol` on top, as `connect_accepted_socket(ssl=…)` does.

    Raises:
        OSError: the handshake failed, or took too long.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    secured = _SmallSslProtocol(
        loop,
        protocol,
        context,
        done,
        server_side=True,
        ssl_handshake_timeout=timeout_s,  # type: ignore[arg-type]  # a float to asyncio, an int to its stubs
        ssl_shutdown_timeout=TLS_SHUTDOWN_S,
    )
    transport, _ = await loop.connect_accepted_socket(lambda: secured, connected)
    try:
        await done
    except BaseException:
        transport.abort()
        raise


def http_log(count: Callable[[str], None]) -> logging.LoggerAdapter[logging.Logger]:
    """Return the log to make a `Listener`'s runner with: what is no HTTP is counted as `bad-http`."""
    return _HttpLog(count)


class _HttpLog(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's log: what a peer says that is no HTTP is counted, instead of a traceback each."""

    def __init__(self, count: Callable[[str], None]) -> None:
        super().__init__(_log, {})
        self._count = count

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:  # noqa: ANN401 - as logging has it
        if isinstance(kwargs.get("exc_info"), HttpProcessingError):
            self._count("bad-http")
        else:
            super().log(level, msg, *args, **kwargs)


class _Guard(asyncio.Protocol):
    """One connection: everything goes on to aiohttp's protocol."""

    def __init__(self, inner: asyncio.Protocol, listener: Listener, peer: str) -> None:
        self.inner = inner
        self.peer = peer
        self.is_made = False
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._has_asked = False
        self._is_expired = False

    def rearm(self, idle_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(idle_s, self._expire)

    def heard(self, idle_s: float) -> None:
        self._has_asked = True
        self.rearm(idle_s)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.is_made = True
        self._transport = cast(asyncio.Transport, transport)
        self._listener.made(self)
        self.inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        expired_as = "idle" if self._has_asked else "silent"
        self._listener.lost(self, expired_as if self._is_expired else None)
        self.inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def _expire(self) -> None:
        self._is_expired = True
        if self._transport is not None:
            with contextlib.suppress(OSError):
                self._transport.abort()
