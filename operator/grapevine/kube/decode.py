"""JSON of the Kubernetes API → the slim records of `resolver.records`. Pure: bytes in, values out.

Bytes are hostile: a malformed object is a `DecodeError` for the caller to count, and costs none of its neighbours.
Only the fields of `kube.objects` are ever built: 10,000 pods take 0.2 s CPU where `json` takes 2.5.
"""

import datetime
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from sys import intern
from typing import TypeVar

import msgspec

from grapevine.kube import objects
from grapevine.kube.cluster_facts import Role
from grapevine.kube.recognise import try_recognise
from grapevine.model.errors import PermanentInputError
from grapevine.model.workload import ServiceName
from grapevine.resolver.owners import STANDARD_OWNERS
from grapevine.resolver.records import (
    Endpoint,
    NodeRecord,
    OwnerKey,
    OwnerRecord,
    PodRecord,
    Record,
    ServiceRecord,
    SliceRecord,
)
from grapevine.resolver.scope import is_pod_in
from grapevine.settings import ScopeSettings

SERVICE_NAME_ANNOTATION = "resource.opentelemetry.io/service.name"
SERVICE_NAMESPACE_ANNOTATION = "resource.opentelemetry.io/service.namespace"
DISCOVER_ANNOTATION = "grapevine.dev/discover"
"""With the value `false` on a workload (or on a pod that is one), no object is made for it."""
_STANDARD_GROUPS = STANDARD_OWNERS | {"Pod": "", "Service": "", "EndpointSlice": "discovery.k8s.io", "Node": ""}
_TERMINAL_PHASES = frozenset({"Succeeded", "Failed"})
_NODE_ADDRESS_TYPES = frozenset({"InternalIP", "ExternalIP"})
_MAX_NAME_CHARS = 253
"""Longest name of a workload."""
_SERVICE_NAME_LABEL = "kubernetes.io/service-name"
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MS = datetime.timedelta(milliseconds=1)
EVERYTHING = ScopeSettings()
"""No pod is left out."""

Raw = bytes | msgspec.Raw
"""JSON of one object, on its own or still inside the message it came in."""

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class DecodeError(PermanentInputError):
    """The bytes are no object of that kind; the text says where they stop being one."""


class ObjectDecoder:
    """Turns one object's JSON into its record. Cheap to keep, expensive to make: one a process."""

    def __init__(
        self,
        override_annotations: tuple[str, ...],
        scope: ScopeSettings = EVERYTHING,
        service_labels: tuple[str, ...] = (),
        *,
        with_job_images: bool = False,
    ) -> None:
        """Take the keys that name a pod's workload (annotations) and its service (labels), and which pods count.

        The strongest key first. `with_job_images` keeps what names the pods of Jobs by their images.
        """
        self._override_annotations = override_annotations
        self._scope = scope
        self._service_labels = service_labels
        self._decoders: dict[str, Callable[[Raw], Record]] = {
            "Pod": _decoder(objects.PodWithImages, self._pod_with_images)
            if with_job_images
            else _decoder(objects.Pod, self._pod),
            "Service": _decoder(objects.Service, _service),
            "EndpointSlice": _decoder(objects.Slice, _slice),
            "Node": _decoder(objects.Node, _node),
        }
        for kind, group in STANDARD_OWNERS.items():
            self._decoders[kind] = _decoder(objects.Owner, _owner_of(kind, group))

    def add_owner(self, group: str, kind: str) -> str:
        """Have objects of one more kind become records of owners; return by which name `decode` knows it."""
        name = f"{kind}.{group}"
        if name not in self._decoders:
            self._decoders[name] = _decoder(objects.Owner, _owner_of(kind, group))
        return name

    def is_standard(self, kind: str, group: str) -> bool:
        """Return whether it is a kind that `decode` knows without being told; no `group` is any."""
        return kind in _STANDARD_GROUPS and group in ("", _STANDARD_GROUPS[kind])

    def decode(self, kind: str, raw: Raw) -> Record:
        """Return the record of one object of a standard kind, or of one that `add_owner` named.

        Raises:
            DecodeError: the bytes are not JSON, or no object of that kind.
        """
        try:
            return self._decoders[kind](raw)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise DecodeError(f"{kind}: {error}"[:300]) from error

    def _pod_with_images(self, pod: objects.PodWithImages) -> PodRecord:
        record = self._pod(pod)
        is_jobs = record.owner is not None and record.owner.kind == "Job"
        return replace(record, images=intern(_image_names(pod.spec.containers or ()))) if is_jobs else record

    def _pod(self, pod: objects.Pod | objects.PodWithImages) -> PodRecord:
        meta, status, annotations = pod.metadata, pod.status, pod.metadata.annotations or {}
        return PodRecord(
            namespace=intern(meta.namespace),
            name=meta.name,
            uid=meta.uid,
            ips=_canonical(each.ip for each in status.pod_ips or (objects.PodIP(status.pod_ip),)),
            host_network=bool(pod.spec.host_network),
            start_ms=try_ms(status.start_time),
            end_ms=_end_ms(status),
            deletion_ms=try_ms(meta.deletion_timestamp),
            owner=_controller(meta),
            override=next((annotations[key] for key in self._override_annotations if annotations.get(key)), ""),
            node=intern(pod.spec.node_name),
            is_excluded=not is_pod_in(self._scope, meta.labels or {}, annotations),
            is_kept_out=_is_kept_out(meta),
            service=_service_name(meta, self._service_labels),
        )


