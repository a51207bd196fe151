"""Why an edge is there, or what is known where it is not. Pure: reads graph and index, changes nothing.

Every list is bounded by what the graph keeps, or here; `docs/reference/api.md` describes the fields.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from grapevine.graph.sighting import Sighting
from grapevine.graph.store import GraphStore
from grapevine.graph.tally import Seen
from grapevine.insight.service_facts import ServiceFacts
from grapevine.insight.targets import TargetView, view_of
from grapevine.intents.build import target_key
from grapevine.intents.confidence import rule_of
from grapevine.intents.share import share_of
from grapevine.model.edge import DeadDependency, Edge, UnnamedAddress
from grapevine.model.target import (
    Destination,
    InternetTarget,
    ServiceTarget,
    Target,
    WorkloadTarget,
    destination_name,
)
from grapevine.model.workload import ServiceRef, WorkloadRef
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.left_out import LeftOut

MAX_ITEMS = 20
"""Names of one edge, owners of one Service, targets offered: more are cut, and `count` or `cut` says how many."""


class Verdict(StrEnum):
    """What the answer is."""

    EDGE = "edge"
    """There is such an edge."""
    DEAD = "dead"
    """The client asks for it, and it never resolved."""
    UNNAMED = "unnamed-address"
    """The client connects to this address, which no look-up led to and nobody in the cluster has."""
    NOISE = "noise"
    """It was asked for, and is counted as noise."""
    ITSELF = "itself"
    """The target is the client: a workload's calls to itself are no edges."""
    NOT_SEEN = "not-seen"
    """The client is known, and this was never seen of it."""
    CLIENT_QUIET = "client-quiet"
    """The workload exists, and nothing was seen of it."""
    CLIENT_UNKNOWN = "client-unknown"
    """No such workload exists, and nothing was ever seen of one."""
    CLIENT_AMBIGUOUS = "client-ambiguous"
    """Workloads of several kinds have the name: say which."""


@dataclass(frozen=True, slots=True)
class SeenView:
    """Look-ups or connections of one name."""

    count: int
    """At least."""
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class NameView:
    """One name that leads to the target, or, empty, the address of a pod."""

    name: str
    is_answered: bool
    lookups: SeenView | None
    connections: SeenView | None
    ports: tuple[int, ...]
    pods: tuple[str, ...]
    """Client pods; a sample like all that follow, since the operator started, the newest last."""
    resolvers: tuple[str, ...]
    answers: tuple[str, ...]
    sources: tuple[str, ...]
    shared_with: tuple[str, ...]
    """Other names that led the client to an address this one led to: which one it means by a connection there, only
    the client knows."""


@dataclass(frozen=True, slots=True)
class OwnerView:
    """A workload behind a Service, by its pods there now."""

    workload: WorkloadRef
    pods: int
    answers: int
    """Addresses of its pods in answers to the client."""
    connections: int
    """Of the client to its pods' addresses."""
    share: int | None
    """Percent of what the client was seen to use of the Service; None where neither answers nor connections tell."""


@dataclass(frozen=True, slots=True)
class EdgeView:
    """One edge and everything it stands on."""

    target: TargetView
    evidence: tuple[str, ...]
    confidence: int
    because: str
    """The rule that gives the confidence."""
    count: int
    first_ms: int
    last_ms: int
    names: tuple[NameView, ...]
    cut: int
    """Names over the bound, not shown."""
    owners: tuple[OwnerView, ...]
    """Of a Service: the workloads behind it; several, or none, are why the Service is the target."""
    service_ports: tuple[int, ...]
    """What its Service's object says a client dials; empty where it leaves a choice."""


@dataclass(frozen=True, slots=True)
class NoiseView:
    """What of the client's became no edge."""

    reason: str
    """As in docs/reference/operator.md."""
    count: int
    names: tuple[str, ...]
    """A sample."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to: why does this client reach that target, or why not."""

    verdict: Verdict
    client: WorkloadRef | None
    """None where the client is not known, or is several."""
    asked: str
    """The target as it was asked for."""
    edges: tuple[EdgeView, ...] = ()
    """Several where the text names several, as a Service and the workload behind another of its name."""
    dead: tuple[DeadDependency, ...] = ()
    unnamed: tuple[UnnamedAddress, ...] = ()
    noise: tuple[NoiseView, ...] = ()
    """All that was left out of the client's, whatever the target."""
    reasons: tuple[str, ...] = ()
    """Of these, the reasons by which the target itself was left out."""
    is_on_host_network: bool = False
    """Whether every pod of the client there is now is: its look-ups carry its node's address and become no edge."""
    targets: tuple[str, ...] = ()
    """Where there is no such edge: targets that there are, for the next question."""
    candidates: tuple[WorkloadRef, ...] = ()
    """Where the client is several: which."""


