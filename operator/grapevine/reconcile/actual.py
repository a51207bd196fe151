"""The ClientIntents objects of the cluster, by the workload they are about. Pure."""

from collections.abc import Iterator

from grapevine.model.intents import ActualIntents
from grapevine.model.workload import WorkloadRef


class ActualStore:
    """Objects by name and by workload."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], ActualIntents] = {}
        self._by_workload: dict[tuple[str, str], set[tuple[str, str]]] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def put(self, actual: ActualIntents) -> bool:
        """Take in an object's state, unless it is older than known (a late event); return whether it is news."""
        key = (actual.namespace, actual.name)
        known = self._objects.get(key)
        if known is not None and known.uid == actual.uid and known.version >= actual.version:
            return False
        self.drop(*key)
        self._objects[key] = actual
        self._by_workload.setdefault((actual.namespace, actual.client.name), set()).add(key)
        return True

    def drop(self, namespace: str, name: str, uid: str = "") -> ActualIntents | None:
        """Forget an object that is gone, and return it; with `uid`, only that one, not its successor of the name."""
        actual = self._objects.get((namespace, name))
        if actual is None or uid not in ("", actual.uid):
            return None
        del self._objects[namespace, name]
        keys = self._by_workload[namespace, actual.client.name]
        keys.discard((namespace, name))
        if not keys:
            del self._by_workload[namespace, actual.client.name]
        return actual

    def __iter__(self) -> Iterator[ActualIntents]:
        return iter(list(self._objects.values()))

    def named(self, namespace: str, name: str) -> ActualIntents | None:
        """Return the object of that name, None where there is none."""
        return self._objects.get((namespace, name))

    def is_taken(self, namespace: str, name: str) -> bool:
        """Whether an object of that name exists."""
        return (namespace, name) in self._objects

    def objects_of(self, client: WorkloadRef) -> list[ActualIntents]:
        """Return the object in force for a workload first, then those that say to be about the same; empty for none.

        A person's object goes before a discovered one, one that names the kind before one that leaves it open, and then
        the oldest. One that leaves the kind open while another names it is in force for other kinds: not listed.
        """
        keys = self._by_workload.get((client.namespace, client.name), ())
        about = [a for key in keys if is_about(a := self._objects[key], client)]
        about.sort(key=lambda a: (a.discovered, a.client.kind != client.kind, a.created_ms, a.name))
        return [a for a in about if a.client.kind or not about[0].client.kind]

    def object_of(self, client: WorkloadRef) -> ActualIntents | None:
        """Return the object in force for a workload, or None."""
        return next(iter(self.objects_of(client)), None)


def is_about(actual: ActualIntents, client: WorkloadRef) -> bool:
    """Whether an object is about a workload. A person may leave the kind open; a discovered object never does."""
    if (actual.namespace, actual.client.name) != (client.namespace, client.name):
        return False
    return actual.client.kind == client.kind or (not actual.discovered and not actual.client.kind)
