"""A watch of ClientIntents over what a server and a network do: it ends, it expires, it fails, it tells nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from grapevine.kube import intents_watch
from grapevine.kube.errors import ExpiredError
from grapevine.kube.intents_watch import watch_intents
from grapevine.kube.session import Session
from grapevine.model.errors import PermanentInputError, RetryableError


def an_object(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": name, "resourceVersion": str(version)}}


def event(kind: str, of: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": of}


class FakeSession:
    """Answers lists and watches one after the other; what is an exception is raised. The last watch never ends."""

    def __init__(self, lists: list[Any], watches: list[Any]) -> None:
        self._lists, self._watches = iter(lists), iter(watches)
        self.versions: list[str] = []
        """From which each watch was to go on."""
        self.has_told_all = asyncio.Event()

    async def request(self, _method: str, _path: str, _query: Mapping[str, str]) -> bytes:
        version, *items = _next(self._lists)
        return json.dumps({"metadata": {"resourceVersion": version}, "items": items}).encode()

    @asynccontextmanager
    async def watch(self, _path: str, query: Mapping[str, str], **_: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        self.versions.append(query["resourceVersion"])
        yield self._lines()

    async def _lines(self) -> AsyncIterator[bytes]:
        try:
            events = _next(self._watches)
        except StopIteration:
            self.has_told_all.set()
            await asyncio.Event().wait()
            return
        for each in events:
            yield json.dumps(each).encode()


def _next(answers: Iterator[Any]) -> Any:
    answer = next(answers)
    if isinstance(answer, Exception):
        raise answer
    return answer


class Told:
    """What a person was told, in order."""

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.troubles: list[str] = []

    def tell(self, changed: list[Mapping[str, Any]], gone: list[Mapping[str, Any]]) -> None:
        self.changes += [f"+{each['metadata']['name']}{each['metadata']['resourceVersion']}" for each in changed]
        self.changes += [f"-{each['metadata']['name']}" for each in gone]


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intents_watch, "MIN_BACKOFF_S", 0.001)
    monkeypatch.setattr(intents_watch, "MAX_BACKOFF_S", 0.001)


async def told_by(session: FakeSession) -> Told:
    told = Told()
    watching = asyncio.create_task(
        watch_intents(cast(Session, session), ["shop"], "", told.tell, lambda error: told.troubles.append(str(error)))
    )
    ended = asyncio.create_task(session.has_told_all.wait())
    try:
        async with asyncio.timeout(10):
            done, _ = await asyncio.wait([watching, ended], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await task
    finally:
        for task in (watching, ended):
            task.cancel()
    return told


async def test_a_watch_that_ends_goes_on_where_it_was() -> None:
    session = FakeSession(
        [("5", an_object("a", 1), an_object("b", 2))],
        [
            [event("MODIFIED", an_object("a", 6)), event("BOOKMARK", an_object("", 7))],
            [event("DELETED", an_object("b", 8)), event("ADDED", an_object("c", 9))],
        ],
    )

    assert ["+a1", "+b2", "+a6", "-b", "+c9"] == (await told_by(session)).changes
    assert ["5", "7", "9"] == session.versions


@pytest.mark.parametrize(
    "end",
    [ExpiredError("too old"), RetryableError("unreachable"), [event("ERROR", {"code": 410, "message": "too old"})]],
)
async def test_what_a_watch_has_missed_is_told_by_the_next_list(end: Any) -> None:
    lists = [("5", an_object("a", 1), an_object("b", 2)), ("9", an_object("a", 1), an_object("c", 8))]
    session = FakeSession(lists, [end])

    told = await told_by(session)

    assert ["+a1", "+b2", "+c8", "-b"] == told.changes
    assert ["5", "9"] == session.versions


async def test_of_failures_one_after_the_other_the_first_is_said() -> None:
    trouble = RetryableError("unreachable")
    session = FakeSession([("5",), trouble, trouble, ("5", an_object("a", 5))], [trouble])

    told = await told_by(session)

    assert (["+a5"], ["unreachable"]) == (told.changes, told.troubles)


async def test_a_refusal_ends_it() -> None:
    session = FakeSession([("5",)], [PermanentInputError("forbidden")])

    with pytest.raises(PermanentInputError, match="forbidden"):
        await told_by(session)
