"""ClientIntents from the API server: the one way of listing them, in pages.

Source: Kubernetes API concepts, "Retrieving large results sets in chunks".
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from grapevine.intents import resource as names
from grapevine.kube.session import Session
from grapevine.model.errors import RetryableError

PAGE_SIZE = 200
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class _Metadata(msgspec.Struct):
    namespace: str
    name: str


class _Item(msgspec.Struct):
    metadata: _Metadata


class _MetadataList(msgspec.Struct):
    items: list[_Item]


async def list_intents(
    session: Session, namespaces: Sequence[str] = (), *, selector: str = "", version: str = names.VERSION
) -> list[Mapping[str, Any]]:
    """Return the ClientIntents objects of some namespaces, or of the whole cluster, that match a label selector.

    Raises:
        RetryableError: the API is unreachable or busy, or objects changed so fast that the list expired.
        PermanentInputError: it is forbidden, the CRD is not installed, or the selector is none.
    """
    found: list[Mapping[str, Any]] = []
    for within in [f"/namespaces/{each}" for each in namespaces] or [""]:
        found += await _pages(session, f"/apis/{names.GROUP}/{version}{within}/{names.PLURAL}", selector)
    return found


async def list_names(session: Session, most: int) -> list[tuple[str, str]]:
    """Return namespace and name of the first so many objects, by one request for metadata alone.

    Raises:
        (all that `list_intents` raises)
    """
    path = f"/apis/{names.GROUP}/{names.VERSION}/{names.PLURAL}"
    body = await session.request("GET", path, {"limit": str(most)}, accept=_METADATA_LIST)
    try:
        items = msgspec.json.decode(body, type=_MetadataList).items
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise RetryableError(f"the API server's answer is no list: {error}") from error
    return [(each.metadata.namespace, each.metadata.name) for each in items]


async def _pages(session: Session, path: str, selector: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    query = {"limit": str(PAGE_SIZE), **({"labelSelector": selector} if selector else {})}
    while True:
        page = _decode(await session.request("GET", path, query))
        found.extend(page.get("items") or ())
        query["continue"] = page.get("metadata", {}).get("continue", "")
        if not query["continue"]:
            return found


def _decode(body: bytes) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise RetryableError(f"the API server's answer is no object: {error}") from error
