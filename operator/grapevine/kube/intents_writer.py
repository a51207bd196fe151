"""Read and write one ClientIntents object at a time: server-side apply.

Implements `reconcile.ports.IntentsWriter`. Server-side apply answers 201 where it created and 200 where it changed,
with the object both times; JSON is sent under apply's YAML content type, which it is.

Source: Kubernetes documentation, "Server-Side Apply".
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from grapevine.intents import resource as names
from grapevine.intents.read import read_intents
from grapevine.kube.errors import ConflictError, NotFoundError
from grapevine.kube.fence import FencedSession
from grapevine.kube.session import Session
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.intents import ActualIntents
from grapevine.reconcile.ports import Resource

_APPLY = "application/apply-patch+yaml"


class ApiIntentsWriter:
    """Writes ClientIntents to the API server; errors as `IntentsWriter` has them."""

    def __init__(self, session: Session | FencedSession) -> None:
        self._session = session

    async def read(self, namespace: str, name: str) -> ActualIntents | None:
        """Return the object as it is now, None where there is none."""
        try:
            body = await self._session.request("GET", _path({"metadata": {"namespace": namespace, "name": name}}))
        except NotFoundError:
            return None
        return read_intents(_decode(body))

    async def create(self, resource: Resource) -> ActualIntents:
        """Create the object; a name that is taken is a RetryableError, whoever took it.

        Apply cannot say "only if it is not there": the look before it is, and `force=false` catches the rest.
        """
        meta = resource["metadata"]
        if await self.read(meta["namespace"], meta["name"]):
            raise ConflictError(f"ClientIntents {meta['namespace']}/{meta['name']} is there already")
        return await self._apply(resource, force=False)

    async def apply(self, resource: Resource) -> ActualIntents:
        """Apply spec and labels; a RetryableError where uid or version in `metadata` are not the object's any more.

        `force` is for labels that others set; who has written to the spec has made another version of it.
        """
        return await self._apply(resource, force=True)

    async def apply_status(self, resource: Resource) -> ActualIntents:
        """Apply status alone; an object that is gone, or another one by now, is a RetryableError.

        The server ignores `metadata.uid` here, so another object of that name has been written to when we learn of
        it; the caller plans anew, and the status follows.
        """
        actual = await self._apply(resource, force=True, subresource="/status")
        if actual.uid != resource["metadata"]["uid"]:
            raise ConflictError(f"ClientIntents {actual.namespace}/{actual.name} was made anew meanwhile")
        return actual

    async def delete(self, actual: ActualIntents) -> None:
        """Delete this object in this version; one that is gone is fine, another version is a RetryableError."""
        path = _path({"metadata": {"namespace": actual.namespace, "name": actual.name}})
        preconditions = {"uid": actual.uid, "resourceVersion": str(actual.version)}
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions}
        with suppress(NotFoundError):
            await self._session.request("DELETE", path, body=options)

    async def _apply(self, resource: Resource, *, force: bool, subresource: str = "") -> ActualIntents:
        query = {"fieldManager": names.FIELD_MANAGER, "force": "true" if force else "false"}
        try:
            path = _path(resource) + subresource
            body = await self._session.request("PATCH", path, query, body=resource, content_type=_APPLY)
        except PermanentInputError as error:
            if "uid" in resource["metadata"] and _is_another_object(error):
                raise ConflictError(str(error)) from error
            raise
        return read_intents(_decode(body))


def _path(resource: Resource) -> str:
    meta = resource["metadata"]
    return f"/apis/{names.API_VERSION}/namespaces/{meta['namespace']}/{names.PLURAL}/{meta['name']}"


def _is_another_object(error: PermanentInputError) -> bool:
    """Return whether the object meant by its uid is gone: 404, or 422 where one of its name was made anew."""
    return isinstance(error, NotFoundError) or "metadata.uid" in str(error)


def _decode(body: bytes) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise RetryableError(f"the API server's answer is no object: {error}") from error
