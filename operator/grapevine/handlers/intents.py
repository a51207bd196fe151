"""What kopf is told: one watch on ClientIntents, where the credentials are, and to keep quiet otherwise.

Only `on.event`: every other kind of handler writes annotations or finalizers into users' objects.
"""

import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import kopf

from grapevine.intents.resource import GROUP, PLURAL, VERSION

OnIntents = Callable[[str | None, Mapping[str, Any]], None]
"""Takes the event's type (`ADDED`, `MODIFIED`, `DELETED`, None for an object that was there already) and the object."""
Login = Callable[[], Awaitable[Mapping[str, Any]]]
"""Returns fields of `kopf.ConnectionInfo`; asked again after a 401, as tokens rotate."""

_PREFIX = "grapevine.dev"


def registry_of(on_intents: OnIntents, login: Login) -> kopf.OperatorRegistry:
    """Return a registry with our handlers: explicit, so that importing this registers nothing."""
    registry = kopf.OperatorRegistry()

    async def connect(**_: object) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(**await login())

    async def hand_on(event: kopf.RawEvent, **_: object) -> None:
        on_intents(event["type"], event["object"])

    kopf.on.login(registry=registry)(connect)
    kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)(hand_on)
    return registry


def quiet_settings() -> kopf.OperatorSettings:
    """Return settings for a reader among thousands of objects, each with its reason."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # log lines would become Events, and load on the API
    settings.scanning.disabled = True  # preflight has found the CRD; spares listing CRDs and namespaces
    settings.watching.chunk_size = 500  # or the whole list comes in one answer, at three times the memory
    settings.watching.server_timeout = 290 + random.randint(-20, 20)  # noqa: S311 - before proxies cut it off
    settings.watching.client_timeout = settings.watching.server_timeout + 60
    settings.watching.connect_timeout = 10
    settings.watching.inactivity_timeout = 100  # as `kube.informer.INACTIVITY_S`, and for its reasons
    settings.networking.request_timeout = 30  # five minutes by default
    settings.networking.trust_env = True  # the same proxies as the other client of this process
    settings.queueing.worker_limit = 50  # one task an object else, all at once after a list
    settings.queueing.idle_timeout = 0.1  # a worker keeps its place this long: by default 5 s, 1,000 objects took 100 s
    settings.execution.max_workers = 1  # every handler is async
    settings.process.ultimate_exiting_timeout = None  # it would kill the process, not the watch
    settings.persistence.finalizer = f"{_PREFIX}/finalizer"  # never used; kopf's default is shared by all its operators
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=_PREFIX)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=_PREFIX)
    return settings