class Explainer:
    """Answers from the live map."""

    def __init__(self, graph: GraphStore, index: ClusterIndex, left_out: LeftOut, cluster_domain: str) -> None:
        self._graph = graph
        self._index = index
        self._left_out = left_out
        self._domain = cluster_domain
        self._facts = ServiceFacts(graph, index, cluster_domain)

    def explain(self, namespace: str, name: str, kind: str, asked: str) -> Explanation:
        """Return why the client reaches what was asked for, or what is known instead; an empty `kind` is any.

        A target is named as `name`, `namespace/name`, `namespace/Kind/name`, by a DNS name, whole or as far as the
        search list lets it be cut, or by an address.
        """
        clients = [c for c in self._graph.namesakes(namespace, name) if kind in ("", c.kind)]
        if len(clients) > 1:
            return Explanation(Verdict.CLIENT_AMBIGUOUS, None, asked, candidates=tuple(clients[:MAX_ITEMS]))
        if not clients:
            return self._without_client(namespace, name, kind, asked)
        return self._of_client(clients[0], asked)

    def _without_client(self, namespace: str, name: str, kind: str, asked: str) -> Explanation:
        known = sorted(
            w for w in self._index.workloads() if (w.namespace, w.name) == (namespace, name) and kind in ("", w.kind)
        )
        if not known:
            return Explanation(Verdict.CLIENT_UNKNOWN, None, asked)
        if len(known) > 1:
            return Explanation(Verdict.CLIENT_AMBIGUOUS, None, asked, candidates=tuple(known[:MAX_ITEMS]))
        client = known[0]
        return Explanation(
            self._verdict_without_edge(client, asked),
            client,
            asked,
            noise=self._noise(client),
            reasons=self._reasons(client, asked),
            is_on_host_network=self._index.is_on_host_network(client),
        )

    def _of_client(self, client: WorkloadRef, asked: str) -> Explanation:
        wanted = _normal(asked)
        edges = sorted(self._graph.edges(client), key=lambda e: target_key(e.target))
        found = [e for e in edges if wanted in _spellings(e, self._domain)]
        dead = [
            d for d in self._graph.dead(client) if wanted in _name_spellings(d.name, client.namespace, self._domain)
        ]
        unnamed = [u for u in self._graph.unnamed(client) if u.address == wanted]
        if found:
            verdict = Verdict.EDGE
        elif dead:
            verdict = Verdict.DEAD
        elif unnamed:
            verdict = Verdict.UNNAMED
        else:
            verdict = self._verdict_without_edge(client, asked)
        return Explanation(
            verdict,
            client,
            asked,
            edges=tuple(self._edge(e) for e in found[:MAX_ITEMS]),
            dead=tuple(dead[:MAX_ITEMS]),
            unnamed=tuple(unnamed[:MAX_ITEMS]),
            noise=self._noise(client),
            reasons=self._reasons(client, asked),
            targets=() if found else _nearest(wanted, (_text(e.target) for e in edges)),
        )

    def _verdict_without_edge(self, client: WorkloadRef, asked: str) -> Verdict:
        if self._reasons(client, asked):
            return Verdict.NOISE
        if _normal(asked) in _workload_spellings(client, client.namespace):
            return Verdict.ITSELF
        return Verdict.NOT_SEEN if self._graph.namesakes(client.namespace, client.name) else Verdict.CLIENT_QUIET

    def _reasons(self, client: WorkloadRef, asked: str) -> tuple[str, ...]:
        wanted, home = _normal(asked), client.namespace
        return tuple(
            noise.reason
            for noise in self._noise(client)
            if any(wanted in _name_spellings(name, home, self._domain) for name in noise.names)
        )

    def _edge(self, edge: Edge) -> EdgeView:
        edge = self._facts.complete(edge)
        rule = rule_of(edge.evidence)
        sightings = sorted(
            ((d, s) for d, s in self._graph.sightings(edge.client).items() if s.target == edge.target),
            key=lambda item: destination_name(item[0], self._domain),
        )
        return EdgeView(
            target=view_of(edge.target),
            evidence=edge.evidence,
            confidence=rule.percent if rule else 0,
            because=rule.says if rule else "",
            count=edge.count,
            first_ms=edge.first_ms,
            last_ms=edge.last_ms,
            names=tuple(self._name(edge.client, d, s) for d, s in sightings[:MAX_ITEMS]),
            cut=max(0, len(sightings) - MAX_ITEMS),
            owners=self._owners(edge),
            service_ports=edge.service_ports,
        )

    def _name(self, client: WorkloadRef, destination: Destination, sighting: Sighting) -> NameView:
        trail = sighting.trail
        others = self._sharing(client, destination, sighting)
        return NameView(
            name=destination_name(destination, self._domain),
            is_answered=sighting.is_answered,
            lookups=_seen(sighting.lookups),
            connections=_seen(sighting.connections),
            ports=tuple(sorted({port for port, _ in sighting.ports})),
            pods=trail.pods if trail else (),
            resolvers=trail.resolvers if trail else (),
            answers=trail.answers if trail else (),
            sources=trail.sources if trail else (),
            shared_with=tuple(others[:MAX_ITEMS]),
        )

    def _sharing(self, client: WorkloadRef, destination: Destination, sighting: Sighting) -> list[str]:
        """Return the client's other names with an address of this one's: by its connections, and by the answers."""
        mine = set(sighting.trail.answers if sighting.trail and sighting.lookups else ())
        found = set(self._graph.sharing(client, destination) if sighting.connections else ())
        for other, seen in self._graph.sightings(client).items():
            if seen.trail and seen.lookups and not mine.isdisjoint(seen.trail.answers):
                found.add(other)
        return sorted(name for d in found - {destination} if (name := destination_name(d, self._domain)))

    def _owners(self, edge: Edge) -> tuple[OwnerView, ...]:
        if not isinstance(edge.target, ServiceTarget):
            return ()
        pods = self._index.pods_behind(ServiceRef(edge.target.namespace, edge.target.name))
        counts = Counter(self._index.workload_of(pod)[0] for pod in pods)
        return tuple(
            OwnerView(o.workload, counts[o.workload], o.answers, o.connections, share_of(o, edge.owners))
            for o in edge.owners[:MAX_ITEMS]
        )

    def _noise(self, client: WorkloadRef) -> tuple[NoiseView, ...]:
        folded = [NoiseView(*each) for each in self._graph.noise(client)]
        left_out = [NoiseView(reason.value, e.count, e.names) for reason, e in self._left_out.of(client)]
        return tuple(folded + left_out)


