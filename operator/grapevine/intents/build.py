"""Graph → what one client's ClientIntents should say."""

from collections.abc import Iterable
from dataclasses import replace

from grapevine.intents.bounds import fitting_targets
from grapevine.intents.confidence import confidence
from grapevine.model.age import Age
from grapevine.model.edge import DeadDependency, Edge, OwnerSeen
from grapevine.model.intents import DesiredIntents, ObservedItem
from grapevine.model.target import InternetTarget, ServiceTarget, Target, WorkloadTarget
from grapevine.model.workload import WorkloadRef

MAX_TARGETS = 1_000
"""Targets of a spec; the CRD's bound."""
_STATES = ("active", "idle", "stale")
_MAX_NAMES = 16
"""Names kept of one edge; the CRD's bound."""
_MAX_PORTS = 64
"""Ports kept of one edge, as many as the graph keeps."""
_MAX_OWNERS = 16
"""Workloads kept of one Service; the CRD's bound."""


def build_intents(
    client: WorkloadRef,
    edges: Iterable[Edge],
    dead: Iterable[DeadDependency],
    *,
    is_silent: bool = False,
    retired: int = 0,
    overflow: int = 0,
    unread_owner: str = "",
) -> DesiredIntents:
    """Return the desired intents, everything sorted, so that equal maps give equal bytes.

    `is_silent`, `retired` and `unread_owner` are as in `DesiredIntents`.
    """
    by_target = sorted(_merged(edges), key=lambda e: target_key(e.target))
    dead_by_name = sorted(dead, key=lambda d: d.name)
    items = [_edge_item(e) for e in by_target] + [_dead_item(d) for d in dead_by_name]
    fitting = fitting_targets(((e.target, e.first_ms) for e in by_target), MAX_TARGETS)
    in_cluster = sum(not isinstance(e.target, InternetTarget) for e in by_target)
    return DesiredIntents(
        client=client,
        targets=tuple(e.target for e in by_target if e.target in fitting),
        observed=tuple(items),
        omitted=len(by_target) - len(fitting),
        in_cluster=in_cluster,
        internet=len(by_target) - in_cluster,
        dead=len(dead_by_name),
        last_ms=max((i.last_ms for i in items), default=0),
        is_silent=is_silent,
        retired=retired,
        overflow=overflow,
        unread_owner=unread_owner,
    )


def target_key(target: Target) -> tuple[int, str, str, str]:
    """Order of targets in a spec: workloads, Services, domains; each by namespace, name and kind."""
    match target:
        case WorkloadTarget(workload):
            return 0, workload.namespace, workload.name, workload.kind
        case ServiceTarget(namespace, name):
            return 1, namespace, name, ""
        case InternetTarget(domain):
            return 2, "", domain, ""


def _merged(edges: Iterable[Edge]) -> Iterable[Edge]:
    """Join edges to one target: an object whose kind is left open is about all workloads of its name."""
    merged: dict[Target, Edge] = {}
    for edge in edges:
        known = merged.get(edge.target)
        merged[edge.target] = (
            replace(
                known,
                names=tuple(sorted({*known.names, *edge.names})),
                evidence=tuple(sorted({*known.evidence, *edge.evidence})),
                first_ms=min(known.first_ms, edge.first_ms),
                last_ms=max(known.last_ms, edge.last_ms),
                count=known.count + edge.count,
                ports=tuple(sorted({*known.ports, *edge.ports})[:_MAX_PORTS]),
                protocols=tuple(sorted({*known.protocols, *edge.protocols})),
                service_ports=tuple(sorted({*known.service_ports, *edge.service_ports})[:_MAX_PORTS]),
                owners=_joined(known.owners, edge.owners),
                state=min(known.state, edge.state, key=_STATES.index),
                age=_younger(known.age, edge.age),
                addresses=tuple(sorted({*known.addresses, *edge.addresses})),
            )
            if known
            else edge
        )
    return merged.values()


def _younger(one: Age, other: Age) -> Age:
    sources = tuple(sorted({*one.sources, *other.sources}))
    return Age(sources, max(one.rhythm_ms, other.rhythm_ms), min(one.heard_ms, other.heard_ms))


def _edge_item(edge: Edge) -> ObservedItem:
    return ObservedItem(
        target=edge.target,
        names=edge.names[:_MAX_NAMES],
        evidence=edge.evidence,
        confidence=confidence(edge.evidence),
        first_ms=edge.first_ms,
        last_ms=edge.last_ms,
        count=edge.count,
        state=edge.state,
        ports=edge.ports,
        protocols=edge.protocols,
        service_ports=edge.service_ports[:_MAX_PORTS],
        owners=edge.owners[:_MAX_OWNERS],
        age=edge.age,
        addresses=edge.addresses,
    )


def _joined(some: Iterable[OwnerSeen], more: Iterable[OwnerSeen]) -> tuple[OwnerSeen, ...]:
    joined: dict[WorkloadRef, OwnerSeen] = {}
    for each in (*some, *more):
        known = joined.get(each.workload, OwnerSeen(each.workload))
        joined[each.workload] = OwnerSeen(
            each.workload, known.answers + each.answers, known.connections + each.connections
        )
    return tuple(joined[workload] for workload in sorted(joined))


def _dead_item(dead: DeadDependency) -> ObservedItem:
    return ObservedItem(
        target=None,
        names=(dead.name,),
        evidence=("dns",),
        confidence=confidence(("dns",)),
        first_ms=dead.first_ms,
        last_ms=dead.last_ms,
        count=dead.count,
        state="dead",
        rcode=dead.rcode,
        age=dead.age,
    )
