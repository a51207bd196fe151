"""A target as the API shows it."""

from dataclasses import dataclass

from grapevine.model.target import InternetTarget, ServiceTarget, Target, WorkloadTarget


@dataclass(frozen=True, slots=True)
class TargetView:
    """A target, flat."""

    type: str
    """`workload`, `service` or `internet`."""
    namespace: str
    """Empty for a domain."""
    kind: str
    """Of a workload; may be empty."""
    name: str

    def __str__(self) -> str:
        """Return `namespace/Kind/name`, without what is empty."""
        return "/".join(filter(None, (self.namespace, self.kind, self.name)))


def view_of(target: Target) -> TargetView:
    """Return the target, flat."""
    match target:
        case WorkloadTarget(workload):
            return TargetView("workload", workload.namespace, workload.kind, workload.name)
        case ServiceTarget(namespace, name):
            return TargetView("service", namespace, "", name)
        case InternetTarget(domain):
            return TargetView("internet", "", "", domain)
