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
    for each in namespaces or ("",):
        found += (await list_pages(session, intents_path(each, version), selector))[0]
    return found


async def list_names(session: Session, most: int) -> list[tuple[str, str]]:
    """Return namespace and name of the first so many objects, by one request for metadata alone.

    Raises:
        (all that `list_intents` raises)
    """
    body = await session.request("GET", intents_path(), {"limit": str(most)}, accept=_METADATA_LIST)
    try:
        items = msgspec.json.decode(body, type=_MetadataList).items
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise RetryableError(f"the API server's answer is no list: {error}") from error
    return [(each.metadata.namespace, each.metadata.name) for each in items]


def intents_path(namespace: str = "", version: str = names.VERSION) -> str:
    """Return where the objects of a namespace, or of the whole cluster, are."""
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{names.GROUP}/{version}{within}/{names.PLURAL}"


async def list_pages(session: Session, path: str, selector: str) -> tuple[list[Mapping[str, Any]], str]:
    """Return all objects of a path that match a label selector, and the version of the list.

    Raises:
        RetryableError, PermanentInputError: as `list_intents`.
    """
    found: list[Mapping[str, Any]] = []
    query = {"limit": str(PAGE_SIZE), **({"labelSelector": selector} if selector else {})}
    while True:
        page = decode_object(await session.request("GET", path, query))
        metadata = page.get("metadata", {})
        found.extend(page.get("items") or ())
        query["continue"] = metadata.get("continue", "")
        if not query["continue"]:
            return found, str(metadata.get("resourceVersion", ""))


def decode_object(body: bytes) -> Mapping[str, Any]:
    """Return an object of the API server's.

    Raises:
        RetryableError: it is none: a proxy's page, or cut off.
    """
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise RetryableError(f"the API server's answer is no object: {error}") from error
