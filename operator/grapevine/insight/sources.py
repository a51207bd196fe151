"""What capture hears of: nodes not heard, addresses that are not the pods', clocks, losses. Pure: facts → findings."""

from collections import Counter

from grapevine.insight.blind_spots import Sender, Whose
from grapevine.insight.facts import FEW, Facts, some
from grapevine.model.finding import Finding, Level

SILENT_MS = 60_000
"""A capture process sends every 5 s: not heard for this long, it is gone or cut off."""
SKEW_MS = 5_000
"""Clocks this far apart change nothing; further, and addresses are looked up at the wrong time."""
LOSSES = (
    "kernel-drops",
    "window-full",
    "spool-overflow",
    "batch-refused",
    "connections-full",
    "queries-evicted",
    "tcp-evicted",
    "tcp-overflow",
    "tcp-idle",
    "dnstap-refused",
    "dnstap-overflow",
    "dnstap-stalled",
    "dnstap-broken",
    "log-refused",
    "log-broken",
)
"""Counters of capture that say that something was heard and lost: its kind `loss`, without what may count twice."""
_TOLD = frozenset({"dnstap", "log"})
_WIRE = "packet"
_CAPTURE = "kubectl -n grapevine-capture get pods -o wide"


def source_silent(facts: Facts) -> Finding:
    """Judge which nodes, or whether any source, is heard."""
    code = "SourceSilent"
    heard = live(facts)
    hearing = [s for s in heard if s.sources]
    if not hearing:
        what = "capture is there and has no source open" if heard else "no capture process is heard"
        return Finding(
            code, Level.BLOCKER, what, "nothing new gets into the map, and no edge ages", f"{_CAPTURE}; and its log"
        )
    on_wire = {s.node for s in hearing if _WIRE in s.sources and s.node}
    silent = sorted(facts.nodes - on_wire) if on_wire else []
    if silent:
        return Finding(
            code,
            Level.WARNING,
            f"{len(silent)} of {len(facts.nodes)} nodes are not heard: {some(silent)}",
            "look-ups of their pods are seen only where they pass another node",
            _CAPTURE,
        )
    return Finding(code, Level.OK, f"{len(hearing)} capture processes are heard, of {len(facts.nodes)} nodes")


def client_ip_masked(facts: Facts) -> Finding:
    """Judge whether pods stand behind addresses that are not theirs: by what stands between, and by the shares."""
    code = "ClientIPMasked"
    masked = masked_sources(facts)
    is_told = _TOLD.issuperset(masked)
    remedy = (
        "add deploy/components/node-capture, which hears the pods themselves"
        if is_told
        else "end the masquerading of DNS traffic inside the cluster, in the CNI's settings"
    )
    means = "pods stand behind them and cannot be told apart: NodeLocal DNSCache asks for them, or they are masqueraded"
    shares = [source for source in masked if _is_mostly_nodes(facts, source)]
    if shares:
        found = f"over 80 % of the look-ups by {some(shares)} come from addresses of nodes"
        return Finding(code, Level.WARNING, found, means, remedy)
    between = _between(facts)
    if masked:
        found = f"{between} asks for the pods, and only {some(masked)} is heard"
        means = (
            "what the cluster's DNS is asked comes from addresses of nodes; what the cache answers itself is not heard"
        )
        return Finding(code, Level.WARNING, found, means, remedy)
    if between:
        return Finding(code, Level.OK, f"{between} asks for the pods, and capture hears the pods themselves")
    return Finding(code, Level.OK, "look-ups carry the addresses of pods")


def masked_sources(facts: Facts) -> list[str]:
    """Return the sources by which pods cannot be told apart; none where another hears the pods themselves."""
    mostly = [source for source in sorted({source for source, _ in facts.lookups}) if _is_mostly_nodes(facts, source)]
    heard = {source for sender in live(facts) for source in sender.sources}
    if mostly or not _between(facts) or _WIRE in heard:
        return mostly
    return sorted(heard & _TOLD)


def live(facts: Facts) -> list[Sender]:
    """Return the capture processes that are heard now."""
    return [sender for sender in facts.senders if facts.now_ms - sender.heard_ms <= SILENT_MS]


def _is_mostly_nodes(facts: Facts, source: str) -> bool:
    counts = {whose: facts.lookups.get((source, whose), 0) for whose in Whose}
    total = sum(counts.values())
    return total >= FEW and facts.pods > 0 and counts[Whose.NODE] * 5 > total * 4


def _between(facts: Facts) -> str:
    """Return what on the nodes stands between pods and the cluster's DNS; empty for nothing known."""
    if facts.dns_caches:
        return f"NodeLocal DNSCache ({some(facts.dns_caches)})"
    return f"a resolver on the node ({some(sorted(facts.node_resolvers))})" if facts.node_resolvers else ""


def clock_skew(facts: Facts) -> Finding:
    """Judge the clocks of capture against ours."""
    code = "ClockSkew"
    wrong = {
        s.node or "a capture without a node": s.ahead_ms
        for s in live(facts)
        if abs(s.ahead_ms) > SKEW_MS and set(s.sources) != {"pcap"}
    }
    if not wrong:
        return Finding(code, Level.OK, f"no clock of a capture is over {SKEW_MS // 1000} s from the operator's")
    worst = sorted(wrong, key=lambda node: -abs(wrong[node]))
    return Finding(
        code,
        Level.WARNING,
        "clocks are off: " + some([f"{node} by {wrong[node] / 1000:+.1f} s" for node in worst]),
        "an address that changed hands may be taken for its holder before or after",
        "run NTP on these nodes, and on the operator's",
    )


def losses(facts: Facts) -> Finding:
    """Judge what was heard and lost."""
    code = "Losses"
    lost = Counter[str]()
    for sender in facts.senders:
        lost.update({reason: n for reason in LOSSES if (n := sender.counters.get(reason, 0))})
    lost.update({bound: n for bound, n in facts.overflow.items() if n})
    if not lost:
        return Finding(code, Level.OK, "nothing was lost on the way, and no bound was met")
    return Finding(
        code,
        Level.NOTE,
        some([f"{reason} {n:,}" for reason, n in lost.most_common()]),
        "since these processes began; what was lost may be missing from the map, or seen later than it happened",
        "the reasons: docs/reference/capture.md and docs/reference/operator.md",
    )
