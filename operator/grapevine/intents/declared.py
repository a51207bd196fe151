"""Which edges a person's object declares, and which of its targets were never seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from grapevine.model.intents import ActualIntents, DeclaredTarget, DesiredIntents, ObservedItem
from grapevine.model.target import InternetTarget, ServiceTarget, Target, WorkloadTarget

_IN_CLUSTER_MEMBERS = frozenset({"kubernetes", "service", "kafka"})
_JUDGED_MEMBERS = _IN_CLUSTER_MEMBERS | {"internet"}
"""Members whose use DNS can show; SQL and cloud targets name no host and are neither used nor unused."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was observed, held against what is declared."""

    observed: tuple[ObservedItem, ...]
    undeclared: int
    unused: int


def compare(desired: DesiredIntents, actual: ActualIntents) -> Findings:
    """Return the findings for an object; a discovered one declares nothing of its own, so it has none."""
    if actual.discovered:
        return Findings(desired.observed, 0, 0)
    observed = tuple(_marked(item, actual.targets) for item in desired.observed)
    undeclared = sum(item.declared is False for item in observed)
    unused = sum(
        _is_judged(target) and not any(declares(target, item) for item in desired.observed) for target in actual.targets
    )
    return Findings(observed, undeclared, unused)


def declares(declared: DeclaredTarget, item: ObservedItem) -> bool:
    """Whether a target of a spec names the observed edge, directly or by the Service it was reached through."""
    match item.target:
        case WorkloadTarget(workload):
            if declared.member in ("kubernetes", "kafka") and declared.kind != "Service":
                same = (declared.namespace, declared.name) == (workload.namespace, workload.name)
                return same and declared.kind in ("", workload.kind)
            return _names_service(declared, item)
        case ServiceTarget(namespace, name):
            is_service = declared.member == "service" or declared.kind in ("Service", "")
            return (
                is_service
                and declared.member in _IN_CLUSTER_MEMBERS
                and (declared.namespace, declared.name) == (namespace, name)
            )
        case InternetTarget(domain):
            return any(covers(pattern, domain) for pattern in declared.domains) or _names_service(declared, item)
        case None:
            return False


def is_same_target(declared: DeclaredTarget, target: Target) -> bool:
    """Whether an item of a spec is the one that is written for `target`."""
    match target:
        case WorkloadTarget(workload):
            same = (declared.namespace, declared.name, declared.kind)
            return declared.member == "kubernetes" and same == (workload.namespace, workload.name, workload.kind)
        case ServiceTarget(namespace, name):
            return declared.member == "service" and (declared.namespace, declared.name) == (namespace, name)
        case InternetTarget(domain):
            return declared.member == "internet" and declared.domains == (domain,)


def _marked(item: ObservedItem, targets: Sequence[DeclaredTarget]) -> ObservedItem:
    return item if item.target is None else replace(item, declared=any(declares(t, item) for t in targets))


def _is_judged(target: DeclaredTarget) -> bool:
    return target.member in _JUDGED_MEMBERS and not (target.member == "internet" and target.has_ips)


def _names_service(declared: DeclaredTarget, item: ObservedItem) -> bool:
    if declared.member != "service" and declared.kind != "Service":
        return False
    prefix = f"{declared.name}.{declared.namespace}.svc."
    return any(name.startswith(prefix) or f".{prefix}" in name for name in item.names)


def unresolved_reason(dead: Sequence[str], actual: ActualIntents) -> tuple[str, list[str]]:
    """Return why names do not resolve, in Otterize's words where a person's spec names them, and which; `dead` ≥ 1."""
    if not actual.discovered:
        services = {form for target in actual.targets for form in _forms(target, actual.namespace)}
        if missing := [name for name in dead if name in services]:
            return "KubernetesServiceNotFound", missing
        patterns = [pattern for target in actual.targets for pattern in target.domains]
        if unresolved := [name for name in dead if any(covers(pattern, name) for pattern in patterns)]:
            return "IntentToUnresolvedDns", unresolved
    return "DeadDependency", list(dead)


def _forms(declared: DeclaredTarget, namespace: str) -> tuple[str, ...]:
    """Return how a client of the namespace asks for what is declared, without the cluster's domain."""
    if declared.member not in _IN_CLUSTER_MEMBERS:
        return ()
    full = f"{declared.name}.{declared.namespace}"
    return (full, f"{full}.svc", *((declared.name,) if declared.namespace == namespace else ()))


def covers(pattern: str, domain: str) -> bool:
    """Whether a domain of a spec, `*` in front or not, is or includes one that was asked for."""
    pattern = pattern.lower().rstrip(".")
    return domain == pattern or (pattern.startswith("*") and domain.endswith(pattern[1:]))
