"""Let an event loop run until a state is reached, without passing time."""

import asyncio
from collections.abc import Callable


async def until(check: Callable[[], bool], *, timeout_s: float = 5.0) -> None:
    """Give other tasks their turn until `check` is true.

    Raises:
        TimeoutError: it never was.
    """
    async with asyncio.timeout(timeout_s):
        while not check():  # noqa: ASYNC110 - any state may be waited for, not only one that has an event
            await asyncio.sleep(0)
