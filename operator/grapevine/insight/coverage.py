"""What becomes of what is heard: whose it is, whose word counts, what may be read and written. Pure."""

import json
from collections import Counter
from collections.abc import Mapping

from grapevine.insight.blind_spots import Whose
from grapevine.insight.facts import FEW, Facts, Lead, some
from grapevine.model.finding import Finding, Level
from grapevine.model.rbac import Refusal

_EDGE = "edge"
_PATCH = "kubectl patch clusterrole grapevine-operator --type=json"


def no_leader(facts: Facts) -> Finding:
    """Judge whether some replica leads."""
    code = "NoLeader"
    if facts.lead is Lead.NOBODYS:
        return Finding(
            code,
            Level.BLOCKER,
            "no replica leads",
            "the map stands still; capture keeps what it hears, as long as it has room",
            "kubectl -n grapevine-system get lease grapevine-operator -o yaml; the operator's log says what it lacks",
        )
    whose = "this replica" if facts.lead is Lead.OURS else "another replica"
    return Finding(code, Level.OK, f"{whose} leads")


def objects_unread(facts: Facts) -> Finding:
    """Judge which kinds the informers cannot follow, and whether a right is why."""
    code = "ObjectsUnread"
    if not facts.refused:
        return Finding(code, Level.OK, "every kind is followed")
    texts = [f"{kind}: {refusal.reason}" for kind, refusal in sorted(facts.refused.items())]
    patch = _patch(facts.refused)
    return Finding(
        code,
        Level.BLOCKER,
        some(texts),
        "what happened to these objects since is not known; after five minutes the map is decided with what was",
        f"kubectl apply -k deploy/, or: {patch}"
        if patch
        else "the API server is away, or refuses: its own log says more; the operator asks again by itself",
    )


def owners_unread(facts: Facts) -> Finding:
    """Judge which owners of pods could not be read, so that they stand for what may be above them."""
    code = "OwnersUnread"
    counts = Counter(facts.unread_owners).most_common()
    named = some([f"{count:,} by a {kind}" for kind, count in counts])
    if facts.refused_owners:
        texts = [f"{kind}: {refusal.reason}" for kind, refusal in sorted(facts.refused_owners.items())]
        return Finding(
            code,
            Level.WARNING,
            some(texts) + (f"; workloads are named {named}" if named else ""),
            "these owners were asked for and cannot be followed: what they own is named by the reference to them",
            _patch(facts.refused_owners) or "mend GRAPEVINE_OWNER_KINDS, or install the CRD; it is looked for again",
        )
    if not counts:
        return Finding(code, Level.OK, "the owners of all pods were read")
    return Finding(
        code,
        Level.NOTE,
        f"workloads are named {named}, which was not read",
        "right where that kind is the top; where something owns it, each of its objects is a workload of its own",
        "to have it followed: GRAPEVINE_OWNER_KINDS=GROUP/VERSION/KIND,… (docs/guide/owners.md)",
    )


def _patch(refused: Mapping[str, Refusal]) -> str:
    """Return the command that grants what is missing; empty where no right is."""
    rules = sorted({refusal.rule for refusal in refused.values() if refusal.rule})
    patch = [
        {
            "op": "add",
            "path": "/rules/-",
            "value": {"apiGroups": [rule.group], "resources": [rule.resource], "verbs": list(rule.verbs)},
        }
        for rule in rules
    ]
    return f"{_PATCH} -p '{json.dumps(patch)}'" if patch else ""


def writes_refused(facts: Facts) -> Finding:
    """Judge whether what is known can be written."""
    code = "WritesRefused"
    clients, reason = facts.refused_writes
    if not clients:
        return Finding(code, Level.OK, "every object could be written")
    return Finding(
        code,
        Level.WARNING,
        f"the objects of {clients:,} workloads cannot be written; the last: {reason}",
        "the map knows their edges and the cluster does not; they are tried again every minute",
        "grant the rule, mend the quota or the admission webhook that the text names",
    )


