"""Two sets of ClientIntents → what they say differently, workload by workload. Pure.

Compared is what an object means and not how it is written: a target in the client's own namespace needs no namespace,
`kubernetes: {kind: Service}` is `service`, one `internet` item with two domains is two items, and order is nothing.
Names, labels and status of the objects are not compared.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from grapevine.intents.read import read_intents
from grapevine.intents.schema import TARGET, members, ordered, targets_of
from grapevine.model.workload import WorkloadRef

Resource = Mapping[str, Any]
Target = Mapping[str, Any]
"""One item as `spec.targets` has it, in its one form."""

_MEMBERS = tuple(TARGET.of)


class Change(StrEnum):
    """What became of a workload's intents from the first set to the second."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """What two sets say differently of one workload."""

    client: WorkloadRef
    change: Change
    added: tuple[Target, ...]
    """Targets that only the second has; all of them for a workload that only the second has."""
    removed: tuple[Target, ...]


def compare(before: Iterable[Resource], after: Iterable[Resource]) -> tuple[Difference, ...]:
    """Return the differences by namespace, name and kind of the workload; none where both mean the same.

    Several objects for one workload count as one with all their targets.

    Raises:
        PermanentInputError: an object names no workload.
    """
    old, new = _by_client(before), _by_client(after)
    found = []
    for client in sorted(old.keys() | new.keys(), key=lambda c: (c.namespace, c.name, c.kind)):
        was, is_ = old.get(client, {}), new.get(client, {})
        if client not in old or client not in new or was.keys() != is_.keys():
            change = Change.ADDED if client not in old else Change.REMOVED if client not in new else Change.CHANGED
            found.append(Difference(client, change, _without(is_, was), _without(was, is_)))
    return tuple(found)


def doubles(resources: Iterable[Resource]) -> tuple[WorkloadRef, ...]:
    """Return the workloads that more than one object is about."""
    counts = Counter(read_intents(each).client for each in resources)
    return tuple(client for client, number in counts.items() if number > 1)


def canonical(target: Target, namespace: str) -> Iterator[Target]:
    """Yield what one item of `spec.targets` of a client in `namespace` means, in its one form."""
    found = members(target)
    fields = target.get(found[0]) if len(found) == 1 else None
    if not isinstance(fields, Mapping):
        yield ordered(target, TARGET)
        return
    member = found[0]
    kept: dict[str, Any] = {key: value for key, value in _sorted(fields).items() if value not in ([], {}, "", None)}
    if member == "internet":
        yield from _internet(kept)
        return
    if member == "kubernetes" and kept.get("kind") == "Service":
        member = "service"
        del kept["kind"]
    if member in ("kubernetes", "service", "kafka") and isinstance(kept.get("name"), str):
        kept["name"] = kept["name"].removesuffix(f".{namespace}")
    yield ordered({member: kept}, TARGET)


def _internet(fields: dict[str, Any]) -> Iterator[Target]:
    """Yield one item a domain and one an address, each with the ports."""
    listed = {key: fields.pop(key) for key in ("domains", "ips") if isinstance(fields.get(key), list)}
    for key, values in listed.items():
        for value in values:
            text = value.lower().rstrip(".") if isinstance(value, str) else value
            yield ordered({"internet": {key: [text], **fields}}, TARGET)
    if not listed:
        yield ordered({"internet": fields}, TARGET)


def _sorted(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the value with every list in it sorted, each item once."""
    if isinstance(value, Mapping):
        return {key: _sorted(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        by_text = {_text(each): each for each in map(_sorted, value)}
        return [by_text[text] for text in sorted(by_text)]
    return value


def _by_client(resources: Iterable[Resource]) -> dict[WorkloadRef, dict[str, Target]]:
    found: dict[WorkloadRef, dict[str, Target]] = {}
    for resource in resources:
        client = read_intents(resource).client
        targets = found.setdefault(client, {})
        for item in targets_of(resource):
            targets |= {_text(each): each for each in canonical(item, client.namespace)}
    return found


def _without(targets: Mapping[str, Target], others: Mapping[str, Target]) -> tuple[Target, ...]:
    """Return the targets that are not among the others, in the schema's order of members, then by content."""
    kept = {text: target for text, target in targets.items() if text not in others}
    return tuple(kept[text] for text in sorted(kept, key=lambda text: (_rank(kept[text]), text)))


def _rank(target: Target) -> int:
    return min((_MEMBERS.index(member) for member in target if member in _MEMBERS), default=len(_MEMBERS))


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
