"""The cluster's end of the writer, in memory: what was written, and failures on request."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from grapevine.intents.read import read_intents
from grapevine.model.intents import ActualIntents


class FakeWriter:
    """Implements `reconcile.ports.IntentsWriter`; `before_write` may raise, or wait, for the object it is given."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.before_write: Callable[[str, Mapping[str, Any]], Awaitable[None]] | None = None

    async def read(self, namespace: str, name: str) -> ActualIntents | None:
        """Return an object as it stands."""
        kept = self.objects.get((namespace, name))
        return read_intents(kept) if kept else None

    async def create(self, resource: Mapping[str, Any]) -> ActualIntents:
        """Create an object with a uid."""
        return await self._write("create", resource)

    async def apply(self, resource: Mapping[str, Any]) -> ActualIntents:
        """Replace the spec and count the generation up."""
        return await self._write("apply", resource)

    async def apply_status(self, resource: Mapping[str, Any]) -> ActualIntents:
        """Replace the status."""
        return await self._write("status", resource)

    async def delete(self, actual: ActualIntents) -> None:
        """Delete an object."""
        self.calls.append(("delete", actual.name))
        if self.before_write is not None:
            await self.before_write("delete", {"metadata": {"namespace": actual.namespace, "name": actual.name}})
        self.objects.pop((actual.namespace, actual.name), None)

    async def _write(self, call: str, resource: Mapping[str, Any]) -> ActualIntents:
        metadata = resource["metadata"]
        key = (metadata["namespace"], metadata["name"])
        self.calls.append((call, metadata["name"]))
        if self.before_write is not None:
            await self.before_write(call, resource)
        before = self.objects.get(key, {"metadata": {"generation": 0, "resourceVersion": "0"}})
        kept = {**before, **{k: v for k, v in resource.items() if k != "metadata"}}
        kept["metadata"] = {
            **before["metadata"],
            **metadata,
            "uid": f"uid-{metadata['name']}",
            "generation": before["metadata"]["generation"] + (call != "status"),
            "resourceVersion": str(int(before["metadata"]["resourceVersion"]) + 1),
        }
        self.objects[key] = kept
        return read_intents(kept)
