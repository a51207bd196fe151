"""Turn a discovered ClientIntents into a person's: from then on its spec is theirs.

What makes an object discovered is a label and that nobody else wrote to its spec (`intents.read.is_discovered`), so to
take the label away is all it needs; the operator's own applies hold for a version of the object, and never undo it.
"""

from typing import Any

import msgspec

from grapevine.intents.read import is_discovered
from grapevine.intents.resource import API_VERSION, MANAGED_BY_LABEL, ORIGIN_LABEL, PLURAL
from grapevine.kube.session import Session
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.identity import ObjectName

FIELD_MANAGER = "grapevine-promote"


class _Object(msgspec.Struct):
    metadata: dict[str, Any]


async def promote(session: Session, name: ObjectName, *, dry_run: bool = False) -> None:
    """Make the object a person's; with `dry_run` the API server only says whether it would.

    Raises:
        PermanentInputError: there is no such object, it is a person's already, or the person may not change it.
        RetryableError: the API server does not answer, or the object changed meanwhile.
    """
    path = f"/apis/{API_VERSION}/namespaces/{name.namespace}/{PLURAL}/{name.name}"
    try:
        metadata = msgspec.json.decode(await session.request("GET", path), type=_Object).metadata
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise RetryableError(f"the API server's answer is no object: {error}") from error
    if not is_discovered(metadata):
        raise PermanentInputError(f"clientintents {name.namespace}/{name.name} is a person's already")
    labels = dict.fromkeys((ORIGIN_LABEL, MANAGED_BY_LABEL))
    body = {"metadata": {"labels": labels, "resourceVersion": metadata["resourceVersion"]}}
    query = {"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})
    await session.request("PATCH", path, query, body=body, content_type="application/merge-patch+json")
