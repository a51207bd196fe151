"""What reconciliation needs from the outside; `kube` and the offline directory implement it."""

from collections.abc import Mapping
from typing import Any, Protocol

from grapevine.model.intents import ActualIntents

Resource = Mapping[str, Any]
"""A ClientIntents object as JSON, rendered by `intents.render`."""


class IntentsWriter(Protocol):
    """Writes ClientIntents, and reads one again where a write failed. Every method has a timeout of its own.

    Raises (all methods):
        RetryableError: the API is unreachable, busy (429), or the object changed meanwhile (409).
        PermanentInputError: the object is refused (422, 403, an admission webhook) and stays refused.
    """

    async def read(self, namespace: str, name: str) -> ActualIntents | None:
        """Return the object as it is now, None where there is none."""

    async def create(self, resource: Resource) -> ActualIntents:
        """Create the object with its spec; RetryableError where the name is taken meanwhile."""

    async def apply(self, resource: Resource) -> ActualIntents:
        """Apply spec and labels of an object that is ours; uid and version in `metadata` are set and must match."""

    async def apply_status(self, resource: Resource) -> ActualIntents:
        """Apply status alone; `metadata.uid` is set and must match."""

    async def delete(self, actual: ActualIntents) -> None:
        """Delete this object in this version; one that is gone is fine, another version is a RetryableError."""
