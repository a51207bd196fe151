"""The part of a kubelet that forwards ports: what the API server hands `pods/portforward` on to."""

import asyncio
import contextlib
import struct
import threading
from collections.abc import Iterator

from aiohttp import web
from tests.support.tls import a_pair, server_context

_DATA, _ERROR = 0, 1


class ForwardingKubelet:
    """Forwards every port of every pod to one port of loopback, as kubelet does over a web socket."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        """Its own, once it serves."""
        self._loop = asyncio.new_event_loop()

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Serve while entered."""
        runner = self._loop.run_until_complete(self._start())
        thread = threading.Thread(target=self._loop.run_forever, name="forwarding kubelet")
        thread.start()
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/portForward/{namespace}/{pod}", self._forward)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(a_pair("localhost"))).start()
        self.port = runner.addresses[0][1]
        return runner

    async def _forward(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        head = struct.pack("<H", int(request.query["port"]))
        for channel in (_DATA, _ERROR):
            await socket.send_bytes(bytes([channel]) + head)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError as error:
            await socket.send_bytes(bytes([_ERROR]) + f"error forwarding port: {error}".encode())
        else:
            there = asyncio.create_task(self._there(socket, writer))
            while chunk := await asyncio.wait_for(reader.read(1_000), 60):
                await socket.send_bytes(bytes([_DATA]) + chunk)
            there.cancel()
            writer.close()
        await socket.close()
        return socket

    @staticmethod
    async def _there(socket: web.WebSocketResponse, writer: asyncio.StreamWriter) -> None:
        async for message in socket:
            writer.write(message.data[1:])
        writer.close()
