"""What kopf is told."""

from collections.abc import Mapping
from typing import Any

import kopf

from grapevine.handlers.intents import quiet_settings, registry_of


async def test_hands_the_event_on_as_it_is() -> None:
    told: list[tuple[str | None, Mapping[str, Any]]] = []

    async def login() -> Mapping[str, Any]:
        return {"server": "https://example.org", "token": "t"}

    registry = registry_of(lambda *event: told.append(event), login)
    (handler,) = registry._watching.get_all_handlers()
    body = {"metadata": {"name": "cart"}}
    await handler.fn(event={"type": None, "object": body}, body=body)
    await handler.fn(event={"type": "DELETED", "object": body}, body=body)

    assert told == [(None, body), ("DELETED", body)]


def test_registers_no_handler_that_writes_into_objects() -> None:
    async def login() -> Mapping[str, Any]:
        return {}

    registry = registry_of(lambda *event: None, login)

    for kind in (registry._changing, registry._spawning, registry._indexing, registry._webhooks):
        assert list(kind.get_all_handlers()) == []


def test_kopf_keeps_quiet() -> None:
    settings = quiet_settings()

    assert not settings.posting.enabled
    assert settings.scanning.disabled
    assert settings.process.ultimate_exiting_timeout is None
    assert settings.persistence.finalizer.startswith("grapevine.dev/")
    assert isinstance(settings, kopf.OperatorSettings)
