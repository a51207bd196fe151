"""`/healthz`, `/readyz` and `/metrics`, on a port of their own.

`/healthz` proves that the event loop turns; `/readyz` says 503 with a line for each thing that is missing.
"""

import logging
from collections.abc import Callable, Sequence

from aiohttp import web

from grapevine.model.errors import PermanentInputError

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SHUTDOWN_S = 2.0
_KEEPALIVE_S = 75.0

_log = logging.getLogger(__name__)


class HealthServer:
    """Serves the process's state. `start` and `stop` once each."""

    def __init__(self, missing: Callable[[], Sequence[str]], metrics: Callable[[], bytes]) -> None:
        """Take what is missing until ready (empty: ready), and the rendered metrics; both must be quick."""
        self._missing = missing
        self._metrics = metrics
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics_page)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=_SHUTDOWN_S, keepalive_timeout=_KEEPALIVE_S, handle_signals=False
        )

    @property
    def port(self) -> int:
        """Port listened on, also where 0 was asked for; 0 while not listening."""
        return int(self._runner.addresses[0][1]) if self._runner.addresses else 0

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            PermanentInputError: the address is taken or not ours.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise PermanentInputError(f"cannot listen on {host}:{port} for health: {error}; see --health") from error
        _log.info("listening for probes", extra={"host": host, "port": self.port})

    async def stop(self) -> None:
        """Close."""
        await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        missing = self._missing()
        text = "".join(f"waiting for {each}\n" for each in missing) or "ok\n"
        return web.Response(text=text, status=503 if missing else 200)

    async def _metrics_page(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": _METRICS_TYPE})