def try_canonical_ip(text: str) -> str | None:
    """Return the address in its one text form (RFC 5952 for IPv6), or None where it is no address."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def try_ms(time: datetime.datetime | None) -> int | None:
    """Return milliseconds since the epoch, or None for None; a time without a zone is UTC."""
    if time is None:
        return None
    return ((time if time.tzinfo else time.replace(tzinfo=datetime.UTC)) - _EPOCH) // _MS


def _decoder(struct: type[_Struct], to_record: Callable[[_Struct], Record]) -> Callable[[Raw], Record]:
    typed = msgspec.json.Decoder(struct)
    return lambda raw: to_record(typed.decode(raw))


def _owner_of(kind: str, group: str) -> Callable[[objects.Owner], OwnerRecord]:
    def to_record(owner: objects.Owner) -> OwnerRecord:
        meta = owner.metadata
        known = try_recognise(kind, meta.namespace, meta.name, meta.labels or {}) if kind == "DaemonSet" else None
        is_dns_cache = known is not None and known.role is Role.DNS_CACHE
        return OwnerRecord(
            namespace=intern(meta.namespace),
            kind=kind,
            name=intern(meta.name),
            uid=intern(meta.uid),
            owner=_controller(meta),
            group=group,
            is_dns_cache=is_dns_cache,
            is_kept_out=_is_kept_out(meta),
        )

    return to_record


def _service(service: objects.Service) -> ServiceRecord:
    meta, spec = service.metadata, service.spec
    return ServiceRecord(
        namespace=intern(meta.namespace),
        name=intern(meta.name),
        headless=spec.cluster_ip == "None",
        external_name=spec.external_name.rstrip(".").lower() if spec.type == "ExternalName" else "",
        ports=tuple(each.port for each in spec.ports or ()),
        cluster_ips=_canonical(spec.cluster_ips or (spec.cluster_ip,)),
        srv_names=_srv_names(spec.ports or ()),
    )


def _srv_names(ports: Sequence[objects.ServicePort]) -> tuple[str, ...]:
    if not any(port.name for port in ports):
        return ()
    return tuple(intern(f"_{port.name}._{port.protocol.lower()}") if port.name else "" for port in ports)


def _slice(endpoint_slice: objects.Slice) -> SliceRecord:
    meta = endpoint_slice.metadata
    endpoints = tuple(_endpoint(each, meta.namespace) for each in endpoint_slice.endpoints or ())
    ports = endpoint_slice.ports if any(each.addresses for each in endpoints) else None
    return SliceRecord(
        namespace=intern(meta.namespace),
        name=meta.name,
        service=intern((meta.labels or {}).get(_SERVICE_NAME_LABEL, "")),
        endpoints=endpoints,
        ports=tuple(each.port for each in ports or () if each.port is not None),
    )


def _endpoint(endpoint: objects.Endpoint, namespace: str) -> Endpoint:
    pod = _pod_behind(endpoint.target_ref, namespace)
    return Endpoint(pod, endpoint.hostname or "", () if pod else _canonical(endpoint.addresses or ()))


def _pod_behind(ref: objects.TargetRef | None, namespace: str) -> str:
    if ref is None or ref.kind != "Pod" or ref.namespace not in ("", namespace):
        return ""
    return ref.name


def _node(node: objects.Node) -> NodeRecord:
    own = (each.address for each in node.status.addresses or () if each.type in _NODE_ADDRESS_TYPES)
    gateways = (_first_host(cidr) for cidr in node.spec.pod_cidrs or (node.spec.pod_cidr,))
    return NodeRecord(node.metadata.name, tuple(dict.fromkeys((*_canonical(own), *_canonical(gateways)))))


def _first_host(cidr: str) -> str:
    """Return the address bridges and CNIs take as the gateway of a node's pods; empty where `cidr` is none."""
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return ""
    return str(network[1] if network.num_addresses > 1 else network[0])


