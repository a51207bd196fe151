"""Which schema of ClientIntents the API server serves, looked at again and again: CRDs change under a running operator.

Read from the published OpenAPI, which every authenticated client may (`system:discovery`): the CRD itself would need a
right of its own. The list of documents has a hash for each; a document is read only when its hash is another one.

Source: Kubernetes documentation, "The Kubernetes API", OpenAPI V3.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from grapevine.intents import resource as names
from grapevine.intents.kept import KeptStatus, kept_status
from grapevine.kube.session import Session
from grapevine.model.errors import GrapevineError, PermanentInputError, RetryableError
from grapevine.model.metric import Metric

POLL_S = 10.0
"""Between two looks at the hash; the list is 12 KB, 100 of each CRD more."""
RETRY_S = 5.0
"""The same after one that failed: an API server publishes a CRD's schema a second after it serves it."""
TIMEOUT_S = 10.0

_INDEX = "/openapi/v3"
_DOCUMENT = f"apis/{names.API_VERSION}"
_KINDS = "x-kubernetes-group-version-kind"

_NOT_YET = "not looked at yet"

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_log = logging.getLogger(__name__)


class _Entry(msgspec.Struct, rename={"url": "serverRelativeURL"}):
    url: str = ""


class _Index(msgspec.Struct):
    paths: dict[str, _Entry]


class _Components(msgspec.Struct):
    schemas: dict[str, dict[str, Any]]


class _Document(msgspec.Struct):
    components: _Components


class ServedSchema:
    """Tells what the schema keeps whenever that is read; until it could be, ours is taken for granted."""

    def __init__(self, session: Session, on_schema: Callable[[KeptStatus], None]) -> None:
        self._session = session
        self._on_schema = on_schema
        self._url = ""
        """Of the document that was read last, with its hash."""
        self._lacking: tuple[str, ...] = ()
        self.unread = _NOT_YET
        """Why the schema is not known; empty where it is."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(RETRY_S if self.unread else POLL_S)

    async def look(self) -> None:
        """Read the schema if it is another one than last time; what cannot be read is in `unread`."""
        try:
            url = await self._find()
            if url != self._url:
                self._take(await self._read())
                self._url = url
            self.unread = ""
        except GrapevineError as error:
            if self.unread in ("", _NOT_YET):
                _log.warning("the schema of ClientIntents cannot be read", extra={"error": str(error)})
            self.unread = str(error)

    def metrics(self) -> list[Metric]:
        """Return how much of a status is not kept."""
        text = "Fields of a ClientIntents' status that the CRD in the cluster does not keep."
        return [Metric("grapevine_status_fields_lacking", "gauge", text, {"": len(self._lacking)})]

    async def _find(self) -> str:
        """Return the document's URL."""
        body = await self._session.request("GET", _INDEX, timeout_s=TIMEOUT_S)
        entry = _decoded(body, _Index).paths.get(_DOCUMENT)
        if entry is None:
            raise RetryableError(f"GET {_INDEX}: {_DOCUMENT} is not listed yet")
        return entry.url

    async def _read(self) -> Mapping[str, Any]:
        """Return the schema of a whole object."""
        path = f"{_INDEX}/{_DOCUMENT}"
        document = _decoded(await self._session.request("GET", path, timeout_s=TIMEOUT_S), _Document)
        for schema in document.components.schemas.values():
            if any(kind.get("kind") == names.KIND for kind in schema.get(_KINDS, ())):
                return schema
        raise PermanentInputError(f"GET {path}: no schema there is of {names.KIND}")

    def _take(self, schema: Mapping[str, Any]) -> None:
        kept = kept_status(schema)
        if kept.lacking and kept.lacking != self._lacking:
            _log.warning(
                "the CRD of ClientIntents does not keep all of a status",
                extra={"lacking": ", ".join(kept.lacking), "status": "in part" if kept.is_ours else "not written"},
            )
        elif self._lacking and not kept.lacking:
            _log.info("the CRD of ClientIntents keeps all of a status now")
        self._lacking = kept.lacking
        self._on_schema(kept)


def _decoded(body: bytes, type_: type[_Struct]) -> _Struct:
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise RetryableError(f"the API server's OpenAPI cannot be read: {error}") from error
