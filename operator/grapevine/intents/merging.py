"""ClientIntents of several clusters in one map: each object's namespaces with its cluster before them. Pure.

`CLUSTER:NAMESPACE` is no name of a namespace, so that no cluster's own is taken for it, and no API server takes the
objects. A name outside stays outside, for nothing in the objects tells whose it is, but where a person says it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grapevine.intents.calls import split_name
from grapevine.intents.schema import targets_of
from grapevine.model.errors import PermanentInputError
from grapevine.model.workload import WorkloadRef

Resource = Mapping[str, Any]
Joins = Mapping[str, WorkloadRef]
"""A name outside the clusters, in lower case without a dot at its end → the workload it is, its cluster before the
namespace."""
CLUSTER_LABEL = "grapevine.dev/cluster"
_IN_CLUSTER = ("kubernetes", "service", "kafka")


@dataclass(frozen=True, slots=True)
class Merged:
    """One object among those of other clusters."""

    resource: Resource
    joined: frozenset[str]
    """Names outside that were found to be another cluster's workload."""


def in_cluster(resource: Resource, cluster: str, joins: Joins) -> Merged:
    """Return an object as that of a cluster; what it calls in the cluster is that cluster's."""
    namespace = str(resource["metadata"]["namespace"])
    joined: set[str] = set()

    def moved(target: Resource) -> list[Resource]:
        return _moved(target, namespace, cluster, joins, joined)

    labels = {**(resource["metadata"].get("labels") or {}), CLUSTER_LABEL: cluster}
    metadata = {**resource["metadata"], "namespace": f"{cluster}:{namespace}", "labels": labels}
    found = {**resource, "metadata": metadata}
    if targets := list(targets_of(resource)):
        found["spec"] = {**resource["spec"], "targets": [each for target in targets for each in moved(target)]}
    status = resource.get("status")
    observed = status.get("observed") if isinstance(status, Mapping) else None
    if isinstance(status, Mapping) and isinstance(observed, list):
        items = [each for each in observed if isinstance(each, Mapping)]
        found["status"] = {**status, "observed": [_observed(each, moved, namespace, cluster) for each in items]}
    return Merged(found, frozenset(joined))


def parse_join(text: str, clusters: frozenset[str]) -> tuple[str, WorkloadRef]:
    """Return the name outside and the workload of `DOMAIN=CLUSTER:NAMESPACE/KIND/NAME`.

    Raises:
        PermanentInputError: it is none, or of none of these clusters.
    """
    domain, _, place = text.partition("=")
    cluster, _, path = place.partition(":")
    parts = path.split("/")
    if not domain or len(parts) != 3 or not all(parts):
        raise PermanentInputError(f"--join: {text!r} joins nothing: give DOMAIN=CLUSTER:NAMESPACE/KIND/NAME")
    if cluster not in clusters:
        raise PermanentInputError(f"--join: {cluster!r} is not merged: give one of {', '.join(sorted(clusters))}")
    return domain.lower().rstrip("."), WorkloadRef(f"{cluster}:{parts[0]}", parts[1], parts[2])


def _observed(item: Resource, moved: Any, namespace: str, cluster: str) -> Resource:  # noqa: ANN401 - a function of here
    target, owners = item.get("target"), item.get("owners")
    found = {**item}
    if isinstance(target, Mapping):
        found["target"] = next(iter(moved(target)), target)  # one domain an item
    if isinstance(owners, list):
        named = (each for each in owners if isinstance(each, Mapping))
        found["owners"] = [{**each, "name": _qualified(each.get("name"), namespace, cluster)} for each in named]
    return found


def _moved(target: Resource, namespace: str, cluster: str, joins: Joins, joined: set[str]) -> list[Resource]:
    for member in _IN_CLUSTER:
        fields = target.get(member)
        if isinstance(fields, Mapping):
            return [{**target, member: {**fields, "name": _qualified(fields.get("name"), namespace, cluster)}}]
    internet = target.get("internet")
    domains = internet.get("domains") if isinstance(internet, Mapping) else None
    if not isinstance(internet, Mapping) or not isinstance(domains, list):
        return [target]
    names = {str(each).lower().rstrip(".") for each in domains} & joins.keys()
    if not names:
        return [target]
    joined |= names
    rest = {**internet, "domains": [each for each in domains if str(each).lower().rstrip(".") not in names]}
    kept = [{**target, "internet": rest}] if rest["domains"] or rest.get("ips") else []
    return [*(_named(joins[name]) for name in sorted(names)), *kept]


def _named(workload: WorkloadRef) -> Resource:
    name = f"{workload.name}.{workload.namespace}"
    if workload.kind == "Service":
        return {"service": {"name": name}}
    return {"kubernetes": {"name": name, "kind": workload.kind}}


def _qualified(name: object, namespace: str, cluster: str) -> str:
    own, where = split_name(name, namespace)
    return f"{own}.{cluster}:{where}"
