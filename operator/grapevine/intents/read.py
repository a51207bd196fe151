"""The resource as the cluster has it → slim values. People write these objects, so every field may be nonsense."""

from collections.abc import Iterable, Mapping
from typing import Any

from grapevine.intents import resource as names
from grapevine.model.age import Age
from grapevine.model.edge import OwnerSeen
from grapevine.model.errors import PermanentInputError
from grapevine.model.intents import ActualIntents, Condition, DeclaredTarget, ObservedItem
from grapevine.model.target import InternetTarget, ServiceTarget, Target, WorkloadTarget
from grapevine.model.timestamp import try_parse_ms
from grapevine.model.workload import WorkloadRef

_STATES = frozenset({"active", "idle", "stale"})
"""Of an edge; what is `dead` has no target."""
_MAX_SECONDS = 10**10


def read_intents(resource: Mapping[str, Any]) -> ActualIntents:
    """Return the object, slimmed.

    Raises:
        PermanentInputError: it lacks what the schema requires: metadata.name, namespace, or spec.workload.name.
    """
    metadata, spec, status = (_mapping(resource, key) for key in ("metadata", "spec", "status"))
    namespace, name = _text(metadata, "namespace"), _text(metadata, "name")
    workload = _mapping(spec, "workload")
    if not namespace or not name or not _text(workload, "name"):
        raise PermanentInputError(
            f"ClientIntents {namespace or '?'}/{name or '?'} has no spec.workload.name: say which workload it is about"
        )
    last_ms = try_parse_ms(status.get("lastSeen"))
    conditions = (_condition(c) for c in _items(status, "conditions"))
    return ActualIntents(
        namespace=namespace,
        name=name,
        uid=_text(metadata, "uid"),
        version=int(version) if (version := _text(metadata, "resourceVersion")).isdecimal() else 0,
        generation=generation if isinstance(generation := metadata.get("generation"), int) else 0,
        discovered=is_discovered(metadata),
        client=WorkloadRef(namespace, _text(workload, "kind"), _text(workload, "name")),
        targets=tuple(_declared(t, namespace) for t in _items(spec, "targets")),
        spec_digest=names.digest(spec),
        status_digest=names.status_digest(status),
        status_last_ms=last_ms or 0,
        conditions={c.type: c for c in conditions},
        status_heard_ms=max((_seconds(o, "heardSeconds") for o in _items(status, "observed")), default=0),
        created_ms=try_parse_ms(metadata.get("creationTimestamp")) or 0,
    )


def is_discovered(metadata: Mapping[str, Any]) -> bool:
    """Whether an object is Grapevine's: its label says so, and no other field manager has a part of the spec.

    Whoever edits or applies it makes it theirs, with the label or without (KEP-555, managedFields).
    """
    if _mapping(metadata, "labels").get(names.ORIGIN_LABEL) != names.ORIGIN_DISCOVERED:
        return False
    return not any(
        entry.get("manager") != names.FIELD_MANAGER and "f:spec" in _mapping(entry, "fieldsV1")
        for entry in _items(metadata, "managedFields")
        if not entry.get("subresource")
    )


def read_observed(resource: Mapping[str, Any]) -> tuple[ObservedItem, ...]:
    """Return what a discovered or declared object remembers: `status.observed`, then targets only the spec names.

    The latter where a discovered object's status was cut or never written. Entries without a usable time or name are
    left out; they hold nothing to restore.
    """
    metadata, status = _mapping(resource, "metadata"), _mapping(resource, "status")
    namespace = _text(metadata, "namespace")
    resolved = _resolved(status)
    observed = [item for entry in _items(status, "observed") if (item := _item(entry, namespace, resolved))]
    if not is_discovered(metadata) or ("observed" in status and not status.get("truncated")):
        return tuple(observed)
    seen_ms = try_parse_ms(metadata.get("creationTimestamp")) or 0
    known = {item.target for item in observed}
    for entry in _items(_mapping(resource, "spec"), "targets"):
        target = _target(entry, namespace)
        if target is not None and target not in known:
            # Cut off by the status bound, or the status was never written: the edge stands, its history is gone.
            observed.append(ObservedItem(target, (), ("dns",), 0, seen_ms, seen_ms, 0, "active"))
    return tuple(observed)


