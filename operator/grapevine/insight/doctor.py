"""What a running operator does not see, what that means, and what to do. Pure: facts → findings.

docs/reference/doctor.md lists the codes; `grapevine_findings` has them as label values.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from grapevine.insight.blind_spots import Sender, Whose
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
    "dnstap-refused",
    "dnstap-overflow",
    "log-refused",
)
"""Counters of capture that say that something was heard and lost."""
_TOLD = frozenset({"dnstap", "log"})
_FEW = 20
"""Fewer look-ups than this say nothing about shares."""
_SHOWN = 5
_CAPTURE = "kubectl -n grapevine-capture get pods -o wide"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is judged."""

    now_ms: int
    nodes: frozenset[str]
    """Of the cluster."""
    pods: int
    """With an address of their own."""
    host_pods: int
    """On the network of their node."""
    senders: Sequence[Sender]
    lookups: Mapping[tuple[str, Whose], int]
    """Of the last windows, by source."""
    addresses: Mapping[Whose, int]
    is_dns_known: bool
    """Whether Services of the cluster's DNS are known, or servers were set."""
    untrusted: int
    """Look-ups left out because of who answered, since the start."""
    refused: Mapping[str, str]
    """Kinds the informers cannot follow now, with the reason."""
    overflow: Mapping[str, int]
    """What the map's bounds kept out, by bound."""


def judge(facts: Facts) -> list[Finding]:
    """Return one finding for each of `CODES`, in their order."""
    return [check(facts) for check in _CHECKS.values()]


def _source_silent(facts: Facts) -> Finding:
    code = "SourceSilent"
    live = [s for s in facts.senders if facts.now_ms - s.heard_ms <= SILENT_MS]
    hearing = [s for s in live if s.sources]
    if not hearing:
        what = "capture is there and has no source open" if live else "no capture process is heard"
        return Finding(
            code, Level.BLOCKER, what, "nothing new gets into the map, and no edge ages", f"{_CAPTURE}; and its log"
        )
    on_wire = {s.node for s in hearing if "packet" in s.sources and s.node}
    silent = sorted(facts.nodes - on_wire) if on_wire else []
    if silent:
        return Finding(
            code,
            Level.WARNING,
            f"{len(silent)} of {len(facts.nodes)} nodes are not heard: {_some(silent)}",
            "look-ups of their pods are seen only where they pass another node",
            _CAPTURE,
        )
    return Finding(code, Level.OK, f"{len(hearing)} capture processes are heard, of {len(facts.nodes)} nodes")


def _clients_mapped(facts: Facts) -> Finding:
    code = "ClientsUnmapped"
    total, pods = sum(facts.addresses.values()), facts.addresses.get(Whose.POD, 0)
    nobody = facts.addresses.get(Whose.NOBODY, 0)
    if not total:
        return Finding(code, Level.UNKNOWN, "no look-up came in the last ten minutes")
    found = f"{pods} of {total} client addresses are a pod's"
    if nobody * 10 > total:
        return Finding(
            code,
            Level.WARNING,
            f"{found}; {nobody} are nobody's",
            "what asks from there is in no map: machines outside the cluster, or an overlay that rewrites addresses",
            'look at grapevine_lookups_unresolved_total{reason="no-pod"}, and at the CNI\'s masquerading',
        )
    return Finding(code, Level.OK, found)


def _masked(facts: Facts) -> Finding:
    code = "ClientIPMasked"
    masked: list[str] = []
    for source in sorted({source for source, _ in facts.lookups}):
        counts = {whose: facts.lookups.get((source, whose), 0) for whose in Whose}
        total = sum(counts.values())
        if total >= _FEW and facts.pods and counts[Whose.NODE] * 5 > total * 4:
            masked.append(source)
    if not masked:
        return Finding(code, Level.OK, "look-ups carry the addresses of pods")
    is_told = _TOLD.issuperset(masked)
    return Finding(
        code,
        Level.WARNING,
        f"over 80 % of the look-ups by {_some(masked)} come from addresses of nodes",
        "pods stand behind them and cannot be told apart: NodeLocal DNSCache asks for them, or they are masqueraded",
        "add deploy/components/node-capture, which hears the pods themselves"
        if is_told
        else "end the masquerading of DNS traffic inside the cluster, in the CNI's settings",
    )


