"""Two objects the operator writes by name: the Secret of its serving key, and the ConfigMap that says whom to trust.

Never listed, never watched, the Secret never created: its rule in RBAC names it. Objects are read whole and written
back with nothing but their data changed, so that labels of others stay.

Source: Kubernetes API reference, core/v1 Secret, ConfigMap; API conventions, "Concurrency control".
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from grapevine.kube.errors import ConflictError, NotFoundError
from grapevine.kube.session import Session
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.identity import ObjectName

ATTEMPTS = 3
"""Writes of the ConfigMap against another replica."""


class NamedSecret:
    """One Secret; implements `serving.shared_certificate.SecretStore`."""

    def __init__(self, session: Session, name: ObjectName) -> None:
        self._session = session
        self._name = name
        self._path = _path("secrets", name)
        self._read: Mapping[str, Any] = {}

    async def read(self) -> tuple[Mapping[str, bytes], str]:
        """Return data and version; an entry that is no base64 is empty.

        Raises:
            PermanentInputError: it is missing, or forbidden.
            RetryableError: the API server does not answer.
        """
        try:
            self._read = _decode(await self._session.request("GET", self._path))
        except NotFoundError as error:
            raise PermanentInputError(
                f"Secret {self._name} is not there: the manifests ship it, empty, for the operator's serving key "
                f"(kubectl create secret generic {self._name.name} --namespace {self._name.namespace})"
            ) from error
        data = self._read.get("data") or {}
        return {key: _from_base64(value) for key, value in data.items()}, _version(self._read)

    async def write(self, data: Mapping[str, bytes], version: str) -> bool:
        """Replace the data of what was read last; False where it changed since.

        Raises:
            PermanentInputError: it is forbidden.
            RetryableError: the API server does not answer.
        """
        if _version(self._read) != version:
            return False
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        return await _replace(self._session, self._path, {**self._read, "data": encoded})


class NamedConfigMap:
    """One ConfigMap, made where there is none; implements `serving.shared_certificate.CaPublisher`."""

    def __init__(self, session: Session, name: ObjectName) -> None:
        self._session = session
        self._name = name
        self._path = _path("configmaps", name)

    async def publish(self, data: Mapping[str, str]) -> None:
        """Have it hold `data`; nothing is written where it does.

        Raises:
            PermanentInputError: its namespace is missing, or it is forbidden.
            RetryableError: the API server does not answer, or somebody else writes it too.
        """
        for _ in range(ATTEMPTS):
            if await self._try_publish(dict(data)):
                return
        raise RetryableError(f"ConfigMap {self._name} keeps changing; is something else writing it?")

    async def _try_publish(self, data: Mapping[str, str]) -> bool:
        """Return whether it holds `data` now; False where the other replica was faster."""
        try:
            held = _decode(await self._session.request("GET", self._path))
        except NotFoundError:
            return await self._try_create(data)
        return held.get("data") == data or await _replace(self._session, self._path, {**held, "data": data})

    async def _try_create(self, data: Mapping[str, str]) -> bool:
        metadata = {"name": self._name.name, "namespace": self._name.namespace}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        try:
            await self._session.request("POST", self._path.rpartition("/")[0], body=body)
        except ConflictError:
            return False
        except NotFoundError as error:
            raise PermanentInputError(
                f"namespace {self._name.namespace} is not there, where ConfigMap {self._name.name} tells capture whom "
                "to trust; the manifests ship it (GRAPEVINE_CA_CONFIGMAP names another)"
            ) from error
        return True


async def _replace(session: Session, path: str, body: Mapping[str, Any]) -> bool:
    """Put the object back; False where it is of another version by now."""
    try:
        await session.request("PUT", path, body=body)
    except ConflictError:
        return False
    return True


def _path(plural: str, name: ObjectName) -> str:
    return f"/api/v1/namespaces/{name.namespace}/{plural}/{name.name}"


def _version(resource: Mapping[str, Any]) -> str:
    return str((resource.get("metadata") or {}).get("resourceVersion", ""))


def _from_base64(value: object) -> bytes:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return b""


def _decode(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise RetryableError(f"the API server's answer is no object: {error}") from error
