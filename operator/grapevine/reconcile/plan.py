"""Desired against actual → the next change. The heart of the writer, without I/O.

The object in force (`reconcile.actual`) is the first of a workload's objects.

| object in force        | desired                        | policy      | fresh | next change                          |
|------------------------|--------------------------------|-------------|-------|--------------------------------------|
| none                   | nothing known                  | any         | any   | none                                 |
| none                   | edges or dead dependencies     | `observe`   | any   | held: `observe`                      |
| none                   | the same, and it is unwanted   | the others  | any   | held: `unwanted`                     |
| none                   | the same, and it is not        | the others  | any   | create, discovered                   |
| discovered             | nothing known or retired       | any         | any   | none: not knowing is no reason       |
| discovered             | another spec                   | `observe`   | any   | held: `observe`                      |
| discovered             | another spec, nothing leaves   | the others  | any   | apply spec                           |
| discovered             | another spec, something leaves | the others  | yes   | apply spec                           |
| discovered             | another spec, something leaves | the others  | no    | held: `not-fresh`                    |
| discovered, spec empty | nothing known                  | `sync`      | yes   | delete                               |
| discovered             | same or held spec, new status  | any         | any   | apply status                         |
| a person's             | anything                       | any         | any   | never the spec; status if it differs |
| either, status equal   | moved far enough               | any         | any   | apply status                         |
| either, status equal   | moved less                     | any         | any   | none, or what is held                |
| either                 | any status                     | any         | any   | none where the schema is not ours    |

| another object of the same workload | policy        | fresh | next change                             |
|-------------------------------------|---------------|-------|-----------------------------------------|
| discovered, a person's is in force  | `sync`        | yes   | delete                                  |
| any                                 | any           | any   | status: `Conflict`, once; never its spec|

*Unwanted*: a person deleted the discovered object lately, or the workload says so (`reconcile.absences`). *Fresh*: the
map was rebuilt from the cluster and follows it, so what is missing from it is missing. *Moved far enough*: `lastSeen`,
or the time heard in vain, is behind by its refresh interval. What is held is reported, not forgotten. A status is the
part of it that the cluster's schema keeps (`intents.kept`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grapevine.intents.declared import is_same_target
from grapevine.intents.kept import KeptStatus
from grapevine.intents.render import render_conflict, render_object, render_spec, render_status
from grapevine.intents.resource import digest, object_name, status_digest
from grapevine.model.intents import ActualIntents, DesiredIntents
from grapevine.model.write_policy import WritePolicy


@dataclass(frozen=True, slots=True)
class Create:
    """Create a discovered object."""

    resource: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ApplySpec:
    """Apply spec and labels of a discovered object, as long as it is as we know it."""

    resource: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ApplyStatus:
    """Apply the status of any object."""

    resource: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a discovered object, as long as it is as we know it."""

    actual: ActualIntents


@dataclass(frozen=True, slots=True)
class Held:
    """Do nothing now, and say that something would be to do."""

    reason: str
    """`observe`, `unwanted` or `not-fresh`."""


_HEARD_REFRESHES = 6
"""Time heard in vain is written that much more rarely than `lastSeen`: a restart may forget half an hour of it."""

Change = Create | ApplySpec | ApplyStatus | Delete
HELD_REASONS = ("observe", "unwanted", "not-fresh")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a plan depends on besides desired and actual."""

    policy: WritePolicy
    is_fresh: bool
    is_unwanted: bool
    now_ms: int
    refresh_ms: int
    """How far `status.lastSeen` may be behind; ≥ 1."""
    kept: KeptStatus = field(default_factory=KeptStatus)
    """What the cluster keeps of a status."""


def next_change(
    desired: DesiredIntents,
    objects: Sequence[ActualIntents],
    around: Circumstances,
    *,
    is_taken: Callable[[str], bool],
) -> Change | Held | None:
    """Return what to do next for one workload, what is held, or None where nothing is left to do.

    `objects` are all about the workload, the one in force first. Applying a change and planning again ends: a spec and
    a status, and one change for each other object.
    """
    if not objects:
        return _creation(desired, around, is_taken)
    actual, *others = objects
    change, held = _of_spec(desired, actual, around) if actual.discovered else (None, None)
    return change or _of_status(desired, actual, around) or _of_others(actual, others, around) or held


def _creation(desired: DesiredIntents, around: Circumstances, is_taken: Callable[[str], bool]) -> Create | Held | None:
    if not desired.observed:
        return None
    if around.policy is WritePolicy.OBSERVE:
        return Held("observe")
    if around.is_unwanted:
        return Held("unwanted")
    return Create(render_object(desired, object_name(desired.client, is_taken)))


def _of_spec(
    desired: DesiredIntents, actual: ActualIntents, around: Circumstances
) -> tuple[ApplySpec | Delete | None, Held | None]:
    if not desired.observed and not desired.retired:
        may_delete = around.policy is WritePolicy.SYNC and around.is_fresh and not actual.targets
        return (Delete(actual) if may_delete else None), None
    if digest(render_spec(desired)) == actual.spec_digest:
        return None, None
    if around.policy is WritePolicy.OBSERVE:
        return None, Held("observe")
    if not around.is_fresh and any(
        not any(is_same_target(declared, target) for target in desired.targets) for declared in actual.targets
    ):
        return None, Held("not-fresh")
    return ApplySpec(render_object(desired, actual.name, actual)), None


def _of_status(desired: DesiredIntents, actual: ActualIntents, around: Circumstances) -> ApplyStatus | None:
    if not around.kept.is_ours:
        return None
    if actual.discovered and not desired.observed and not desired.retired:
        return None  # nothing is known yet; what is written there was
    resource = around.kept.fit(render_status(desired, actual, around.now_ms))
    if _has_moved(desired, actual, around) or status_digest(resource["status"]) != actual.status_digest:
        return ApplyStatus(resource)
    return None


def _has_moved(desired: DesiredIntents, actual: ActualIntents, around: Circumstances) -> bool:
    """Tell whether what always moves has moved far enough; what the cluster does not keep is never behind."""
    heard_ms = max((item.age.heard_ms for item in desired.observed), default=0)
    seen_for_ms = desired.last_ms - actual.status_last_ms if around.kept.keeps("lastSeen") else 0
    heard_for_ms = abs(heard_ms - actual.status_heard_ms) if around.kept.keeps("observed[].heardSeconds") else 0
    return seen_for_ms >= around.refresh_ms or heard_for_ms >= _HEARD_REFRESHES * around.refresh_ms


def _of_others(
    in_force: ActualIntents, others: Sequence[ActualIntents], around: Circumstances
) -> ApplyStatus | Delete | None:
    for other in others:
        if other.discovered and not in_force.discovered and around.policy is WritePolicy.SYNC and around.is_fresh:
            return Delete(other)
        if not around.kept.is_ours:
            continue
        resource = around.kept.fit(render_conflict(other, in_force, around.now_ms))
        if status_digest(resource["status"]) != other.status_digest:
            return ApplyStatus(resource)
    return None