def _host_network(facts: Facts) -> Finding:
    code = "HostNetwork"
    total = sum(facts.lookups.values())
    hosts = sum(n for (_, whose), n in facts.lookups.items() if whose == Whose.NODE)
    share = f"{100 * hosts // total} % of {total:,} look-ups" if total else "no look-ups"
    found = f"{share}; {facts.host_pods} of {facts.pods + facts.host_pods} pods are on the host network"
    if total >= _FEW and hosts * 2 > total:
        means = "pods on the host network share the address of their node: their look-ups are counted, and are no edges"
        return Finding(
            code, Level.WARNING, found, means, "give these pods a network of their own where they can do with it"
        )
    return Finding(code, Level.OK, found)


def _clock_skew(facts: Facts) -> Finding:
    code = "ClockSkew"
    wrong = {
        s.node or "a capture without a node": s.ahead_ms
        for s in facts.senders
        if abs(s.ahead_ms) > SKEW_MS and facts.now_ms - s.heard_ms <= SILENT_MS and set(s.sources) != {"pcap"}
    }
    if not wrong:
        return Finding(code, Level.OK, f"no clock of a capture is over {SKEW_MS // 1000} s from the operator's")
    worst = sorted(wrong, key=lambda node: -abs(wrong[node]))
    return Finding(
        code,
        Level.WARNING,
        "clocks are off: " + _some([f"{node} by {wrong[node] / 1000:+.1f} s" for node in worst]),
        "an address that changed hands may be taken for its holder before or after",
        "run NTP on these nodes, and on the operator's",
    )


def _rights(facts: Facts) -> Finding:
    code = "ObjectsUnread"
    if not facts.refused:
        return Finding(code, Level.OK, "every kind is followed")
    texts = [f"{kind}: {reason}" for kind, reason in sorted(facts.refused.items())]
    return Finding(
        code,
        Level.BLOCKER,
        _some(texts),
        "what happened to these objects since is not known; after five minutes the map is decided with what was",
        "kubectl apply -k deploy/ gives the operator its rights again",
    )


def _resolver(facts: Facts) -> Finding:
    code = "ResolverUnknown"
    if not facts.is_dns_known:
        return Finding(
            code,
            Level.WARNING,
            "no Service on port 53 in kube-system or openshift-dns is known",
            "every server's answers are believed, also for names of the cluster",
            "--dns-servers with the addresses of the cluster's DNS",
        )
    total = sum(facts.lookups.values())
    if facts.untrusted > max(_FEW, total // 10):
        return Finding(
            code,
            Level.WARNING,
            f"{facts.untrusted:,} look-ups were answered, or told of, by servers that are not the cluster's DNS",
            "they are left out: either somebody forges answers, or pods have a resolver of their own",
            "if it is a resolver of yours: --dns-servers",
        )
    return Finding(code, Level.OK, "the cluster's DNS is known")


def _losses(facts: Facts) -> Finding:
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
        _some([f"{reason} {n:,}" for reason, n in lost.most_common()]),
        "since these processes began; what was lost may be missing from the map, or seen later than it happened",
        "the reasons: docs/reference/capture.md and docs/reference/operator.md",
    )


_CHECKS: Mapping[str, Callable[[Facts], Finding]] = {
    "SourceSilent": _source_silent,
    "ObjectsUnread": _rights,
    "ClientIPMasked": _masked,
    "ClientsUnmapped": _clients_mapped,
    "HostNetwork": _host_network,
    "ResolverUnknown": _resolver,
    "ClockSkew": _clock_skew,
    "Losses": _losses,
}
CODES = tuple(_CHECKS)


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more
