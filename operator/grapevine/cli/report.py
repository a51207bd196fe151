"""What a finished offline run prints: the edges, and what is no edge."""

from collections.abc import Mapping, Sequence

from grapevine.graph.store import GraphStore
from grapevine.intents.build import target_key
from grapevine.model.edge import Edge, UnnamedAddress
from grapevine.model.target import InternetTarget, ServiceTarget, WorkloadTarget
from grapevine.model.workload import WorkloadRef
from grapevine.resolver.noise import Reason
from grapevine.resolver.unresolved import UnresolvedAddress, UnresolvedTally

_REJECTED = ("short-frame", "short-message", "bad-question", "question-count", "tcp-garbage")
_MAX_EDGES = 100
_MAX_ADDRESSES = 10
_MAX_PORTS = 5
_BLIND_SPOTS = {
    Reason.HOST_NETWORK: "a host address: a hostNetwork pod or the node itself",
    Reason.NO_POD: "outside every pod of the snapshot at that time",
    Reason.CHANGED_HANDS: "changed hands within a second",
    Reason.UNTRUSTED_RESOLVER: "speaks for the cluster's names and is no DNS server of the cluster (--dns-servers)",
}
_NOTES: Mapping[tuple[str, ...], str] = {
    ("dns-unready",): "  [nothing ready behind it]",
    ("connection",): "  [never looked up]",
}
_SHOWN_BY_ADDRESS = frozenset({Reason.WITHOUT_LOOKUP, Reason.TO_NODE})


def input_line(captured: Mapping[str, int]) -> str:
    """Return one line on what the capture held, by capture's own counters (docs/reference/capture.md)."""
    rejected = sum(captured.get(reason, 0) for reason in _REJECTED)
    line = f"{captured.get('frames', 0):,} packets, {captured.get('events', 0):,} DNS responses"
    return line + (f", {rejected:,} not usable" if rejected else "")


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
    """Return what was seen and is no edge: dead dependencies, addresses that are nobody's, noise by reason.

    Connections to what was never looked up are shown by address and not counted as noise.
    """
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
    unnamed = [address for client in graph.clients for address in graph.unnamed(client)]
    lines += [f"  never looked up   {_unnamed(address)}" for address in unnamed[:_MAX_ADDRESSES]]
    if len(unnamed) > _MAX_ADDRESSES:
        lines.append(f"  … and {len(unnamed) - _MAX_ADDRESSES} more addresses")
    folded = {reason: n for reason, n in graph.tally.folded.items() if n}
    noise = folded | {r: n for r, n in sorted(unresolved.by_reason.items()) if r not in _BLIND_SPOTS}
    if noise:
        lines.append("  noise             " + ", ".join(f"{reason} {n:,}" for reason, n in noise.items()))
    others = {r: n for r, n in sorted(unresolved.connections_by_reason.items()) if r not in _SHOWN_BY_ADDRESS}
    if others:
        lines.append("  connections       " + ", ".join(f"{reason} {n:,}" for reason, n in others.items()))
    return lines if len(lines) > 1 else []


def _workload(ref: WorkloadRef) -> str:
    return f"{ref.namespace}/{ref.name}" + (f" ({ref.kind})" if ref.kind else "")


def _target(edge: Edge) -> str:
    note = (f", port {_ports(edge.ports)}" if edge.ports else "") + _NOTES.get(edge.evidence, "")
    match edge.target:
        case WorkloadTarget(workload):
            return _workload(workload) + note
        case ServiceTarget(namespace, name):
            return f"{namespace}/{name} (Service)" + note
        case InternetTarget(domain):
            return domain + note


def _address(address: UnresolvedAddress) -> str:
    asked = f", asked for {', '.join(sorted(address.names))}" if address.names else ""
    return f"{address.ip}: {_BLIND_SPOTS[address.reason]}; {address.count:,} look-ups{asked}"


def _unnamed(address: UnnamedAddress) -> str:
    return f"{_workload(address.client)} connects to {address.address}, port {_ports(address.ports)}"


def _ports(ports: Sequence[int]) -> str:
    return ", ".join(map(str, ports[:_MAX_PORTS])) + (", …" if len(ports) > _MAX_PORTS else "")
