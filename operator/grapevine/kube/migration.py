"""Look for Otterize in a cluster, keep a copy of what is its, and do the steps of `insight.migration`.

Every step may be done again: what is done already is passed over.

Source: Kubernetes documentation, "Versions in CustomResourceDefinitions", "Upgrade existing objects to a new stored
version"; API reference, Scale, CustomResourceDefinition.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import msgspec

from grapevine.insight.migration import KEPT_VERSIONS, Action, GroupCrd, Otterize, Step
from grapevine.intents import resource as names
from grapevine.kube.cluster_facts import Role
from grapevine.kube.crd import read_crd
from grapevine.kube.errors import ConflictError, NotFoundError
from grapevine.kube.preflight import read_admission, read_components
from grapevine.kube.session import Session
from grapevine.model.errors import GrapevineError, PermanentInputError, RetryableError

PLURALS = ("clientintents", "protectedservices", "kafkaserverconfigs", "postgresqlserverconfigs", "mysqlserverconfigs")
WAIT_S = 120.0
"""For pods to end, and for a CRD to be served; both take seconds."""
BUSY_S = 30.0
"""As long as the API server asks to come again; a CRD that was changed is ready in one or two."""
PAGE_SIZE = 200

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_POLICIES = "/apis/networking.k8s.io/v1/networkpolicies"
_MERGE = "application/merge-patch+json"
_PREFIX = "intents.otterize.com/"
"""Of Otterize's finalizers and labels."""
_WEBHOOK_SERVICE = "intents-operator-webhook-service"
_POLL_S = 0.5

_INTENTS_CRD = f"{names.PLURAL}.{names.GROUP}"

Object = dict[str, Any]


class _Meta(msgspec.Struct):
    name: str = ""
    uid: str = ""


class _Item(msgspec.Struct):
    metadata: _Meta


class _Backup(msgspec.Struct):
    items: list[_Item]


