"""ClientIntents as they change, for a person who looks on: a list, and a watch from there on, for as long as it takes.

What a watch misses is found by the next list. Source: Kubernetes API concepts, "Efficient detection of changes".
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from grapevine.kube import errors
from grapevine.kube.intents_list import decode_object, intents_path, list_pages
from grapevine.kube.session import Session
from grapevine.model.errors import RetryableError

Resource = Mapping[str, Any]
Tell = Callable[[list[Resource], list[Resource]], None]
"""Takes the objects that are new or otherwise than before, and those that are gone."""

WATCH_S = 290
"""After which the server ends a watch, before a proxy in between does."""
INACTIVITY_S = 100.0
"""Silent for so long, a watch may be dead: a bookmark comes every minute."""
MIN_BACKOFF_S, MAX_BACKOFF_S = 1.0, 30.0


class IntentsWatch:
    """Objects of one namespace, or of the whole cluster, that match a label selector."""

    def __init__(self, session: Session, namespace: str, selector: str, tell: Tell) -> None:
        self._session = session
        self._path = intents_path(namespace)
        self._selector = selector
        self._tell = tell
        self._known: dict[tuple[str, str], Resource] = {}
        self._version = ""

    async def look(self) -> None:
        """Tell all that is there, or is otherwise than at the last look.

        Raises:
            RetryableError, PermanentInputError: as `list_intents`.
        """
        listed, self._version = await list_pages(self._session, self._path, self._selector)
        shown = {_key(each): each for each in listed}
        gone = [each for key, each in self._known.items() if key not in shown]
        news = [each for key, each in shown.items() if _version(self._known.get(key)) != _version(each)]
        self._known = shown
        self._tell(news, gone)

    async def follow(self, on_trouble: Callable[[RetryableError], None]) -> None:
        """Tell what changes from there on, without end; `on_trouble` is told of the first failure of several.

        Raises:
            PermanentInputError: it is refused.
        """
        backoff_s = 0.0
        while True:
            try:
                if backoff_s:
                    await self.look()
                backoff_s = 0.0 if await self._watch() else MIN_BACKOFF_S
            except errors.ExpiredError:
                backoff_s = MIN_BACKOFF_S
            except errors.SilentError:
                pass
            except RetryableError as error:
                if not backoff_s:
                    on_trouble(error)
                backoff_s = min(max(2 * backoff_s, MIN_BACKOFF_S), MAX_BACKOFF_S)
            await asyncio.sleep(backoff_s)

    async def _watch(self) -> bool:
        """Take one watch to its end; return whether it said anything."""
        query = {"resourceVersion": self._version, "timeoutSeconds": str(WATCH_S)}
        if self._selector:
            query["labelSelector"] = self._selector
        has_spoken = False
        opened = self._session.watch(self._path, query, accept="application/json", inactivity_s=INACTIVITY_S)
        async with opened as lines:
            async for line in lines:
                self._take(decode_object(line))
                has_spoken = True
        return has_spoken

    def _take(self, event: Mapping[str, Any]) -> None:
        resource = event.get("object") or {}
        if event.get("type") == "ERROR":
            raise errors.watch_refusal(self._path, msgspec.json.encode(resource))
        self._version = _version(resource) or self._version
        if event.get("type") == "DELETED":
            self._known.pop(_key(resource), None)
            self._tell([], [resource])
        elif event.get("type") in ("ADDED", "MODIFIED"):
            self._known[_key(resource)] = resource
            self._tell([resource], [])


async def watch_intents(
    session: Session,
    namespaces: Iterable[str],
    selector: str,
    tell: Tell,
    on_trouble: Callable[[RetryableError], None],
) -> None:
    """Tell all ClientIntents of some namespaces, or of the whole cluster, and then what changes, without end.

    Raises:
        RetryableError: the API server does not answer the first time.
        PermanentInputError: it refuses, or the CRD is not installed.
    """
    watches = [IntentsWatch(session, each, selector, tell) for each in tuple(namespaces) or ("",)]
    for each in watches:
        await each.look()
    await asyncio.gather(*(each.follow(on_trouble) for each in watches))


def _key(resource: Resource) -> tuple[str, str]:
    metadata = resource.get("metadata") or {}
    return str(metadata.get("namespace", "")), str(metadata.get("name", ""))


def _version(resource: Resource | None) -> str:
    return str(((resource or {}).get("metadata") or {}).get("resourceVersion", ""))
