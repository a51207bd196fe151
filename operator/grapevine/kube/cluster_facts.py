"""What a look at a cluster before the first apply found, as values: no request, no judgement.

`kube.preflight` reads them, `cli.preflight` says what they mean.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from grapevine.model.identity import ObjectName


@dataclass(frozen=True, slots=True)
class Unread:
    """A look that failed, and is told rather than taken for nothing found."""

    what: str
    """What was to be looked at: `the nodes`."""
    why: str
    """The API server's answer, or that there was none; one line."""


class Role(StrEnum):
    """What a program does for the cluster, as far as it matters to Grapevine."""

    CNI = "cni"
    DNS = "dns"
    DNS_CACHE = "dns-cache"
    OTTERIZE_OPERATOR = "otterize-operator"
    OTTERIZE_MAPPER = "otterize-mapper"
    GRAPEVINE = "grapevine"


@dataclass(frozen=True, slots=True)
class Component:
    """A Deployment or DaemonSet that was recognised."""

    role: Role
    product: str
    """Its usual name, `CoreDNS`; never empty."""
    kind: str
    name: ObjectName
    images: tuple[str, ...] = ()
    host_network: bool = False
    replicas: int | None = None
    """What a Deployment asks for; None for a DaemonSet."""

    @property
    def runs(self) -> bool:
        """Whether any pod of it is wanted."""
        return self.replicas != 0

    @property
    def version(self) -> str:
        """Version in the tag of the first image that has one, `1.11.3`; empty where none has."""
        found = (re.search(r":v?(\d+(?:\.\d+)+)[^/:]*$", image.partition("@")[0]) for image in self.images)
        return next((match[1] for match in found if match), "")


@dataclass(frozen=True, slots=True)
class Webhook:
    """What the API server has to ask before it can serve or store something."""

    configuration: str
    """Name of the ValidatingWebhookConfiguration; empty for the conversion of the CRD."""
    service: ObjectName | None
    """Who is asked; None where it is an URL."""
    is_there: bool | None
    """Whether that Service exists; None where nobody could tell, or for an URL."""
    fails_closed: bool = True
    """Whether nothing is stored while it does not answer."""


@dataclass(frozen=True, slots=True)
class CrdVersion:
    """A version of the CRD."""

    name: str
    served: bool
    storage: bool


@dataclass(frozen=True, slots=True)
class Crd:
    """The CRD of ClientIntents as it is installed."""

    part_of: str
    """Label `app.kubernetes.io/part-of`; may be empty."""
    versions: tuple[CrdVersion, ...]
    stored: tuple[str, ...]
    """`status.storedVersions`: versions in which an object may lie in etcd."""
    conversion: Webhook | None
    """None for `strategy: None`."""

    @property
    def served(self) -> tuple[str, ...]:
        """Names of the versions that can be asked for, in the CRD's order."""
        return tuple(version.name for version in self.versions if version.served)

    @property
    def storage(self) -> str:
        """Name of the version that new writes are stored in; empty where the CRD names none."""
        return next((version.name for version in self.versions if version.storage), "")


@dataclass(frozen=True, slots=True)
class IntentsCount:
    """The ClientIntents that are there."""

    by_version: Mapping[str, int] = field(default_factory=dict)
    """By the API version in which the spec was written last."""
    discovered: int = 0
    """Made by Grapevine."""
    declared: int = 0
    """Made by anybody else."""
    finalized: int = 0
    """That carry a finalizer of Otterize's."""
    is_all: bool = True
    """False where there were more than are looked at."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes, by what matters to a DaemonSet of capture."""

    total: int = 0
    windows: int = 0
    serverless: int = 0
    """Virtual nodes, on which no DaemonSet runs: EKS Fargate, virtual kubelets."""
    autopilot: int = 0
    """Nodes of GKE Autopilot."""
    cnis: tuple[str, ...] = ()
    """CNIs that left annotations of theirs on a node, sorted: some run inside another program (k3s)."""
    is_all: bool = True


@dataclass(frozen=True, slots=True)
class Right:
    """Something a person must be allowed to do."""

    verb: str
    group: str
    resource: str
    namespace: str = ""

    def __str__(self) -> str:
        """Return it as `kubectl auth can-i` takes it."""
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {kind}" + (f" -n {self.namespace}" if self.namespace else "")


SYSTEM_NAMESPACE = "grapevine-system"
CAPTURE_NAMESPACE = "grapevine-capture"
_RBAC = "rbac.authorization.k8s.io"
APPLIED = (
    ("apiextensions.k8s.io", "customresourcedefinitions", ""),
    ("", "namespaces", ""),
    (_RBAC, "clusterroles", ""),
    (_RBAC, "clusterrolebindings", ""),
    *(
        (group, resource, namespace)
        for namespace in (CAPTURE_NAMESPACE, SYSTEM_NAMESPACE)
        for group, resource in (("", "serviceaccounts"), (_RBAC, "roles"), (_RBAC, "rolebindings"))
    ),
    ("apps", "daemonsets", CAPTURE_NAMESPACE),
    ("apps", "deployments", SYSTEM_NAMESPACE),
    ("", "secrets", SYSTEM_NAMESPACE),
    ("", "configmaps", SYSTEM_NAMESPACE),
    ("", "services", SYSTEM_NAMESPACE),
)
"""Group, resource and namespace of everything in `deploy/`."""
APPLY_VERBS = ("get", "create", "patch")
EVERYTHING = Right("*", "*", "*")
GRANTS = tuple(Right(verb, _RBAC, resource) for verb in ("escalate", "bind") for resource in ("clusterroles", "roles"))
"""What lets a person grant more than they hold."""


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """Everything; each part is known by itself, or could not be looked at."""

    version: str | Unread
    """`gitVersion` of the API server."""
    groups: frozenset[str] | Unread
    """Names of the API groups it serves."""
    crd: Crd | Unread | None
    intents: IntentsCount | Unread | None
    """None where there is no CRD."""
    components: tuple[Component, ...] | Unread
    """By namespace and name."""
    admission: tuple[Webhook, ...] | Unread
    """Validating webhooks that ClientIntents go through."""
    nodes: Nodes | Unread
    pod_security: Mapping[str, str] | Unread
    """Namespaces of Grapevine's that are there → Pod Security level they enforce, empty for none."""
    rights: Mapping[Right, bool] | Unread
