"""Which ClientIntents, and which of their targets, a person asked for. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from grapevine.intents.calls import Calls, calls_of, split_name
from grapevine.intents.read import read_intents
from grapevine.intents.schema import members, targets_of
from grapevine.model.errors import PermanentInputError
from grapevine.model.workload import WorkloadRef

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WorkloadPattern:
    """Workloads by name, and by namespace and kind where these were given (not empty)."""

    name: str
    namespace: str = ""
    kind: str = ""

    def matches(self, workload: WorkloadRef) -> bool:
        """Tell whether it names this workload; one whose kind is open is any kind's."""
        return (
            self.name == workload.name
            and self.namespace in ("", workload.namespace)
            and (not self.kind or workload.kind in ("", self.kind))
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """What was asked for; the default is everything."""

    namespaces: tuple[str, ...] = ()
    """Of the clients; empty for all."""
    client: WorkloadPattern | None = None
    server: str = ""
    """A workload or Service in the forms of `parse_pattern`, or a domain; empty for all."""
    excluded: tuple[str, ...] = ()
    """Names of workloads that are neither clients nor targets."""

    def has(self, resource: Resource) -> bool:
        """Tell whether the object is about a client that was asked for.

        Raises:
            PermanentInputError: it names no workload.
        """
        client = read_intents(resource).client
        return (
            (not self.namespaces or client.namespace in self.namespaces)
            and (self.client is None or self.client.matches(client))
            and client.name not in self.excluded
        )

    def has_target(self, target: Mapping[str, Any], namespace: str) -> bool:
        """Tell whether an item of `spec.targets` of a client in `namespace` was asked for."""
        workload = _workload_of(target, namespace)
        if workload is None:
            return not self.server or self.server.lower().rstrip(".") in _hosts(target)
        if workload.name in self.excluded:
            return False
        return not self.server or parse_pattern(self.server, "--server").matches(workload)

    @property
    def cuts(self) -> bool:
        """Whether objects lose targets by it."""
        return bool(self.server or self.excluded)


def parse_pattern(text: str, what: str) -> WorkloadPattern:
    """Return the pattern of `NAME`, `NAME.NAMESPACE`, `NAMESPACE/NAME` or `NAMESPACE/KIND/NAME`.

    Raises:
        PermanentInputError: it is none of these; `what` is named.
    """
    parts = text.split("/")
    if len(parts) > 3 or not all(parts):
        forms = "NAME, NAME.NAMESPACE, NAMESPACE/NAME or NAMESPACE/KIND/NAME"
        raise PermanentInputError(f"{what}: {text!r} names no workload: give {forms}")
    if len(parts) == 1:
        name, _, namespace = text.partition(".")
        return WorkloadPattern(name, namespace)
    return WorkloadPattern(parts[-1], parts[0], parts[1] if len(parts) == 3 else "")


def select(resources: Iterable[Resource], selection: Selection) -> list[Resource]:
    """Return the objects that were asked for, their specs with only the targets that were; by namespace and name.

    Where calls to one server were asked for, an object without any is left out.

    Raises:
        PermanentInputError: an object names no workload, or `selection.server` names none.
    """
    found = [_cut(each, selection) if selection.cuts else each for each in resources if selection.has(each)]
    return sorted((each for each in found if not selection.server or each["spec"]["targets"]), key=_order)


def select_calls(
    resources: Iterable[Resource], selection: Selection, since_ms: int = 0
) -> list[tuple[Resource, Calls]]:
    """Return the objects about the clients that were asked for, each with its calls that were; by namespace and name.

    Raises:
        PermanentInputError: an object names no workload, or `selection.server` names none.
    """
    found = []
    for resource in sorted(filter(selection.has, resources), key=_order):
        calls = calls_of(resource, since_ms)
        kept = tuple(each for each in calls.targets if selection.has_target(each, calls.client.namespace))
        found.append((resource, replace(calls, targets=kept)))
    return found


def _order(resource: Resource) -> tuple[str, str]:
    return resource["metadata"]["namespace"], resource["metadata"]["name"]


def _cut(resource: Resource, selection: Selection) -> Resource:
    namespace = resource["metadata"]["namespace"]
    kept = [each for each in targets_of(resource) if selection.has_target(each, namespace)]
    return {**resource, "spec": {**resource["spec"], "targets": kept}}


def _workload_of(target: Mapping[str, Any], namespace: str) -> WorkloadRef | None:
    for member in members(target):
        fields = target[member]
        if member in ("kubernetes", "service", "kafka") and isinstance(fields, Mapping):
            name, where = split_name(fields.get("name"), namespace)
            return WorkloadRef(where, "Service" if member == "service" else str(fields.get("kind") or ""), name)
    return None


def _hosts(target: Mapping[str, Any]) -> list[str]:
    """Return the domains and addresses of an internet target."""
    fields = target.get("internet")
    listed = [fields.get(key) for key in ("domains", "ips")] if isinstance(fields, Mapping) else []
    return [str(host).lower().rstrip(".") for hosts in listed if isinstance(hosts, list | tuple) for host in hosts]