def _canonical(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses in canonical form, without what is none."""
    return tuple(ip for ip in map(try_canonical_ip, addresses) if ip is not None)


def _is_kept_out(meta: objects.Meta) -> bool:
    return (meta.annotations or {}).get(DISCOVER_ANNOTATION) == "false"


def _controller(meta: objects.Meta) -> OwnerKey | None:
    """Return the controlling owner; other owners (a garbage collector's business) may stand before it in the list."""
    for ref in meta.owner_references or ():
        if ref.controller:
            group = ref.api_version.rpartition("/")[0]
            return OwnerKey(intern(ref.kind), intern(ref.name), intern(ref.uid), intern(group))
    return None


def _service_name(meta: objects.Meta, service_labels: tuple[str, ...]) -> ServiceName | None:
    """Return what the pod says its service is called; None where it does not, as most do not.

    Source: OpenTelemetry semantic conventions, "Specify resource attributes using Kubernetes annotations".
    """
    annotations, labels = meta.annotations or {}, meta.labels or {}
    name = annotations.get(SERVICE_NAME_ANNOTATION) or next((labels[k] for k in service_labels if labels.get(k)), "")
    namespace = annotations.get(SERVICE_NAMESPACE_ANNOTATION, "")
    return ServiceName(intern(name), intern(namespace)) if name or namespace else None


def _image_names(containers: Iterable[objects.Container]) -> str:
    """Return the names of the images, without registry and tag, joined; those of sidecars do not count."""
    names = [
        each.image.partition("@")[0].rpartition("/")[2].partition(":")[0]
        for each in containers
        if each.name != "istio-proxy" and "sidecar" not in each.name
    ]
    return "-".join(name for name in names if name)[:_MAX_NAME_CHARS]


def _end_ms(status: objects.PodStatus) -> int | None:
    """Return the end of the last container's second at a terminal phase, else None.

    A pod that failed before a container ran (evicted, rejected by its node) ended with its newest condition.
    """
    if status.phase not in _TERMINAL_PHASES:
        return None
    containers = (*(status.container_statuses or ()), *(status.init_container_statuses or ()))
    ends = [try_ms(each.state.terminated.finished_at) for each in containers if each.state and each.state.terminated]
    ends = [each for each in ends if each is not None] or [
        *(try_ms(each.last_transition_time) for each in status.conditions or ()),
        try_ms(status.start_time),
    ]
    last = max((each for each in ends if each is not None), default=None)
    return None if last is None else last - last % 1_000 + 999