def status_not_kept(facts: Facts) -> Finding:
    """Judge whether the CRD that is served keeps all that is written."""
    code, kept = "StatusNotKept", facts.kept
    if facts.schema_unread:
        means = (
            "it is taken for Grapevine's own, or for what it was; a field it has not would be refused, object by object"
        )
        return Finding(code, Level.UNKNOWN, f"the CRD's schema cannot be read: {facts.schema_unread}", means)
    if not kept.lacking:
        return Finding(code, Level.OK, "the CRD keeps all of a status")
    if kept.is_ours:
        return Finding(
            code,
            Level.WARNING,
            f"the CRD is older than this operator: it keeps no status field {some(kept.lacking)}",
            "all else is written; what those hold is not shown, and is forgotten when the operator restarts",
            "kubectl apply --server-side --force-conflicts -f crds/clientintents.yaml (Helm does not upgrade a CRD)",
        )
    return Finding(
        code,
        Level.WARNING,
        "the CRD is not Grapevine's (Otterize's, most likely): it has no place for what was observed",
        "objects are discovered with their spec alone: no status, conditions, evidence or age; a restart keeps the "
        "targets and forgets the rest. What reads these objects may enforce them, as Otterize's operator does",
        "grapevine migrate --from-otterize; or, beside an operator that enforces, GRAPEVINE_WRITE_POLICY=observe",
    )


def clients_unmapped(facts: Facts) -> Finding:
    """Judge how many of the client addresses are a pod's."""
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


def host_network(facts: Facts) -> Finding:
    """Judge how much is asked from the nodes' own network."""
    code = "HostNetwork"
    total = sum(facts.lookups.values())
    hosts = sum(n for (_, whose), n in facts.lookups.items() if whose == Whose.NODE)
    share = f"{100 * hosts // total} % of {total:,} look-ups" if total else "no look-ups"
    found = f"{share}; {facts.host_pods} of {facts.pods + facts.host_pods} pods are on the host network"
    if total >= FEW and hosts * 2 > total:
        means = "pods on the host network share the address of their node: their look-ups are counted, and are no edges"
        return Finding(
            code, Level.WARNING, found, means, "give these pods a network of their own where they can do with it"
        )
    return Finding(code, Level.OK, found)


def resolver_unknown(facts: Facts) -> Finding:
    """Judge whether it is known whose answers count."""
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
    if facts.untrusted > max(FEW, total // 10):
        return Finding(
            code,
            Level.WARNING,
            f"{facts.untrusted:,} look-ups were answered, or told of, by servers that are not the cluster's DNS",
            "they are left out: either somebody forges answers, or pods have a resolver of their own",
            "if it is a resolver of yours: --dns-servers",
        )
    return Finding(code, Level.OK, "the cluster's DNS is known")


def cluster_domain(facts: Facts) -> Finding:
    """Judge whether the cluster's names are under the domain they are taken to be under."""
    code = "ClusterDomain"
    others = sorted(zone for zone in facts.zones if zone)
    if others and not facts.zones.get(""):
        return Finding(
            code,
            Level.WARNING,
            f"Services are asked for under {some(others)}, and none under {facts.domain}",
            "Services are known by their addresses alone: headless ones, pods' names and search lists are not seen "
            "through, and show as domains and dead dependencies",
            f"--cluster-domain {others[0]}",
        )
    also = f", and also {some(others)}" if others else ""
    return Finding(code, Level.OK, f"the cluster's domain is {facts.domain}{also}")


def unaccounted(facts: Facts) -> Finding:
    """Judge whether every look-up and connection taken in is an edge's, or counted by exactly one reason."""
    code = "Unaccounted"
    missing = {name: account.missing for name, account in facts.accounts.items() if account.missing}
    parts: list[str] = []
    for name, account in facts.accounts.items():
        total = account.taken_in + account.restored
        shares = sorted(account.booked.items(), key=lambda item: (item[0] != _EDGE, -item[1], item[0]))
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in shares)
        parts.append(f"{total:,} {name}" + (f": {reasons}" if reasons else ""))
    found = "; ".join(parts) or "nothing was taken in"
    if not missing:
        return Finding(code, Level.OK, found)
    return Finding(
        code,
        Level.WARNING,
        f"{found}; booked nowhere, or twice: {some([f'{name} {count:,}' for name, count in missing.items()])}",
        "a defect of Grapevine's: something that was heard is in no edge and under no reason",
        "please report it with the output of: grapevine doctor -o json",
    )