def _seen(seen: Seen | None) -> SeenView | None:
    return SeenView(seen.count, seen.first_ms, seen.last_ms) if seen else None


def _text(target: Target) -> str:
    view = view_of(target)
    return f"{view.namespace}/{view.name}" if view.namespace else view.name


def _normal(asked: str) -> str:
    """Return the text as names are kept: in lower case, without trailing dot, in A-labels (RFC 5890)."""
    text = asked.strip().lower().rstrip(".")
    try:
        return text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        return text


def _spellings(edge: Edge, domain: str) -> set[str]:
    """Return the texts, in lower case, by which a person may mean this edge of its client."""
    home = edge.client.namespace
    found = {spelling for name in edge.names for spelling in _name_spellings(name, home, domain)}
    match edge.target:
        case WorkloadTarget(workload):
            found |= _workload_spellings(workload, home)
        case ServiceTarget(namespace, name):
            found |= {f"{namespace}/{name}", f"{namespace}/service/{name}"}
            found |= {name} if namespace == home else set()
        case InternetTarget(name):
            found.add(name)
    return found


def _workload_spellings(workload: WorkloadRef, home: str) -> set[str]:
    namespace, kind, name = workload.namespace, workload.kind.lower(), workload.name.lower()
    found = {f"{namespace}/{name}", f"{namespace}/{kind}/{name}"}
    return found | {name, f"{kind}/{name}"} if namespace == home else found


def _name_spellings(name: str, home: str, domain: str) -> set[str]:
    """Return the name and what is left of it without the suffixes that the cluster's search list adds."""
    suffixes = (f".{domain}", f".svc.{domain}", f".{home}.svc.{domain}")
    return {name, *(name.removesuffix(suffix) for suffix in suffixes)}


def _nearest(wanted: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Return the texts that hold a part of what was asked for, or, where none does, all; bounded."""
    everything = sorted(set(texts))
    part = wanted.rpartition("/")[2].partition(".")[0]
    return tuple(([text for text in everything if part and part in text] or everything)[:MAX_ITEMS])
