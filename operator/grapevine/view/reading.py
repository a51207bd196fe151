"""ClientIntents, or edges of a live graph → the map."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from grapevine.graph.ageing import remembered_ms, stale_after_ms
from grapevine.intents.calls import split_name
from grapevine.intents.confidence import confidence
from grapevine.intents.read import read_intents, read_observed
from grapevine.intents.schema import members, targets_of
from grapevine.intents.share import share_of
from grapevine.model.age import Age
from grapevine.model.edge import Edge, OwnerSeen
from grapevine.model.target import InternetTarget, ServiceTarget, Target, WorkloadTarget
from grapevine.model.workload import WorkloadRef
from grapevine.settings import GraphSettings
from grapevine.view.servicemap import DOMAIN, SERVICE, Link, Node, NodeRef, Relation, ServiceMap, service_map

_ACCOUNTS = {"sql": ("SQL", "name"), "aws": ("AWS", "arn"), "gcp": ("GCP", "resource"), "azure": ("Azure", "scope")}
"""Members that name something outside → kind of its node, and the field with the name."""
_MAX_NAMES = 16
_PATIENCE_MS = GraphSettings().patience_ms


def map_of_intents(resources: Iterable[Mapping[str, Any]]) -> ServiceMap:
    """Return the map that ClientIntents tell: what was observed; of an object without observations, what it declares.

    They do not tell the patience of the operator that wrote them: it is taken to be the default.

    Raises:
        PermanentInputError: an object names no workload.
    """
    nodes: list[Node] = []
    links: list[Link] = []
    cut = 0
    for resource in resources:
        client = read_intents(resource).client
        status = resource.get("status")
        if not isinstance(status, Mapping) or "observed" not in status:
            nodes.append(Node(node_of(client)))
            links += _declared(client, resource)
            continue
        cut += bool(status.get("truncated"))
        items = read_observed(resource)
        nodes.append(Node(node_of(client), dead=sum(item.target is None for item in items)))
        for item in items:
            if item.target is not None:
                links += _links(client, item.target, item, item.owners, item.age, _PATIENCE_MS)
    notes = [f"{cut} object{'s' if cut > 1 else ''} had no room for all that was seen"] if cut else []
    return replace(_unified(service_map(nodes, links, notes)), remembered_ms=remembered_ms(_PATIENCE_MS))


def map_of_edges(
    edges: Iterable[Edge], dead: Mapping[WorkloadRef, int] | None = None, patience_ms: int = _PATIENCE_MS
) -> ServiceMap:
    """Return the map of a live graph; `dead` are the numbers of names that never resolved, the patience is its own."""
    counts = dead or {}
    nodes = [Node(node_of(client), dead=number) for client, number in counts.items()]
    links = (link for e in edges for link in _links(e.client, e.target, e, e.owners, e.age, patience_ms))
    return replace(service_map(nodes, links), remembered_ms=remembered_ms(patience_ms))


def node_of(workload: WorkloadRef) -> NodeRef:
    """Return the node of a workload."""
    return NodeRef(workload.namespace, workload.kind, workload.name)


def _links(
    client: WorkloadRef,
    target: Target,
    seen: Any,  # noqa: ANN401 - an Edge or an ObservedItem, which have these fields both
    owners: tuple[OwnerSeen, ...],
    age: Age,
    patience_ms: int,
) -> Iterator[Link]:
    """Yield the call, and who is behind the Service that it goes to."""
    end = _target_node(target)
    usual_ms = stale_after_ms(age.rhythm_ms, seen.last_ms - seen.first_ms, patience_ms)
    yield Link(
        client=node_of(client),
        target=end,
        evidence=seen.evidence,
        confidence=confidence(seen.evidence),
        state=seen.state,
        first_ms=seen.first_ms,
        last_ms=seen.last_ms,
        count=seen.count,
        ports=seen.ports,
        names=seen.names[:_MAX_NAMES],
        sources=age.sources,
        silent_ms=seen.last_ms + usual_ms if seen.state == "stale" else 0,
    )
    for owner in owners:
        share = share_of(owner, owners)
        yield Link(end, node_of(owner.workload), state=seen.state, relation=Relation.BEHIND, share=share)


def _target_node(target: Target) -> NodeRef:
    match target:
        case WorkloadTarget(workload):
            return node_of(workload)
        case ServiceTarget(namespace, name):
            return NodeRef(namespace, SERVICE, name)
        case InternetTarget(domain):
            return NodeRef("", DOMAIN, domain)


def _declared(client: WorkloadRef, resource: Mapping[str, Any]) -> Iterator[Link]:
    for target in targets_of(resource):
        for member in members(target):
            fields = target[member]
            if isinstance(fields, Mapping):
                for end in _declared_ends(member, fields, client.namespace):
                    yield Link(node_of(client), end, state="declared")


def _declared_ends(member: str, fields: Mapping[str, Any], namespace: str) -> Iterator[NodeRef]:
    if member == "internet":
        for key in ("domains", "ips"):
            listed = fields.get(key)
            yield from (NodeRef("", DOMAIN, str(each)) for each in (listed if isinstance(listed, list | tuple) else ()))
    elif member in _ACCOUNTS:
        kind, key = _ACCOUNTS[member]
        yield NodeRef("", kind, str(fields.get(key) or ""))
    else:
        name, where = split_name(fields.get("name"), namespace)
        yield NodeRef(where, SERVICE if member == "service" else str(fields.get("kind") or ""), name)


def _unified(found: ServiceMap) -> ServiceMap:
    """Return the map with what was named without a kind being the one workload of that name, where there is one."""
    kinds: dict[tuple[str, str], set[str]] = {}
    for node in found.nodes:
        if node.ref.kind and not node.ref.is_outside:
            kinds.setdefault((node.ref.namespace, node.ref.name), set()).add(node.ref.kind)

    def meant(ref: NodeRef) -> NodeRef:
        known = kinds.get((ref.namespace, ref.name), set()) - {SERVICE}
        return NodeRef(ref.namespace, next(iter(known)), ref.name) if not ref.kind and len(known) == 1 else ref

    if all(meant(node.ref) == node.ref for node in found.nodes):
        return found
    nodes = (replace(node, ref=meant(node.ref)) for node in found.nodes)
    links = (replace(link, client=meant(link.client), target=meant(link.target)) for link in found.links)
    return service_map(nodes, links, found.notes)
