"""kopf in its thread, with a kopf of the test's."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import kopf
import pytest
from tests.support.loop import until

from grapevine.handlers import watch as module
from grapevine.handlers.watch import IntentsWatch


async def credentials() -> Mapping[str, Any]:
    return {}


async def test_a_kopf_that_ends_by_itself_is_started_anew(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    starts = 0

    async def operator(*, stop_flag: asyncio.Event, **_: object) -> None:
        nonlocal starts
        starts += 1
        if starts == 1:
            raise kopf.LoginError("Ran out of valid credentials")
        if starts == 3:
            await stop_flag.wait()

    monkeypatch.setattr(kopf, "operator", operator)
    monkeypatch.setattr(module, "MIN_BACKOFF_S", 0.0)
    watch = IntentsWatch(lambda *_: None, credentials)
    with caplog.at_level(logging.WARNING):
        watching = asyncio.create_task(watch.run())
        await until(lambda: starts == 3)
        watching.cancel()
        await asyncio.wait([watching])

    assert [r.__dict__["reason"] for r in caplog.records] == ["Ran out of valid credentials", "no reason given"]
    assert (watching.cancelled(), watch.metrics()[0].samples) == (True, {"": 2})
