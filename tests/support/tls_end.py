"""Where TLS ends in front of a server that speaks none: what an ingress or a service mesh is to a collector."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CHUNK_BYTES = 64 << 10
_START_TIMEOUT_S = 10


class _End:
    """Hands on, as it comes, what it decrypts."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self._behind = (host, port)
        self._context = context
        self._open: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.is_ready = threading.Event()
        self.port = 0

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._context) as server:
            self.port = server.sockets[0].getsockname()[1]
            self.is_ready.set()
            await self._over.wait()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await asyncio.sleep(0)  # transports that were aborted close

    def end(self) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._over.set)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._hand_on(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(*self._behind)
        try:
            await asyncio.gather(_pump(reader, behind_writer), _pump(behind_reader, writer))
        finally:
            writer.transport.abort()
            behind_writer.transport.abort()


@contextmanager
def tls_end(host: str, port: int, context: ssl.SSLContext) -> Iterator[int]:
    """Run one on loopback in front of `host:port`; yield its port."""
    end = _End(host, port, context)
    thread = threading.Thread(target=lambda: asyncio.run(end.run()))
    thread.start()
    assert end.is_ready.wait(_START_TIMEOUT_S)
    try:
        yield end.port
    finally:
        end.end()
        thread.join()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # either side may hang up
    finally:
        writer.close()
