"""Calls of a client as text, in the form the reference's `network-mapper list` prints."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grapevine.intents.calls import split_name
from grapevine.intents.schema import members
from grapevine.model.visible import visible
from grapevine.model.workload import WorkloadRef

_OUTSIDE = {"sql": ("name", "SQL"), "aws": ("arn", "AWS"), "gcp": ("resource", "GCP"), "azure": ("scope", "Azure")}
"""Members that name no workload → the field with the name, and what to call it."""


def call_lines(client: WorkloadRef, targets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return `NAME in namespace NS calls:` and a line or more for each target; nothing for a client without any."""
    if not targets:
        return []
    head = f"{visible(client.name)} in namespace {visible(client.namespace)} calls:"
    return [head, *(line for target in targets for line in _target_lines(target, client.namespace))]


def _target_lines(target: Mapping[str, Any], namespace: str) -> Iterator[str]:
    for member in members(target):
        fields = target[member] if isinstance(target[member], Mapping) else {}
        if member == "internet":
            for host in (*_list(fields.get("domains")), *_list(fields.get("ips"))):
                ports = ", ".join(map(str, _list(fields.get("ports"))))
                yield f"  - {visible(str(host))} outside the cluster" + (f", ports: {ports}" if ports else "")
        elif member in _OUTSIDE:
            key, what = _OUTSIDE[member]
            yield f"  - {visible(str(fields.get(key, '')))} ({what})"
        else:
            name, where = split_name(fields.get("name"), namespace)
            yield f"  - {visible(name)} in namespace {visible(where)}"
            yield from _details(fields)


def _details(fields: Mapping[str, Any]) -> Iterator[str]:
    for topic in _list(fields.get("topics")):
        if isinstance(topic, Mapping):
            operations = " ".join(map(str, _list(topic.get("operations"))))
            yield f"    - Kafka topic: {visible(str(topic.get('name')))}, operations: [{visible(operations)}]"
    for path in _list(fields.get("http")):
        if isinstance(path, Mapping):
            methods = ",".join(map(str, _list(path.get("methods"))))
            yield f"    - path {visible(str(path.get('path')))}, methods: [{visible(methods)}]"


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()
