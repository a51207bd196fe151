"""Desired intents → the resource, as JSON. Spec holds no counters and no times; all that moves is status."""

from collections.abc import Sequence
from typing import Any

from grapevine.intents import resource as names
from grapevine.intents.bounds import most_valuable
from grapevine.intents.declared import Findings, compare, unresolved_reason
from grapevine.intents.resolved import resolved_ips
from grapevine.intents.share import share_of
from grapevine.model.edge import OwnerSeen
from grapevine.model.intents import ActualIntents, Condition, DesiredIntents, ObservedItem
from grapevine.model.target import InternetTarget, ServiceTarget, Target, WorkloadTarget
from grapevine.model.timestamp import format_ms, format_s
from grapevine.model.workload import WorkloadRef

MAX_OBSERVED = 200
"""Entries of `status.observed`; the CRD takes 1,000."""
MODE_OBSERVE = "Observe"
"""Nothing is enforced from any object (DESIGN §4: discovered is not allowed)."""


def render_spec(desired: DesiredIntents) -> dict[str, Any]:
    """Return `spec` of a discovered object."""
    workload = {"name": desired.client.name}
    if desired.client.kind:
        workload["kind"] = desired.client.kind
    return {"workload": workload, "targets": [render_target(t, desired.client.namespace) for t in desired.targets]}


def render_object(desired: DesiredIntents, name: str, actual: ActualIntents | None = None) -> dict[str, Any]:
    """Return the whole discovered object for an apply of its spec.

    With `actual` it holds for that object in that version alone: whoever changed it meanwhile is looked at first.
    """
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": desired.client.namespace,
        "labels": {names.ORIGIN_LABEL: names.ORIGIN_DISCOVERED, names.MANAGED_BY_LABEL: names.FIELD_MANAGER},
    }
    if actual is not None:
        metadata["uid"] = actual.uid
        if actual.version:
            metadata["resourceVersion"] = str(actual.version)
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": metadata,
        "spec": render_spec(desired),
    }


def render_status(
    desired: DesiredIntents, actual: ActualIntents, now_ms: int, *, max_observed: int = MAX_OBSERVED
) -> dict[str, Any]:
    """Return the object for an apply of `actual`'s status; `now_ms` stamps conditions that change."""
    findings = compare(desired, actual)
    observed = most_valuable(findings.observed, max_observed)
    omitted = desired.omitted + len(findings.observed) - len(observed)
    conditions = [_condition(c, actual) for c in _conditions(desired, actual, findings, now_ms)]
    status: dict[str, Any] = {
        "upToDate": True,
        "observedGeneration": actual.generation,
        "mode": MODE_OBSERVE,
        "summary": {
            "targets": len(actual.targets),
            "inCluster": desired.in_cluster,
            "internet": desired.internet,
            "undeclared": findings.undeclared,
            "unused": findings.unused,
            "dead": desired.dead,
            "omitted": omitted,
            **({"overflow": desired.overflow} if desired.overflow else {}),
        },
        "conditions": conditions,
        "observed": [_observed(item, desired.client.namespace) for item in observed],
        "truncated": omitted > 0 or desired.overflow > 0,
    }
    if resolved := resolved_ips(findings.observed, actual):
        status["resolvedIPs"] = resolved
    if desired.last_ms:
        status["lastSeen"] = format_ms(desired.last_ms)
    return _status_of(actual, status)


def render_conflict(actual: ActualIntents, in_force: ActualIntents, now_ms: int) -> dict[str, Any]:
    """Return the object for an apply of the status of `actual`, in whose place another object is in force."""
    message = (
        f"{in_force.name} is about the same workload and in force, this object is not: "
        f"keep one of them, or name another workload in spec.workload"
    )
    return _status_of(
        actual,
        {
            "upToDate": False,
            "observedGeneration": actual.generation,
            "mode": MODE_OBSERVE,
            "summary": {"targets": len(actual.targets)},
            "conditions": [_condition(Condition("Ready", "False", "Conflict", message, now_ms), actual)],
            "observed": [],
            "truncated": False,
        },
    )


def _status_of(actual: ActualIntents, status: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": actual.name, "namespace": actual.namespace, "uid": actual.uid},
        "status": status,
    }


def render_target(target: Target, namespace: str) -> dict[str, Any]:
    """Return one item of `spec.targets` of a client in `namespace`."""
    match target:
        case WorkloadTarget(WorkloadRef() as workload):
            item = {"name": _qualified(workload.name, workload.namespace, namespace)}
            if workload.kind:
                item["kind"] = workload.kind
            return {"kubernetes": item}
        case ServiceTarget("default", "kubernetes"):
            return {"service": {"name": "kubernetes.default"}}  # the API server's one name, in its own namespace too
        case ServiceTarget(ns, name):
            return {"service": {"name": _qualified(name, ns, namespace)}}
        case InternetTarget(domain):
            return {"internet": {"domains": [domain]}}


