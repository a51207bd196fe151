"""Desired against actual → the next change. The heart of the writer, without I/O.

| actual object          | desired                          | next change                                |
|------------------------|----------------------------------|--------------------------------------------|
| none                   | nothing known                    | none                                       |
| none                   | edges or dead dependencies       | create, discovered                         |
| discovered             | nothing known                    | none: not knowing is no reason to shrink   |
| discovered             | another spec                     | apply spec                                 |
| discovered             | same spec, another status        | apply status                               |
| a person's             | anything                         | never the spec; apply status if it differs |
| either, status equal   | lastSeen behind by `refresh_ms`  | apply status                               |
| either, status equal   | lastSeen behind by less          | none                                       |

Nothing is deleted here; edges leave by ageing, which is a later step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grapevine.intents.render import render_object, render_spec, render_status
from grapevine.intents.resource import digest, object_name, status_digest
from grapevine.model.intents import ActualIntents, DesiredIntents


@dataclass(frozen=True, slots=True)
class Create:
    """Create a discovered object."""

    resource: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ApplySpec:
    """Apply spec and labels of a discovered object."""

    resource: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ApplyStatus:
    """Apply the status of any object."""

    resource: Mapping[str, Any]


Change = Create | ApplySpec | ApplyStatus


def next_change(
    desired: DesiredIntents,
    actual: ActualIntents | None,
    *,
    is_taken: Callable[[str], bool],
    now_ms: int,
    refresh_ms: int,
) -> Change | None:
    """Return what to do next for one workload, or None where nothing is left to do.

    Applying the change and planning again ends after at most two changes: a spec, then a status.
    """
    if actual is None:
        if not desired.observed:
            return None
        return Create(render_object(desired, object_name(desired.client, is_taken)))
    if actual.discovered:
        if not desired.observed:
            return None
        if digest(render_spec(desired)) != actual.spec_digest:
            return ApplySpec(render_object(desired, actual.name, actual.uid))
    resource = render_status(desired, actual, now_ms)
    is_due = desired.last_ms - actual.status_last_ms >= refresh_ms
    if is_due or status_digest(resource["status"]) != actual.status_digest:
        return ApplyStatus(resource)
    return None
