"""What an object says its client calls, whoever wrote it: what was observed, else what is declared. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grapevine.intents.read import read_intents, read_observed
from grapevine.intents.render import render_target
from grapevine.intents.schema import targets_of
from grapevine.model.workload import WorkloadRef

Target = Mapping[str, Any]
"""One item as `spec.targets` has it."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of one client."""

    client: WorkloadRef
    targets: tuple[Target, ...]
    """In the object's order."""
    is_dated: bool
    """Whether it is known when each was seen last."""


def calls_of(resource: Mapping[str, Any], since_ms: int = 0) -> Calls:
    """Return what the object's client calls, seen at or after `since_ms`, 0 for at any time.

    A status with observations is what counts. Without one (in a file, or where a person's object is new) it is the
    spec, which knows no times: with `since_ms` nothing is left of it, nor of what the status had no room for.

    Raises:
        PermanentInputError: the object names no workload.
    """
    actual = read_intents(resource)
    status = resource.get("status")
    if not isinstance(status, Mapping) or "observed" not in status:
        return Calls(actual.client, () if since_ms else tuple(targets_of(resource)), False)
    recorded = {**resource, "spec": {}} if since_ms else resource  # what only the spec still knows has no time
    targets = tuple(
        render_target(item.target, actual.namespace)
        for item in read_observed(recorded)
        if item.target is not None and item.last_ms >= since_ms
    )
    return Calls(actual.client, targets, True)


def split_name(name: object, namespace: str) -> tuple[str, str]:
    """Return name and namespace of a target's `name` or `name.namespace`, seen from `namespace`."""
    own, dot, elsewhere = str(name or "").partition(".")
    return own, elsewhere if dot else namespace
