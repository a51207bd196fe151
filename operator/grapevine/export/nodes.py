"""Who the nodes of the service graph are, and what they are called. Pure.

A node is told by its name alone: Tempo's `client` and `server` are the resources' `service.name`. So names follow the
conventions that instrumented services follow, and both are one node.

Source: OpenTelemetry semantic conventions 1.44, "Service", "Kubernetes attributes", "Database".
"""

from collections.abc import Mapping
from dataclasses import dataclass

from grapevine.export.databases import Databases, System
from grapevine.export.externals import Externals
from grapevine.export.settings import NameFormat
from grapevine.model.target import InternetTarget, ServiceTarget, Target, WorkloadTarget
from grapevine.model.workload import ServiceName, WorkloadRef

OVERFLOW = "external"
"""Node of all names outside the cluster that have none of their own."""


@dataclass(frozen=True, slots=True)
class WorkloadNode:
    """A workload of the cluster: it has a resource, so it can be client and server."""

    name: str
    """`service.name`."""
    namespace: str
    """`service.namespace`."""
    workload: WorkloadRef


@dataclass(frozen=True, slots=True)
class VirtualNode:
    """What is known only as the far end of a client's calls."""

    name: str
    """`peer.service`."""
    namespace: str = ""
    """Of a Service; empty outside the cluster."""
    system: System | None = None
    """For a database."""
    is_overflow: bool = False
    """Whether it stands for several names."""


Node = WorkloadNode | VirtualNode


def connection_type(node: Node) -> str:
    """Return the label `connection_type` of calls to the node, as Tempo gives it; empty for a workload."""
    if isinstance(node, WorkloadNode):
        return ""
    return "database" if node.system else "virtual_node"


@dataclass(frozen=True, slots=True)
class Naming:
    """How nodes are called."""

    name_format: NameFormat
    service_names: Mapping[WorkloadRef, ServiceName]
    databases: Databases

    def workload(self, ref: WorkloadRef) -> WorkloadNode:
        """Return the node of a workload: what its pods say, else its own name."""
        said = self.service_names.get(ref)
        namespace = (said.namespace if said else "") or ref.namespace
        return WorkloadNode(self._name(namespace, (said.name if said else "") or ref.name), namespace, ref)

    def target(self, target: Target, externals: Externals) -> Node:
        """Return the node of a target."""
        match target:
            case WorkloadTarget(workload):
                return self.workload(workload)
            case ServiceTarget(namespace, name):
                return VirtualNode(self._name(namespace, name), namespace)
            case InternetTarget(domain):
                if not externals.has(domain):
                    return VirtualNode(OVERFLOW, is_overflow=True)
                return VirtualNode(domain, system=self.databases.try_system(domain))

    def _name(self, namespace: str, name: str) -> str:
        return f"{namespace}/{name}" if self.name_format == "namespace/name" else name
