"""Runs kopf beside everything else: in a thread and a loop of its own.

On its way out kopf cancels every task of its loop that began after it (kopf #1030), and installs signal handlers. In
our loop that would be batches under way and the last writes; in its own it is kopf alone. Events cross over by
`call_soon_threadsafe`, credentials by `run_coroutine_threadsafe`.

kopf ends over answers an API server gives while it starts: one 401 to a token it knows already, one 404 for a CRD not
loaded yet. It is started anew then, and lists again: to end the process instead would put its pod into a back-off of
minutes.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Mapping
from typing import Any

import kopf

from grapevine.handlers.intents import Login, OnIntents, quiet_settings, registry_of
from grapevine.model.metric import Metric

MIN_BACKOFF_S = 1.0
MAX_BACKOFF_S = 30.0
"""Between two starts of kopf; one that ran for longer than this ends the back-off."""
STOP_TIMEOUT_S = 5.0
"""kopf needs two seconds for its workers; a thread that takes longer is left to the end of the process."""

_log = logging.getLogger(__name__)


class IntentsWatch:
    """Watches ClientIntents until cancelled."""

    def __init__(self, on_intents: OnIntents, login: Login) -> None:
        """Take callbacks, both of which run in the loop of `run`'s caller."""
        self._on_intents = on_intents
        self._login = login
        self._flag: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self.restarts = 0
        """How often kopf ended by itself."""

    async def run(self) -> None:
        """Watch until cancelled."""
        now_s = asyncio.get_running_loop().time
        backoff_s = MIN_BACKOFF_S
        while True:
            started_s = now_s()
            reason = await self._run_kopf()
            self.restarts += 1
            backoff_s = MIN_BACKOFF_S if now_s() - started_s > MAX_BACKOFF_S else backoff_s
            _log.warning(
                "the watch on ClientIntents ended: starting it anew", extra={"reason": reason, "retry_s": backoff_s}
            )
            await asyncio.sleep(backoff_s)
            backoff_s = min(MAX_BACKOFF_S, backoff_s * 2)

    def metrics(self) -> list[Metric]:
        """Return how often kopf had to be started anew."""
        text = "Times the watch on ClientIntents ended and was started anew."
        return [Metric("grapevine_intents_watch_restarts", "counter", text, {"": self.restarts})]

    async def _run_kopf(self) -> str:
        """Run kopf until it ends by itself, and return why."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        failures: list[BaseException] = []

        def live() -> None:
            try:
                asyncio.run(self._operate(loop))
            except BaseException as error:  # handed over, the thread has nobody to raise to
                failures.append(error)
            with contextlib.suppress(RuntimeError):  # our loop did not wait, and is closed
                loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=live, name="kopf", daemon=True).start()
        try:
            await ended.wait()
            return next((str(failure) or type(failure).__name__ for failure in failures), "no reason given")
        finally:
            self._request_stop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await ended.wait()

    def _request_stop(self) -> None:
        if self._flag is not None:
            theirs, flag = self._flag
            with contextlib.suppress(RuntimeError):  # it has ended, and its loop is closed
                theirs.call_soon_threadsafe(flag.set)

    async def _operate(self, ours: asyncio.AbstractEventLoop) -> None:
        """Run kopf in the loop of this thread; `ours` is where the callbacks belong."""
        theirs, stop_flag = asyncio.get_running_loop(), asyncio.Event()
        self._flag = (theirs, stop_flag)

        def complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            if not stop_flag.is_set():  # told to stop within its start, kopf forgets tasks of a closed session
                loop.default_exception_handler(context)

        theirs.set_exception_handler(complain)

        def hand_over(event_type: str | None, resource: Mapping[str, Any]) -> None:
            ours.call_soon_threadsafe(self._on_intents, event_type, resource)

        async def login() -> Mapping[str, Any]:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaited(self._login), ours))

        await kopf.operator(
            registry=registry_of(hand_over, login),
            settings=quiet_settings(),
            clusterwide=True,
            standalone=True,  # no peering: the process is the only one, by its Deployment
            stop_flag=stop_flag,
        )


async def _awaited(login: Login) -> Mapping[str, Any]:
    return await login()
