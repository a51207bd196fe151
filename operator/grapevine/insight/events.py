"""What happened to an object → what its Events say. Pure.

A condition is told when it changes, against what stood in the object's status before: so a restart repeats nothing, and
what is true all the time is in the status and not in an Event an hour. Not told: `SourceSilent`, which is about what
Grapevine hears and would be an Event of every object at once (`grapevine doctor` says it once).

Reasons are Otterize's where the fact is the same (docs/decisions/022).

Source: Kubernetes API, events.k8s.io/v1; its validation bounds a note at 1,024 bytes.
"""

from collections.abc import Mapping
from typing import Any

from grapevine.insight.news import NewsItem
from grapevine.intents import resource as names
from grapevine.model.event import Event, ObjectRef
from grapevine.model.intents import ActualIntents
from grapevine.model.timestamp import format_micros
from grapevine.model.visible import visible

NEW_EDGE = "NewEdge"
_CONTROLLER = "grapevine.dev/operator"
_MAX_NOTE_BYTES = 1_024
_MAX_STEM = 253 - 17
"""Of an Event's name, in front of a dot and 16 hex digits."""
_TOLD: Mapping[tuple[str, str], tuple[str, bool]] = {
    ("Ready", "Conflict"): ("Conflict", True),
    ("Ready", "Declared"): ("EnforcementGloballyDisabled", False),
    ("Observed", "OwnerUnread"): ("OwnerUnread", True),
    ("Observed", "AllRetired"): ("AllRetired", False),
    ("Resolved", "DeadDependency"): ("DeadDependency", True),
    ("Resolved", "IntentToUnresolvedDns"): ("IntentToUnresolvedDns", True),
    ("Resolved", "KubernetesServiceNotFound"): ("KubernetesServiceNotFound", True),
    ("Drifted", "TargetsDiffer"): ("TargetsDiffer", False),
}
"""Condition and its reason → reason of the Event, and whether it is a warning."""
_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000


def status_events(before: ActualIntents | None, after: ActualIntents, written: Mapping[str, Any]) -> list[Event]:
    """Return what a status that was written says and the one before did not.

    `written` is the resource as it was sent; None before is an object nothing was known of. A condition that somebody
    else's CRD did not keep is not told: it would be anew with every write.
    """
    found = []
    for condition in written["status"].get("conditions", ()):
        told = _TOLD.get((condition["type"], condition["reason"])) if condition["type"] in after.conditions else None
        was = before.conditions.get(condition["type"]) if before else None
        if told and (was is None or was.reason != condition["reason"]):
            reason, is_warning = told
            found.append(Event(_ref(after), reason, condition["message"], is_warning))
    return found


def new_edge_event(item: NewsItem, actual: ActualIntents) -> Event:
    """Return the Event of an edge that is new, about the object in force for its client."""
    asked = f" ({item.names[0]})" if item.names and item.names[0] != str(item.target) else ""
    ports = f" on port {', '.join(map(str, item.ports))}" if item.ports else ""
    note = (
        f"{item.client.name} reaches {item.target}{asked}{ports} for the first time, by {' and '.join(item.evidence)}; "
        f"it was listened to {_span(item.listened_ms)} without a pause before"
    )
    return Event(_ref(actual), NEW_EDGE, note, subject=str(item.target))


def render_event(event: Event, *, name: str, at_ms: int, reporter: str) -> dict[str, Any]:
    """Return the Event as JSON of events.k8s.io/v1; `reporter` is the process, at most 128 characters."""
    about = event.about
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": about.namespace, "name": name},
        "eventTime": format_micros(at_ms),
        "reportingController": _CONTROLLER,
        "reportingInstance": reporter,
        "action": "Observe",
        "reason": event.reason,
        "note": _cut(visible(event.note)),
        "type": "Warning" if event.is_warning else "Normal",
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
        },
    }


def event_name(event: Event, serial: int) -> str:
    """Return `metadata.name`: the object's, a dot and a number that is never given again, as client-go has it."""
    return f"{event.about.name[:_MAX_STEM].rstrip('-.')}.{serial:016x}"


def _ref(actual: ActualIntents) -> ObjectRef:
    return ObjectRef(actual.namespace, actual.name, actual.uid)


def _span(ms: int) -> str:
    if ms < _MINUTE_MS:
        return "for less than a minute"
    return f"for {ms // _HOUR_MS} h" if ms >= 2 * _HOUR_MS else f"for {ms // _MINUTE_MS} min"


def _cut(text: str) -> str:
    whole = text.encode()
    return text if len(whole) <= _MAX_NOTE_BYTES else whole[: _MAX_NOTE_BYTES - 3].decode(errors="ignore") + "…"
