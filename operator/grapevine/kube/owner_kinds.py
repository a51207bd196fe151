"""Kinds that own pods besides Kubernetes' own, followed because a person asked for it: found by discovery, read as
metadata alone.

One that cannot be followed (no such kind, no right) holds nothing else up: its objects are unknown, so what they own is
named by the reference to them, and it is asked for again.

Source: Kubernetes API concepts, "API discovery" (APIResourceList).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

import msgspec

from grapevine.kube.cache import Cache, Kind
from grapevine.kube.decode import ObjectDecoder
from grapevine.kube.errors import NotFoundError
from grapevine.kube.informer import Behind, Informer, OnRecords
from grapevine.kube.session import Session
from grapevine.model.errors import GrapevineError, PermanentInputError
from grapevine.model.metric import Metric
from grapevine.model.rbac import Refusal
from grapevine.settings import OwnerKindName

RETRY_S = 30.0
"""Between two looks for a kind that the API server does not serve: its CRD may come."""

_log = logging.getLogger(__name__)


class _Resource(msgspec.Struct):
    name: str
    kind: str = ""


class _ResourceList(msgspec.Struct):
    resources: list[_Resource] | None = None


async def find_kind(session: Session, asked: OwnerKindName) -> Kind:
    """Return the kind as the API server serves it now.

    Raises:
        PermanentInputError: it serves none of that name, or may not say so; the text says what to look at.
        RetryableError: it did not answer.
    """
    path = f"/apis/{asked.group}/{asked.version}" if asked.group else f"/api/{asked.version}"
    try:
        served = msgspec.json.decode(await session.request("GET", path, {}), type=_ResourceList).resources or ()
    except NotFoundError as error:
        raise PermanentInputError(f"{asked}: there is no such group and version: is its CRD there?") from error
    except msgspec.MsgspecError as error:
        raise PermanentInputError(f"GET {path}: the answer is no list of resources: {error}") from error
    for each in served:
        if "/" not in each.name and asked.name in (each.kind, each.name):
            return Kind(f"{each.kind}.{asked.group}", f"{path}/{each.name}", partial=True)
    raise PermanentInputError(f"{asked}: that group serves no {asked.name}")


class _Followed:
    def __init__(self, asked: OwnerKindName) -> None:
        self.asked = asked
        self.informer: Informer | None = None
        """None until the kind was found."""
        self.refusal: Refusal | None = None
        """Why it was not found at the newest look."""
        self.answered = asyncio.Event()
        """Set once it was listed, or refused."""


class OwnerKinds:
    """All of them."""

    def __init__(
        self,
        session: Session,
        asked: Sequence[OwnerKindName],
        on_records: OnRecords,
        clock: Callable[[], int],
        on_followed: Callable[[str, str], None],
    ) -> None:
        """Take a clock of milliseconds; `on_followed` is told group and kind once all objects of it are known."""
        self._session = session
        self._followed = [_Followed(each) for each in asked]
        self._on_records = on_records
        self._clock = clock
        self._on_followed = on_followed

    async def run(self) -> None:
        """Follow all kinds until cancelled; no failure of the server ends this."""
        async with asyncio.TaskGroup() as group:
            for each in self._followed:
                group.create_task(self._follow(each), name=f"owners-{each.asked}")

    async def wait_answered(self, timeout_s: float) -> None:
        """Return once every kind was listed or refused, at the latest after `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                for each in self._followed:
                    await each.answered.wait()

    def failing(self) -> dict[str, Refusal]:
        """Return the kinds that cannot be followed now, each with why."""
        refusals = {str(e.asked): e.informer.refusal if e.informer else e.refusal for e in self._followed}
        return {name: refusal for name, refusal in refusals.items() if refusal}

    def metrics(self) -> list[Metric]:
        """Return how many objects of each kind are known."""
        objects = {str(each.asked): len(each.informer.cache) if each.informer else 0 for each in self._followed}
        failing = self.failing()
        followed = {name: float(name not in failing) for name in objects}
        return [
            Metric(
                "grapevine_owner_kind_followed",
                "gauge",
                "1 while a kind of owner that was asked for is followed.",
                followed,
                "kind",
            ),
            Metric("grapevine_owner_kind_objects", "gauge", "Owners of it that are known.", objects, "kind"),
        ]

    async def _follow(self, followed: _Followed) -> None:
        kind = await self._find(followed)
        decoder = ObjectDecoder(())
        name, _, group = kind.name.partition(".")
        decoder.add_owner(group, name)
        behind = Behind(lambda _: None)
        informer = Informer(kind, self._session, Cache(kind, decoder), self._on_records, self._clock, behind)
        informer.on_refused = followed.answered.set
        followed.informer = informer
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(informer.run())
            await informer.synced.wait()
            self._on_followed(group, name)
            followed.answered.set()

    async def _find(self, followed: _Followed) -> Kind:
        while True:
            try:
                found = await find_kind(self._session, followed.asked)
            except GrapevineError as error:
                if followed.refusal is None:
                    extra = {"kind": str(followed.asked), "reason": str(error), "retry_s": RETRY_S}
                    _log.warning("cannot follow", extra=extra)
                followed.refusal = Refusal(str(error))
                followed.answered.set()
                await asyncio.sleep(RETRY_S)
            else:
                followed.refusal = None
                return found
