"""Kubernetes' objects as far as Grapevine reads them: every other field is skipped unseen.

Lists may be `null` where Go has no `omitempty`, hence `| None`. A field more here is paid for 10,000 times.

Source: Kubernetes API reference: core/v1 Pod, Node, Service; discovery.k8s.io/v1 EndpointSlice; meta/v1 ObjectMeta.
"""
# ruff: noqa: D101 - every class is the one of that name in the API, and says no more

import datetime

import msgspec


class OwnerReference(msgspec.Struct, rename="camel"):
    kind: str
    name: str
    uid: str = ""
    controller: bool | None = None
    api_version: str = ""


class Meta(msgspec.Struct, rename="camel"):
    name: str
    namespace: str = ""
    uid: str = ""
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None
    deletion_timestamp: datetime.datetime | None = None


class Terminated(msgspec.Struct, rename="camel"):
    finished_at: datetime.datetime | None = None


class ContainerState(msgspec.Struct):
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct):
    state: ContainerState | None = None


class PodIP(msgspec.Struct):
    ip: str = ""


class Condition(msgspec.Struct, rename="camel"):
    last_transition_time: datetime.datetime | None = None


class PodSpec(msgspec.Struct, rename="camel"):
    host_network: bool | None = None
    node_name: str = ""


class Container(msgspec.Struct):
    name: str = ""
    image: str = ""


class PodSpecWithImages(PodSpec):
    containers: list[Container] | None = None


class PodStatus(msgspec.Struct, rename="camel"):
    phase: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    pod_ips: list[PodIP] | None = msgspec.field(default=None, name="podIPs")
    start_time: datetime.datetime | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class Pod(msgspec.Struct):
    metadata: Meta
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class PodWithImages(msgspec.Struct):
    metadata: Meta
    spec: PodSpecWithImages = msgspec.field(default_factory=PodSpecWithImages)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class Owner(msgspec.Struct):
    metadata: Meta


class ServicePort(msgspec.Struct):
    port: int
    name: str = ""
    protocol: str = "TCP"


class ServiceSpec(msgspec.Struct, rename="camel"):
    type: str = ""
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    cluster_ips: list[str] | None = msgspec.field(default=None, name="clusterIPs")
    external_name: str = ""
    ports: list[ServicePort] | None = None


class Service(msgspec.Struct):
    metadata: Meta
    spec: ServiceSpec = msgspec.field(default_factory=ServiceSpec)


class TargetRef(msgspec.Struct):
    kind: str = ""
    name: str = ""
    namespace: str = ""


class Endpoint(msgspec.Struct, rename="camel"):
    addresses: list[str] | None = None
    hostname: str | None = None
    target_ref: TargetRef | None = None


class EndpointPort(msgspec.Struct):
    port: int | None = None


class Slice(msgspec.Struct):
    metadata: Meta
    endpoints: list[Endpoint] | None = None
    ports: list[EndpointPort] | None = None


class NodeAddress(msgspec.Struct):
    type: str = ""
    address: str = ""


class NodeSpec(msgspec.Struct):
    pod_cidr: str = msgspec.field(default="", name="podCIDR")
    pod_cidrs: list[str] | None = msgspec.field(default=None, name="podCIDRs")


class NodeStatus(msgspec.Struct):
    addresses: list[NodeAddress] | None = None


class Node(msgspec.Struct):
    metadata: Meta
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)