def read_learned_ms(resource: Mapping[str, Any]) -> int:
    """Return how long the workload was listened to, as far as the status tells: from first to last, and in vain since.

    0 where the status was cut: what was seen and is not in there would be taken for new.
    """
    status = _mapping(resource, "status")
    entries = [] if status.get("truncated") else _items(status, "observed")
    first = [first_ms for each in entries if (first_ms := try_parse_ms(each.get("firstSeen"))) is not None]
    heard = [
        last_ms + _seconds(each, "heardSeconds")
        for each in entries
        if (last_ms := try_parse_ms(each.get("lastSeen"))) is not None
    ]
    return max(max(heard) - min(first), 0) if first and heard else 0


def read_overflow(resource: Mapping[str, Any]) -> int:
    """Return how many look-ups of domains had no room, as the status remembers; 0 where it does not."""
    overflow = _mapping(_mapping(resource, "status"), "summary").get("overflow")
    return overflow if type(overflow) is int and overflow > 0 else 0


def _item(entry: Mapping[str, Any], namespace: str, resolved: Mapping[str, tuple[str, ...]]) -> ObservedItem | None:
    target = _target(_mapping(entry, "target"), namespace)
    first_ms, last_ms = try_parse_ms(entry.get("firstSeen")), try_parse_ms(entry.get("lastSeen"))
    asked = _texts(entry, "names")
    state = _text(entry, "state")
    if target is not None and state not in _STATES:
        state = "active"
    if first_ms is None or last_ms is None or (target is None and not (state == "dead" and asked)):
        return None
    count = entry.get("count")
    return ObservedItem(
        target=target,
        names=asked,
        evidence=_texts(entry, "evidence"),
        confidence=0,
        first_ms=first_ms,
        last_ms=last_ms,
        count=count if isinstance(count, int) else 0,
        state=state,
        rcode=_text(entry, "rcode"),
        ports=_ports(entry),
        protocols=_texts(entry, "protocols"),
        owners=tuple(_owner(owner, namespace) for owner in _items(entry, "owners") if _text(owner, "name")),
        age=Age(_texts(entry, "sources"), _seconds(entry, "typicalGapSeconds"), _seconds(entry, "heardSeconds")),
        addresses=resolved.get(target.domain, ()) if isinstance(target, InternetTarget) else (),
    )


def _owner(fields: Mapping[str, Any], namespace: str) -> OwnerSeen:
    name, dot, elsewhere = _text(fields, "name").partition(".")
    answers = fields.get("answers")
    workload = WorkloadRef(elsewhere if dot else namespace, _text(fields, "kind"), name)
    return OwnerSeen(workload, answers if type(answers) is int and answers > 0 else 0)


def _target(entry: Mapping[str, Any], namespace: str) -> Target | None:
    declared = _declared(entry, namespace)
    if declared.member == "kubernetes" and declared.name:
        return WorkloadTarget(WorkloadRef(declared.namespace, declared.kind, declared.name))
    if declared.member == "service" and declared.name:
        return ServiceTarget(declared.namespace, declared.name)
    if declared.member == "internet" and declared.domains:
        return InternetTarget(declared.domains[0])
    return None


def _declared(entry: Mapping[str, Any], namespace: str) -> DeclaredTarget:
    member = next((key for key in entry if isinstance(entry[key], Mapping)), "")
    fields = _mapping(entry, member)
    name, dot, elsewhere = _text(fields, "name").partition(".")
    return DeclaredTarget(
        member=member,
        namespace=elsewhere if dot else namespace,
        name=name,
        kind=_text(fields, "kind"),
        domains=_texts(fields, "domains"),
        has_ips=bool(_texts(fields, "ips")),
    )


def _condition(entry: Mapping[str, Any]) -> Condition:
    since_ms = try_parse_ms(entry.get("lastTransitionTime")) or 0
    return Condition(_text(entry, "type"), _text(entry, "status"), _text(entry, "reason"), "", since_ms)


def _mapping(fields: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = fields.get(key)
    return value if isinstance(value, Mapping) else {}


def _items(fields: Mapping[str, Any], key: str) -> Iterable[Mapping[str, Any]]:
    value = fields.get(key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def _seconds(fields: Mapping[str, Any], key: str) -> int:
    """Return milliseconds."""
    value = fields.get(key)
    return 1_000 * value if type(value) is int and 0 < value <= _MAX_SECONDS else 0


def _resolved(status: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {_text(entry, "dns"): _texts(entry, "ips") for entry in _items(status, "resolvedIPs")}


def _ports(fields: Mapping[str, Any]) -> tuple[int, ...]:
    value = fields.get("ports")
    found = value if isinstance(value, list | tuple) else ()
    return tuple(sorted({port for port in found if type(port) is int and 0 < port < 65_536}))


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""


def _texts(fields: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = fields.get(key)
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list | tuple) else ()
