"""Telemetry beside the operator's event loop: a tick every so often, its work in a thread of its own.

The exporters block, so they never run on the loop; while nothing is sent there is no thread. A thread that a collector
holds is not waited for at the end: it is a daemon.
"""

import asyncio
import contextlib
import functools
import gc
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from grapevine.export.sender import Sender, Wire
from grapevine.export.settings import TelemetrySettings
from grapevine.export.snapshot import Snapshot
from grapevine.model.metric import Metric

_LAST_REQUESTS_S = 3.0
_CLOSE_S = 1.0
_T = TypeVar("_T")

Source = Callable[[], Awaitable[Snapshot]]
Connect = Callable[[TelemetrySettings], Wire]


def connect_otlp(settings: TelemetrySettings) -> Wire:
    """Return the wire of the settings; loads OpenTelemetry, 14 MiB and more for gRPC.

    Raises:
        PermanentInputError: a certificate or key cannot be read.
    """
    from grapevine.export.otlp import OtlpWire

    return OtlpWire(settings)


class Telemetry:
    """Run by the leader alone: two replicas would count every edge twice."""

    def __init__(
        self,
        settings: TelemetrySettings,
        source: Source,
        *,
        connect: Connect = connect_otlp,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take where snapshots come from; it is awaited on the loop, so it must not keep that long.

        While this replica does not lead, cut off or deposed, nothing is sent: another one may.
        """
        self._settings = settings
        self._source = source
        self._connect = connect
        self._leads = leads
        self._stopping = threading.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._wire: Wire | None = None
        self._sender: Sender | None = None
        self._late_ticks = 0

    async def open(self) -> None:
        """Get ready, and take the map as it stands for told of: before anything new is heard.

        Raises:
            PermanentInputError: a certificate or key cannot be read.
        """
        self._wire = wire = await self._in_thread(lambda: self._connect(self._settings))
        self._sender = sender = Sender(self._settings, wire, clock_ns=time.time_ns, wait=self._stopping.wait)
        first = await self._source()
        await self._in_thread(lambda: sender.prime(first))

    async def run(self) -> None:
        """Send until cancelled; it must be open."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s += self._settings.tick_s
            if (behind_s := loop.time() - due_s) > 0:
                missed = int(behind_s // self._settings.tick_s) + 1
                self._late_ticks += missed
                due_s += missed * self._settings.tick_s
            await asyncio.sleep(due_s - loop.time())
            await self.tick()

    async def tick(self) -> None:
        """Send the map as it is now, once, if this replica leads; it must be open."""
        if self._sender is None:
            raise RuntimeError("telemetry is not open")
        with _uncollected():
            await self._send_map(self._sender)

    async def _send_map(self, sender: Sender) -> None:
        held = [await self._source()]  # by the thread alone, so that it is gone once the tick is over
        if self._leads():
            await self._in_thread(lambda: sender.tick(held.pop()))

    async def stop(self) -> None:
        """End within five seconds, whatever the collector does; `run` must have been cancelled. Then it is over."""
        self._stopping.set()
        sender, wire = self._sender, self._wire
        if sender is not None and self._leads():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_REQUESTS_S):
                    await self._idle.wait()
                    await self._in_thread(functools.partial(sender.finish, await self._source()))
        if wire is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await self._in_thread(wire.close)

    def page(self) -> bytes:
        """Return the service graph for `/metrics`; empty before the first tick, or where it was not asked for."""
        return self._sender.page if self._sender else b""

    def metrics(self) -> list[Metric]:
        """Return what was sent, and what was not."""
        text = "Ticks left out because the one before took too long."
        late = Metric("grapevine_otlp_late_ticks", "counter", text, {"": self._late_ticks})
        return [late, *(self._sender.metrics() if self._sender else ())]

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        """Do blocking work in a thread; one that is abandoned ends with the process."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_T] = loop.create_future()

        def finish(tell: Callable[[], None]) -> None:
            self._idle.set()
            if not done.done():
                tell()

        def run() -> None:
            try:
                tell = functools.partial(done.set_result, work())
            except Exception as error:
                tell = functools.partial(done.set_exception, error)
            with contextlib.suppress(RuntimeError):  # the loop is gone
                loop.call_soon_threadsafe(finish, tell)

        self._idle.clear()
        threading.Thread(target=run, name="telemetry", daemon=True).start()
        return await done


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Hold back the search for cycles: it would look through all of a tick's objects, and hold up the event loop.

    Ten thousand edges are 50 ms of that, three times in a tick. Their reference counts free them; what else is garbage
    meanwhile waits until the tick is over, which is soon (`_SPANS_SHARE` of `sender`, and the timeouts of metrics).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