def _qualified(name: str, namespace: str, seen_from: str) -> str:
    return name if namespace == seen_from else f"{name}.{namespace}"


def _observed(item: ObservedItem, namespace: str) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "names": list(item.names),
        "evidence": list(item.evidence),
        "confidence": item.confidence,
        "firstSeen": format_ms(item.first_ms),
        "lastSeen": format_ms(item.last_ms),
        "count": item.count,
        "state": item.state,
    }
    if item.target is not None:
        fields["target"] = render_target(item.target, namespace)
    if item.ports:
        fields["ports"] = list(item.ports)
    if item.protocols:
        fields["protocols"] = list(item.protocols)
    if item.service_ports:
        fields["servicePorts"] = list(item.service_ports)
    if item.owners:
        fields["owners"] = [_owner(owner, item, namespace) for owner in item.owners]
    if item.declared is not None:
        fields["declared"] = item.declared
    if item.rcode:
        fields["rcode"] = item.rcode
    if item.age.sources:
        fields["sources"] = list(item.age.sources)
    if item.age.rhythm_ms:
        fields["typicalGapSeconds"] = item.age.rhythm_ms // 1_000
    if item.age.heard_ms:
        fields["heardSeconds"] = item.age.heard_ms // 1_000
    return fields


def _owner(owner: OwnerSeen, item: ObservedItem, namespace: str) -> dict[str, Any]:
    workload = owner.workload
    fields: dict[str, Any] = {"name": _qualified(workload.name, workload.namespace, namespace)}
    if workload.kind:
        fields["kind"] = workload.kind
    if owner.answers:
        fields["answers"] = owner.answers
    if (share := share_of(owner, item.owners)) is not None:
        fields["share"] = share
    return fields


def _conditions(desired: DesiredIntents, actual: ActualIntents, found: Findings, now_ms: int) -> list[Condition]:
    dead = [item.names[0] for item in desired.observed if item.target is None]
    drift = f"{found.undeclared} observed targets are not declared, {found.unused} declared ones were not observed"
    origin = ("Discovered", "spec follows what was observed") if actual.discovered else ("Declared", "spec is yours")
    return [
        Condition("Ready", "True", origin[0], f"{origin[1]}; nothing is enforced", now_ms),
        _observed_condition(desired, now_ms),
        _unresolved_condition(dead, actual, now_ms)
        if dead
        else Condition("Resolved", "True", "AllResolved", "every name it asked for resolved", now_ms),
        Condition("Drifted", "True", "TargetsDiffer", drift, now_ms)
        if found.undeclared or found.unused
        else Condition("Drifted", "False", "InStep", "spec and observation agree", now_ms),
    ]


def _unresolved_condition(dead: Sequence[str], actual: ActualIntents, now_ms: int) -> Condition:
    reason, names = unresolved_reason(dead, actual)
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    said = "never resolved" if reason == "DeadDependency" else "the spec names what never resolved"
    return Condition("Resolved", "False", reason, f"{said}: {shown}", now_ms)


def _observed_condition(desired: DesiredIntents, now_ms: int) -> Condition:
    if desired.is_silent:
        sources = ", ".join(sorted({source for item in desired.observed for source in item.age.sources}))
        said = f"what has seen this workload ({sources}) is not heard from: ages stand still"
        return Condition("Observed", "Unknown", "SourceSilent", said, now_ms)
    if desired.retired and not desired.observed:
        said = "nothing it was seen to use is used any more"
        return Condition("Observed", "False", "AllRetired", said, now_ms)
    if not desired.last_ms:
        return Condition("Observed", "False", "NothingSeen", "no DNS look-up of this workload was seen yet", now_ms)
    if desired.unread_owner:
        said = f"its pods' owner, a {desired.unread_owner}, could not be read: what may own that is not known"
        return Condition("Observed", "True", "OwnerUnread", said, now_ms)
    if all(item.evidence == ("connection",) for item in desired.observed):
        return Condition("Observed", "True", "ConnectionsSeen", "connections of this workload were seen", now_ms)
    return Condition("Observed", "True", "LookupsSeen", "DNS look-ups of this workload were seen", now_ms)


def _condition(condition: Condition, actual: ActualIntents) -> dict[str, Any]:
    before = actual.conditions.get(condition.type)
    since_ms = before.since_ms if before and before.status == condition.status else condition.since_ms
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": format_s(since_ms),
        "observedGeneration": actual.generation,
    }
