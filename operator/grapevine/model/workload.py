"""Identity of a workload."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True, order=True)
class WorkloadRef:
    """A workload: the root owner of pods, or what their override annotation names.

    Same-named workloads of different kinds are different workloads (reference W6).
    """

    namespace: str
    kind: str
    """Kind of the root owner (`Deployment`, `Pod` for a bare pod, …); empty where an annotation gave the name."""
    name: str
    """Name of the root owner with every `.` replaced by `_`, as Otterize names workloads."""

    def __str__(self) -> str:
        """Return `namespace/Kind/name`, for messages and logs only."""
        return f"{self.namespace}/{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class ServiceName:
    """What a pod says its service is called in telemetry: OpenTelemetry's `service.name` and `service.namespace`."""

    name: str
    """Empty where it does not say."""
    namespace: str = ""
    """Empty where it does not say: then that of Kubernetes."""


class ServiceRef(NamedTuple):
    """A Kubernetes Service; a tuple, for the same reason as destinations."""

    namespace: str
    name: str
