"""ClientIntents as files: the offline end of the writer. One YAML file an object, ready for `kubectl apply` or Git."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grapevine.intents.manifest import manifest
from grapevine.intents.read import read_intents
from grapevine.kube.intents_files import is_intents
from grapevine.kube.manifests import read_manifests, to_yaml, write_text
from grapevine.model.errors import PermanentInputError
from grapevine.model.intents import ActualIntents
from grapevine.model.timestamp import format_s
from grapevine.reconcile.ports import Resource


class IntentsDirectory:
    """A directory of ClientIntents, `<namespace>/<name>.yaml`; implements `reconcile.ports.IntentsWriter`.

    Files hold what is stable: no status and nothing a server would add, so that equal maps give equal bytes. Status
    lives in memory, for the table. A file that a person wrote is read, and never written.
    """

    def __init__(self, path: Path, now_ms: int) -> None:
        """Open the directory, made where it is missing; `now_ms` is the creation time of new objects.

        Raises:
            PermanentInputError: it cannot be made or read, or one of its files is no ClientIntents.
        """
        self._path = path
        self._now = format_s(now_ms)
        self._version = 0
        self._objects: dict[tuple[str, str], dict[str, Any]] = {}
        try:
            path.mkdir(parents=True, exist_ok=True)
            for file in sorted(path.glob("*/*.yaml")):
                self._load(file)
        except OSError as e:
            raise PermanentInputError(
                f"{e.filename or path} cannot be used as the output directory: {e.strerror}"
            ) from e

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """Yield the objects with their status, by namespace and name."""
        return iter([self._objects[key] for key in sorted(self._objects)])

    def file_of(self, namespace: str, name: str) -> Path:
        """Return where an object is kept."""
        return self._path / namespace / f"{name}.yaml"

    async def read(self, namespace: str, name: str) -> ActualIntents | None:
        """Return the object as it was last written."""
        resource = self._objects.get((namespace, name))
        return read_intents(resource) if resource else None

    async def create(self, resource: Resource) -> ActualIntents:
        """Write a new file."""
        return self._put({**resource, "metadata": {**resource["metadata"], "creationTimestamp": self._now}})

    async def apply(self, resource: Resource) -> ActualIntents:
        """Rewrite the file of an object that is ours."""
        before = self._objects[resource["metadata"]["namespace"], resource["metadata"]["name"]]
        return self._put({**before, "spec": resource["spec"]})

    async def apply_status(self, resource: Resource) -> ActualIntents:
        """Keep the status in memory."""
        key = (resource["metadata"]["namespace"], resource["metadata"]["name"])
        return self._keep({**self._objects[key], "status": resource["status"]})

    async def delete(self, actual: ActualIntents) -> None:
        """Delete the file of an object that is ours."""
        del self._objects[actual.namespace, actual.name]
        self.file_of(actual.namespace, actual.name).unlink(missing_ok=True)

    def _put(self, resource: dict[str, Any]) -> ActualIntents:
        actual = self._keep(resource)
        file = self.file_of(actual.namespace, actual.name)
        write_text(file, to_yaml(manifest(resource)))
        return actual

    def _keep(self, resource: dict[str, Any]) -> ActualIntents:
        self._version += 1
        metadata = {**resource["metadata"], "resourceVersion": str(self._version), "generation": 1}
        kept = {**resource, "metadata": metadata}
        actual = read_intents(kept)
        self._objects[actual.namespace, actual.name] = kept
        return actual

    def _load(self, file: Path) -> None:
        reason = "it is not one ClientIntents object"
        try:
            resources = [each.resource for each in read_manifests(file)]
            if len(resources) == 1 and is_intents(resources[0]):
                metadata = {"namespace": file.parent.name, **resources[0]["metadata"], "creationTimestamp": self._now}
                self._keep({**resources[0], "metadata": metadata})
                return
        except (KeyError, TypeError) as e:
            reason = f"it is no YAML of a Kubernetes object ({type(e).__name__})"
        except PermanentInputError as e:
            reason = str(e)
        raise PermanentInputError(f"{file} in the output directory cannot be taken over: {reason}; name another --out")
