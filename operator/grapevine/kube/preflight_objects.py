"""Kubernetes' objects as far as a look before the first apply reads them: every other field is skipped unseen.
Empty lists may be `null`.

Source: Kubernetes API reference: meta/v1 ObjectMeta, APIGroupList; apiextensions.k8s.io/v1;
admissionregistration.k8s.io/v1; apps/v1; authorization.k8s.io/v1 SelfSubjectAccessReview.
"""
# ruff: noqa: D101 - every class is the one of that name in the API, and says no more

import datetime

import msgspec


class Version(msgspec.Struct, rename="camel"):
    git_version: str


class Named(msgspec.Struct):
    name: str


class Groups(msgspec.Struct):
    groups: list[Named]


class ManagedFields(msgspec.Struct, rename="camel"):
    api_version: str = ""
    subresource: str = ""
    time: datetime.datetime | None = None


class Meta(msgspec.Struct, rename="camel"):
    name: str
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: list[str] = []
    managed_fields: list[ManagedFields] = []


class Object(msgspec.Struct):
    metadata: Meta


class ListMeta(msgspec.Struct):
    next_: str = msgspec.field(default="", name="continue")


class ServiceReference(msgspec.Struct):
    namespace: str
    name: str


class ClientConfig(msgspec.Struct):
    service: ServiceReference | None = None


class ConversionWebhook(msgspec.Struct, rename="camel"):
    client_config: ClientConfig | None = None


class Conversion(msgspec.Struct):
    strategy: str = "None"
    webhook: ConversionWebhook | None = None


class CrdVersion(msgspec.Struct):
    name: str
    served: bool
    storage: bool


class CrdSpec(msgspec.Struct):
    versions: list[CrdVersion]
    conversion: Conversion = msgspec.field(default_factory=Conversion)


class CrdStatus(msgspec.Struct, rename="camel"):
    stored_versions: list[str] = []


class Crd(msgspec.Struct):
    metadata: Meta
    spec: CrdSpec
    status: CrdStatus = msgspec.field(default_factory=CrdStatus)


class Rule(msgspec.Struct, rename="camel"):
    api_groups: list[str] = []
    resources: list[str] = []


class Hook(msgspec.Struct, rename="camel"):
    client_config: ClientConfig
    failure_policy: str = "Fail"
    rules: list[Rule] = []


class HookConfiguration(msgspec.Struct):
    metadata: Meta
    webhooks: list[Hook] = []


class HookConfigurations(msgspec.Struct):
    items: list[HookConfiguration] | None = None
    metadata: ListMeta = msgspec.field(default_factory=ListMeta)


class Objects(msgspec.Struct):
    items: list[Object] | None = None
    metadata: ListMeta = msgspec.field(default_factory=ListMeta)


class Container(msgspec.Struct):
    image: str = ""


class PodSpec(msgspec.Struct, rename="camel"):
    containers: list[Container]
    host_network: bool = False


class Template(msgspec.Struct):
    spec: PodSpec


class WorkloadSpec(msgspec.Struct):
    template: Template
    replicas: int | None = None


class Workload(msgspec.Struct):
    metadata: Meta
    spec: WorkloadSpec


class ReviewStatus(msgspec.Struct):
    allowed: bool = False


class Review(msgspec.Struct):
    status: ReviewStatus
