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
