"""What a finished offline run prints: the table of `kubectl get clientintents -A`, the edges, and what is no edge."""

from collections.abc import Iterable, Mapping
from typing import Any

from grapevine.cli.table import format_age, format_table
from grapevine.graph.store import GraphStore
from grapevine.intents.build import target_key
from grapevine.model.edge import Edge
from grapevine.model.target import InternetTarget, ServiceTarget, WorkloadTarget
from grapevine.model.timestamp import try_parse_ms
from grapevine.model.workload import WorkloadRef
from grapevine.resolver.noise import Reason
from grapevine.resolver.unresolved import UnresolvedAddress, UnresolvedTally

_HEADER = (
    ("NAMESPACE", "NAME", "WORKLOAD", "KIND", "TARGETS", "UNDECLARED", "MODE", "READY", "LAST-SEEN", "AGE")
)  # fmt: skip
_REJECTED = ("short-frame", "short-message", "bad-question", "question-count", "tcp-garbage")
_MAX_EDGES = 100
_MAX_ADDRESSES = 10
_BLIND_SPOTS = {
    Reason.HOST_NETWORK: "a host address: a hostNetwork pod or the node itself",
    Reason.NO_POD: "outside every pod of the snapshot at that time",
    Reason.CHANGED_HANDS: "changed hands within a second",
    Reason.UNTRUSTED_RESOLVER: "sends dnstap and is no DNS server of the cluster",
}


def input_line(captured: Mapping[str, int]) -> str:
    """Return one line on what the capture held, by capture's own counters (docs/reference/capture.md)."""
    rejected = sum(captured.get(reason, 0) for reason in _REJECTED)
    line = f"{captured.get('frames', 0):,} packets, {captured.get('events', 0):,} DNS responses"
    return line + (f", {rejected:,} not usable" if rejected else "")


def intents_table(resources: Iterable[Mapping[str, Any]], now_ms: int) -> str:
    """Return the table that `kubectl get clientintents -A` prints of these objects."""
    return format_table(_HEADER, (_row(resource, now_ms) for resource in resources))


def edge_lines(graph: GraphStore) -> list[str]:
    """Return one line an edge, by client, headed by their number; the longest maps are cut."""
    clients = sorted(graph.clients, key=lambda c: (c.namespace, c.name, c.kind))
    edges = [e for c in clients for e in sorted(graph.edges(c), key=lambda e: target_key(e.target))]
    width = max((len(_workload(e.client)) for e in edges), default=0)
    lines = [f"{len(edges)} edges:"]
    before = None
    for edge in edges[:_MAX_EDGES]:
        client = "" if edge.client == before else _workload(edge.client)
        before = edge.client
        lines.append(f"  {client.ljust(width)}  → {_target(edge)}")
    if len(edges) > _MAX_EDGES:
        lines.append(f"  … and {len(edges) - _MAX_EDGES} more, in the files")
    return lines


def blind_lines(graph: GraphStore, unresolved: UnresolvedTally) -> list[str]:
    """Return what was seen and is no edge: dead dependencies, addresses that are nobody's, noise by reason."""
    lines = ["Seen, and not an edge:"]
    lines += [
        f"  dead dependency   {_workload(client)} asks for {dead.name}, which never resolves ({dead.rcode})"
        for client in graph.clients
        for dead in graph.dead(client)
    ]
    addresses = unresolved.addresses()
    lines += [f"  {a.reason.value.ljust(16)}  {_address(a)}" for a in addresses[:_MAX_ADDRESSES]]
    if len(addresses) > _MAX_ADDRESSES:
        lines.append(f"  … and {len(addresses) - _MAX_ADDRESSES} more addresses")
    folded = {reason: n for reason, n in graph.tally.folded.items() if n}
    noise = folded | {r: n for r, n in sorted(unresolved.by_reason.items()) if r not in _BLIND_SPOTS}
    if noise:
        lines.append("  noise             " + ", ".join(f"{reason} {n:,}" for reason, n in noise.items()))
    return lines if len(lines) > 1 else []


def _row(resource: Mapping[str, Any], now_ms: int) -> tuple[str, ...]:
    metadata, spec, status = resource["metadata"], resource["spec"], resource.get("status", {})
    summary = status.get("summary", {})
    ready = next((c["status"] for c in status.get("conditions", ()) if c["type"] == "Ready"), "")
    return (
        metadata["namespace"],
        metadata["name"],
        spec["workload"]["name"],
        spec["workload"].get("kind", ""),
        str(summary.get("targets", "")),
        str(summary.get("undeclared", "")),
        status.get("mode", ""),
        ready,
        _age(status.get("lastSeen"), now_ms),
        _age(metadata.get("creationTimestamp"), now_ms),
    )


def _age(moment: str | None, now_ms: int) -> str:
    ms = try_parse_ms(moment)
    return "" if ms is None else format_age((now_ms - ms) // 1000)


def _workload(ref: WorkloadRef) -> str:
    return f"{ref.namespace}/{ref.name}" + (f" ({ref.kind})" if ref.kind else "")


def _target(edge: Edge) -> str:
    unready = "" if "dns" in edge.evidence else "  [nothing ready behind it]"
    match edge.target:
        case WorkloadTarget(workload):
            return _workload(workload) + unready
        case ServiceTarget(namespace, name):
            return f"{namespace}/{name} (Service)" + unready
        case InternetTarget(domain):
            return domain + unready


def _address(address: UnresolvedAddress) -> str:
    asked = f", asked for {', '.join(sorted(address.names))}" if address.names else ""
    return f"{address.ip}: {_BLIND_SPOTS[address.reason]}; {address.count:,} look-ups{asked}"