class Migration:
    """One cluster, looked at once by `read`; the steps then work on it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._crds: dict[str, Object] = {}
        self._objects: dict[str, list[Object]] = {}
        self._hooks: list[Object] = []

    async def read(self) -> Otterize:
        """Return what is there; changes nothing.

        Raises:
            RetryableError: the API server does not answer.
            PermanentInputError: something may not be read, or objects cannot be, for want of the conversion webhook.
        """
        for plural in PLURALS:
            try:
                self._crds[plural] = await self._get(f"{_CRDS}/{plural}.{names.GROUP}")
            except NotFoundError:
                continue
            self._objects[plural] = await self._list_kind(plural)
        components = await read_components(self._session)
        webhooks = {
            webhook.configuration
            for webhook in await read_admission(self._session)
            if webhook.service is not None and webhook.service.name == _WEBHOOK_SERVICE
        }
        self._hooks = [await self._get(f"{_HOOKS}/{quote(name)}") for name in sorted(webhooks)]
        policies = await self._list(_POLICIES)
        return Otterize(
            crds=tuple(self._crd(plural) for plural in self._crds),
            running=tuple(each.name for each in components if each.role is Role.OTTERIZE_OPERATOR and each.runs),
            webhooks=tuple(sorted(webhooks)),
            policies=sum(any(key.startswith(_PREFIX) for key in _labels(policy)) for policy in policies),
        )

    def backup(self) -> Object:
        """Return everything that a step changes or deletes, as a List."""
        objects = [each for listed in self._objects.values() for each in listed]
        return {"apiVersion": "v1", "kind": "List", "items": [*self._crds.values(), *self._hooks, *objects]}

    @property
    def cluster_uid(self) -> str:
        """What tells this cluster's backup from another's: the uid of the CRD of ClientIntents; empty without one."""
        crd = self._crds.get(names.PLURAL)
        return str(crd["metadata"]["uid"]) if crd else ""

    async def do(self, step: Step) -> None:
        """Do one step of the plan for what `read` found.

        Raises:
            RetryableError: the API server does not answer, or what was waited for did not come.
            PermanentInputError: it is forbidden or refused; the text names the object.
        """
        actions: Mapping[Action, Callable[[str], Awaitable[None]]] = {
            Action.SETTLE: self._settle,
            Action.STOP: self._stop,
            Action.UNHOOK: self._unhook,
            Action.REPLACE: self._replace,
            Action.TRIM: self._trim,
            Action.RELEASE: self._release,
        }
        await actions[step.action](step.subject)

    async def _settle(self, plural: str) -> None:
        """Put every object as it was read; who changed or deleted one meanwhile has done the same."""
        for each in self._objects[plural]:
            try:
                await self._request("PUT", self._path_of(plural, each), body=each)
            except (ConflictError, NotFoundError):
                continue
            except RetryableError as error:
                raise self._unconverted(plural, error) from error
        body = {"status": {"storedVersions": [_storage(self._crds[plural])]}}
        path = f"{_CRDS}/{plural}.{names.GROUP}/status"
        await self._request("PATCH", path, body=body, content_type=_MERGE)

    async def _stop(self, deployment: str) -> None:
        namespace, _, name = deployment.partition("/")
        path = f"/apis/apps/v1/namespaces/{quote(namespace)}/deployments/{quote(name)}"
        body = {"spec": {"replicas": 0}}
        await self._request("PATCH", f"{path}/scale", body=body, content_type=_MERGE)
        await self._wait(f"the pods of Deployment {deployment} to end", lambda: self._is_at_rest(path))

    async def _is_at_rest(self, path: str) -> bool:
        return not ((await self._get(path)).get("status") or {}).get("replicas")

    async def _unhook(self, name: str) -> None:
        try:
            await self._request("DELETE", f"{_HOOKS}/{quote(name)}")
        except NotFoundError:
            return

    async def _disown(self, plural: str) -> None:
        """Strike versions that go off the objects' field histories: nothing could be applied to these objects any more.

        Whoever wrote in such a version owns no field then, until they write again.
        """
        for each in await self._list_kind(plural):
            entries = each["metadata"].get("managedFields") or []
            kept = [entry for entry in entries if str(entry.get("apiVersion")).rpartition("/")[2] in KEPT_VERSIONS]
            if kept == entries:
                continue
            body = {**each, "metadata": {**each["metadata"], "managedFields": kept or [{}]}}
            with suppress(NotFoundError):
                await self._request("PUT", self._path_of(plural, each), body=body)

    async def _replace(self, crd: str) -> None:
        await self._disown(names.PLURAL)
        ours = read_crd()
        path = f"{_CRDS}/{crd}"
        version = (await self._get(path))["metadata"]["resourceVersion"]
        body = {**ours, "metadata": {**ours["metadata"], "resourceVersion": version}}
        await self._request("PUT", path, body=body)
        await self._wait_served(names.PLURAL)

    async def _trim(self, crd: str) -> None:
        path = f"{_CRDS}/{crd}"
        found = await self._get(path)
        await self._disown(found["spec"]["names"]["plural"])
        kept = [version for version in found["spec"]["versions"] if version["name"] in KEPT_VERSIONS]
        spec = {**found["spec"], "conversion": {"strategy": "None"}, "versions": kept}
        await self._request("PUT", path, body={**found, "spec": spec})
        await self._wait_served(found["spec"]["names"]["plural"])

    async def _release(self, plural: str) -> None:
        for each in await self._list_kind(plural):
            finalizers = each["metadata"].get("finalizers") or []
            kept = [finalizer for finalizer in finalizers if not finalizer.startswith(_PREFIX)]
            if kept == finalizers:
                continue
            version = each["metadata"]["resourceVersion"]
            body = {"metadata": {"finalizers": kept, "resourceVersion": version}}
            try:
                await self._request("PATCH", self._path_of(plural, each), body=body, content_type=_MERGE)
            except NotFoundError:
                continue

    async def _wait_served(self, plural: str) -> None:
        """Wait until every object can be read in both versions, which no webhook is asked for any more."""

        async def is_served() -> bool:
            self._crds[plural] = await self._get(f"{_CRDS}/{plural}.{names.GROUP}")
            try:
                for version in self._crds[plural]["spec"]["versions"]:
                    await self._list(f"/apis/{names.GROUP}/{version['name']}/{plural}")
            except GrapevineError:
                return False
            return True

        await self._wait(f"the API server to serve {plural}", is_served)

    async def _wait(self, what: str, is_done: Callable[[], Awaitable[bool]]) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                while not await is_done():  # noqa: ASYNC110 - it is the API server's state that is waited for
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise RetryableError(f"waited {WAIT_S:g} s for {what}") from error

    def _crd(self, plural: str) -> GroupCrd:
        crd, objects = self._crds[plural], self._objects[plural]
        conversion = crd["spec"].get("conversion") or {}
        has_webhook = conversion.get("strategy") == "Webhook"
        return GroupCrd(
            plural=plural,
            kind=crd["spec"]["names"]["kind"],
            versions=tuple(version["name"] for version in crd["spec"]["versions"]),
            storage=_storage(crd),
            stored=tuple((crd.get("status") or {}).get("storedVersions") or ()),
            has_webhook=has_webhook,
            is_ours=_labels(crd).get("app.kubernetes.io/part-of") == "grapevine" and not has_webhook,
            objects=len(objects),
            finalized=sum(
                any(finalizer.startswith(_PREFIX) for finalizer in each["metadata"].get("finalizers") or ())
                for each in objects
            ),
        )

    async def _list_kind(self, plural: str) -> list[Object]:
        """Return a kind's objects in the version they are stored in: of those, no conversion is asked for."""
        storage = _storage(self._crds[plural])
        try:
            return await self._list(f"/apis/{names.GROUP}/{storage}/{plural}")
        except RetryableError as error:
            raise self._unconverted(plural, error) from error

    def _unconverted(self, plural: str, error: RetryableError) -> RetryableError:
        stored = ", ".join((self._crds[plural].get("status") or {}).get("storedVersions") or ())
        return RetryableError(f"{error}; objects stored as {stored} need Otterize's webhook server: is it running?")

    async def _list(self, path: str) -> list[Object]:
        found: list[Object] = []
        query = {"limit": str(PAGE_SIZE)}
        while True:
            page = await self._get(path, query)
            found += page.get("items") or ()
            query["continue"] = page.get("metadata", {}).get("continue", "")
            if not query["continue"]:
                return found

    def _path_of(self, plural: str, resource: Object) -> str:
        meta = resource["metadata"]
        return f"/apis/{resource['apiVersion']}/namespaces/{meta['namespace']}/{plural}/{meta['name']}"

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        answer = await self._request("GET", path, query)
        try:
            return msgspec.json.decode(answer, type=Object)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise PermanentInputError(f"GET {path}: the answer is no object: {error}") from error

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        """Send a request, and again while the API server asks for that: after a CRD has changed, it does for a moment.

        Source: Kubernetes API conventions, "HTTP status codes": 429, 503.
        """
        ends_s = time.monotonic() + BUSY_S
        while True:
            try:
                return await self._session.request(method, path, query, body=body, content_type=content_type)
            except RetryableError as error:
                if error.after_s is None or time.monotonic() + error.after_s > ends_s:
                    raise
                await asyncio.sleep(max(error.after_s, _POLL_S))


def read_backup_uid(content: bytes) -> str:
    """Return the `cluster_uid` of a backup; empty where it is none."""
    try:
        backup = msgspec.json.decode(content, type=_Backup)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""
    return next((each.metadata.uid for each in backup.items if each.metadata.name == _INTENTS_CRD), "")


def _storage(crd: Object) -> str:
    return next((str(version["name"]) for version in crd["spec"]["versions"] if version["storage"]), "")


def _labels(resource: Object) -> Mapping[str, str]:
    return resource["metadata"].get("labels") or {}
