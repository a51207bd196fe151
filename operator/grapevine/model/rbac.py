"""A rule of Kubernetes' RBAC, as far as one missing right needs it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class RbacRule:
    """What would allow a request."""

    group: str
    """API group; empty for core."""
    resource: str
    """Plural, with `/subresource` where it is one."""
    verbs: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as it stands in a role."""
        return f'apiGroups: ["{self.group}"], resources: [{self.resource}], verbs: [{", ".join(self.verbs)}]'


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something cannot be read, or written."""

    reason: str
    rule: RbacRule | None = None
    """What would allow it; None where no right is missing."""
