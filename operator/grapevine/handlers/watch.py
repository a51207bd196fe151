"""Runs kopf beside everything else: in a thread and a loop of its own.

On its way out kopf cancels every task of its loop that began after it (kopf #1030), and installs signal handlers. In
our loop that would be batches under way and the last writes; in its own it is kopf alone. Events cross over by
`call_soon_threadsafe`, credentials by `run_coroutine_threadsafe`.
"""

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from typing import Any

import kopf

from grapevine.handlers.intents import Login, OnIntents, quiet_settings, registry_of
from grapevine.model.errors import RetryableError

STOP_TIMEOUT_S = 5.0
"""kopf needs two seconds for its workers; a thread that takes longer is left to the end of the process."""


class IntentsWatch:
    """Watches ClientIntents until cancelled."""

    def __init__(self, on_intents: OnIntents, login: Login) -> None:
        """Take callbacks, both of which run in the loop of `run`'s caller."""
        self._on_intents = on_intents
        self._login = login
        self._flag: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            RetryableError: kopf ended by itself; the process cannot go on without.
        """
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
            raise RetryableError("the watch on ClientIntents ended by itself") from next(iter(failures), None)
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
