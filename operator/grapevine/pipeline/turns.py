"""Long walks over the map on the event loop, which goes on with other work in between."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")
_SLICE_S = 0.005
"""Longest that the loop is kept at once: ten thousand edges take 0.2 s."""


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items, giving the loop its turn whenever a slice of time is over."""
    slice_end_s = time.monotonic() + _SLICE_S
    for item in items:
        yield item
        if time.monotonic() > slice_end_s:
            await asyncio.sleep(0)
            slice_end_s = time.monotonic() + _SLICE_S
