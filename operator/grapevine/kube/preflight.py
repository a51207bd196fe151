"""Look at a cluster before anything is applied to it: reads, and questions about the person's own rights.

Every request has a timeout, every list is read in pages and up to a bound, of metadata alone where that is enough. What
is forbidden, missing or late is `Unread`, and costs none of the other looks.

Source: Kubernetes API reference: CustomResourceDefinition, SelfSubjectAccessReview; API concepts, "Metadata-only
fetches".
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

import msgspec

from grapevine.intents.resource import ORIGIN_DISCOVERED, ORIGIN_LABEL
from grapevine.kube import preflight_objects as objects
from grapevine.kube.cluster_facts import (
    APPLIED,
    APPLY_VERBS,
    CAPTURE_NAMESPACE,
    EVERYTHING,
    GRANTS,
    SYSTEM_NAMESPACE,
    ClusterFacts,
    Component,
    Crd,
    CrdVersion,
    IntentsCount,
    Nodes,
    Right,
    Unread,
    Webhook,
)
from grapevine.kube.errors import NotFoundError
from grapevine.kube.recognise import Recognised, cni_of_node, dns_product, is_serverless, try_recognise
from grapevine.kube.session import Session
from grapevine.model.errors import GrapevineError, PermanentInputError, RetryableError
from grapevine.model.identity import ObjectName

REQUEST_TIMEOUT_S = 10.0
LOOK_TIMEOUT_S = 60.0
"""For all requests of one look; a list of 10,000 objects takes seconds."""
PAGE_SIZE = 500
MAX_PAGES = 20
"""Of a list: 10,000 objects; what is over it is told."""
MAX_COMPONENTS = 50
"""Recognised programs that are looked at one by one."""
MAX_AT_ONCE = 8
"""Requests."""

_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_GROUP, _PLURAL = "k8s.otterize.com", "clientintents"
_CRD_PATH = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{_PLURAL}.{_GROUP}"
_HOOKS_PATH = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_REVIEW_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_FINALIZER_PREFIX = "intents.otterize.com/"
_ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"

_Struct = TypeVar("_Struct", bound=msgspec.Struct)
_Read = TypeVar("_Read")
_Page = TypeVar("_Page", objects.Objects, objects.HookConfigurations)


async def read_cluster(session: Session) -> ClusterFacts:
    """Return what can be found out of the cluster; changes nothing.

    Raises:
        PermanentInputError: no API server answers there, or it does not accept the credentials.
    """
    reader = _Reader(session)
    version: str | Unread
    try:
        version = await reader.version()
    except RetryableError as error:
        raise PermanentInputError(
            f"{error} (from {session.origin}); is the server up, and is it the right one?"
        ) from error
    except PermanentInputError as error:
        version = Unread("the API server's version", str(error))
    except msgspec.MsgspecError as error:
        raise PermanentInputError(
            f"{session.server} ({session.origin}) is no Kubernetes API server: {error}"
        ) from error
    async with asyncio.TaskGroup() as looks:
        crd = looks.create_task(_look("the CRD of ClientIntents", reader.crd()))
        groups = looks.create_task(_look("the API groups", reader.groups()))
        components = looks.create_task(_look("Deployments and DaemonSets", reader.components()))
        admission = looks.create_task(_look("validating webhooks", reader.admission()))
        nodes = looks.create_task(_look("the nodes", reader.nodes()))
        pod_security = looks.create_task(_look("Grapevine's namespaces", reader.pod_security()))
        rights = looks.create_task(_look("your own rights", reader.rights()))
        installed = await crd
        intents = await _look("the ClientIntents", reader.intents(installed)) if installed else None
    return ClusterFacts(
        version=version,
        groups=groups.result(),
        crd=installed,
        intents=intents,
        components=components.result(),
        admission=admission.result(),
        nodes=nodes.result(),
        pod_security=pod_security.result(),
        rights=rights.result(),
    )


async def read_components(session: Session) -> tuple[Component, ...]:
    """Return the Deployments and DaemonSets that are recognised; errors as `Session.request` has them."""
    return await _Reader(session).components()


async def read_admission(session: Session) -> tuple[Webhook, ...]:
    """Return the validating webhooks that ClientIntents go through; errors as `Session.request` has them."""
    return await _Reader(session).admission()


async def _look(what: str, looking: Awaitable[_Read]) -> _Read | Unread:
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            return await looking
    except TimeoutError:
        return Unread(what, f"not done after {LOOK_TIMEOUT_S:g} s")
    except GrapevineError as error:
        return Unread(what, str(error))
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        return Unread(what, f"the answer is not the API server's: {error}")


class _Reader:
    """Asks, a few requests at once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._at_once = asyncio.Semaphore(MAX_AT_ONCE)

    async def version(self) -> str:
        return (await self._get("/version", objects.Version)).git_version

    async def groups(self) -> frozenset[str]:
        return frozenset(group.name for group in (await self._get("/apis", objects.Groups)).groups)

    async def crd(self) -> Crd | None:
        try:
            crd = await self._get(_CRD_PATH, objects.Crd)
        except NotFoundError:
            return None
        conversion = None
        if crd.spec.conversion.strategy == "Webhook":
            webhook = crd.spec.conversion.webhook
            conversion = await self._webhook("", webhook.client_config if webhook else None)
        return Crd(
            part_of=crd.metadata.labels.get("app.kubernetes.io/part-of", ""),
            versions=tuple(CrdVersion(v.name, v.served, v.storage) for v in crd.spec.versions),
            stored=tuple(crd.status.stored_versions),
            conversion=conversion,
        )

    async def intents(self, crd: Crd | Unread) -> IntentsCount | None:
        """Count the objects, read in the stored version, which needs no conversion."""
        version = "v2beta1"
        if isinstance(crd, Crd):
            if not crd.served:
                return None
            version = crd.storage if crd.storage in crd.served else crd.served[0]
        listed, is_all = await self._list(f"/apis/{_GROUP}/{version}/{_PLURAL}")
        discovered = sum(each.labels.get(ORIGIN_LABEL) == ORIGIN_DISCOVERED for each in listed)
        return IntentsCount(
            by_version=dict(sorted(Counter(map(_written_as, listed)).items())),
            discovered=discovered,
            declared=len(listed) - discovered,
            finalized=sum(any(f.startswith(_FINALIZER_PREFIX) for f in each.finalizers) for each in listed),
            is_all=is_all,
        )

    async def components(self) -> tuple[Component, ...]:
        found: list[tuple[str, ObjectName, Recognised]] = []
        for kind, plural in (("DaemonSet", "daemonsets"), ("Deployment", "deployments")):
            listed, is_all = await self._list(f"/apis/apps/v1/{plural}")
            if not is_all:
                raise PermanentInputError(
                    f"there are more {plural} than the {PAGE_SIZE * MAX_PAGES} that are looked at"
                )
            found += [
                (kind, ObjectName(meta.namespace, meta.name), what)
                for meta in listed
                if (what := try_recognise(kind, meta.namespace, meta.name, meta.labels))
            ]
        if len(found) > MAX_COMPONENTS:
            raise PermanentInputError(f"{len(found)} programs have well-known names; {MAX_COMPONENTS} are looked at")
        components = await asyncio.gather(*(self._component(*each) for each in found))
        return tuple(sorted(components, key=lambda each: (each.name, each.kind)))

    async def admission(self) -> tuple[Webhook, ...]:
        configurations = await self._pages(_HOOKS_PATH, objects.HookConfigurations, "application/json")
        hooks = [
            (configuration.metadata.name, hook)
            for page in configurations
            for configuration in page.items or ()
            for hook in configuration.webhooks
            if any(_is_for_intents(rule) for rule in hook.rules)
        ]
        read = [await self._webhook(name, hook.client_config, hook.failure_policy == "Fail") for name, hook in hooks]
        return tuple(dict.fromkeys(read))

    async def nodes(self) -> Nodes:
        listed, is_all = await self._list("/api/v1/nodes")
        return Nodes(
            total=len(listed),
            windows=sum(node.labels.get("kubernetes.io/os") == "windows" for node in listed),
            serverless=sum(is_serverless(node.labels) for node in listed),
            autopilot=sum(node.name.startswith("gk3-") for node in listed),
            cnis=tuple(sorted({cni_of_node(node.annotations) for node in listed} - {""})),
            is_all=is_all,
        )

    async def pod_security(self) -> Mapping[str, str]:
        levels: dict[str, str] = {}
        for name in (CAPTURE_NAMESPACE, SYSTEM_NAMESPACE):
            try:
                namespace = await self._get(f"/api/v1/namespaces/{name}", objects.Object, _METADATA)
            except NotFoundError:
                continue
            levels[name] = namespace.metadata.labels.get(_ENFORCE_LABEL, "")
        return levels

    async def rights(self) -> Mapping[Right, bool]:
        needed = [Right(verb, *each) for each in APPLIED for verb in APPLY_VERBS]
        rights = [EVERYTHING, *needed, *GRANTS]
        return dict(zip(rights, await asyncio.gather(*(self._may(right) for right in rights)), strict=True))

    async def _component(self, kind: str, name: ObjectName, what: Recognised) -> Component:
        path = f"/apis/apps/v1/namespaces/{name.namespace}/{kind.lower()}s/{name.name}"
        spec = (await self._get(path, objects.Workload)).spec
        images = tuple(container.image for container in spec.template.spec.containers)
        return Component(
            role=what.role,
            product=what.product or dns_product(images),
            kind=kind,
            name=name,
            images=images,
            host_network=spec.template.spec.host_network,
            replicas=spec.replicas if kind == "Deployment" else None,
        )

    async def _webhook(
        self, configuration: str, client: objects.ClientConfig | None, fails_closed: bool = True
    ) -> Webhook:
        reference = client.service if client else None
        if reference is None:
            return Webhook(configuration, None, None, fails_closed)
        is_there: bool | None = True
        try:
            path = f"/api/v1/namespaces/{reference.namespace}/services/{reference.name}"
            await self._get(path, objects.Object, _METADATA)
        except NotFoundError:
            is_there = False
        except GrapevineError:
            is_there = None
        return Webhook(configuration, ObjectName(reference.namespace, reference.name), is_there, fails_closed)

    async def _may(self, right: Right) -> bool:
        attributes = {
            "verb": right.verb,
            "group": right.group,
            "resource": right.resource,
            "namespace": right.namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        async with self._at_once:
            answer = await self._session.request("POST", _REVIEW_PATH, body=review, timeout_s=REQUEST_TIMEOUT_S)
        return msgspec.json.decode(answer, type=objects.Review).status.allowed

    async def _list(self, path: str) -> tuple[Sequence[objects.Meta], bool]:
        """Return the metadata of all objects up to the bound, and whether these are all."""
        pages = await self._pages(path, objects.Objects, _METADATA_LIST)
        return [each.metadata for page in pages for each in page.items or ()], not pages[-1].metadata.next_

    async def _pages(self, path: str, type_: type[_Page], accept: str) -> Sequence[_Page]:
        pages: list[_Page] = []
        query = {"limit": str(PAGE_SIZE)}
        while len(pages) < MAX_PAGES:
            page = await self._get(path, type_, accept, query)
            pages.append(page)
            if not page.metadata.next_:
                break
            query["continue"] = page.metadata.next_
        return pages

    async def _get(
        self,
        path: str,
        type_: type[_Struct],
        accept: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> _Struct:
        async with self._at_once:
            answer = await self._session.request("GET", path, query, accept=accept, timeout_s=REQUEST_TIMEOUT_S)
        return msgspec.json.decode(answer, type=type_)


def _written_as(meta: objects.Meta) -> str:
    """Return the API version of the newest write of the object itself, not of its status; `unknown` for none."""
    writes = [each for each in meta.managed_fields if not each.subresource and each.api_version]
    newest = max(writes, key=lambda each: each.time.timestamp() if each.time else 0.0, default=None)
    return newest.api_version.rpartition("/")[2] if newest else "unknown"


def _is_for_intents(rule: objects.Rule) -> bool:
    return bool({_GROUP, "*"} & {*rule.api_groups}) and bool({_PLURAL, "*"} & {*rule.resources})
