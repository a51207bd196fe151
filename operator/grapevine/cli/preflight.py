"""Facts about a cluster → what they mean for the first apply, and what to do. Pure.

A finding is a blocker only where applying `deploy/` would fail, or would do harm, as things are. What could not be
looked at is a finding too: no news is not good news. docs/reference/doctor.md lists the checks.
"""

import re
from collections.abc import Iterator

from grapevine.kube.cluster_facts import (
    APPLIED,
    APPLY_VERBS,
    CAPTURE_NAMESPACE,
    EVERYTHING,
    GRANTS,
    ClusterFacts,
    Component,
    Crd,
    IntentsCount,
    Nodes,
    Role,
    Unread,
)
from grapevine.model.finding import Finding, Level

TESTED_SINCE = (1, 32)
CRD_SINCE = (1, 31)
"""First version that takes the CRD: its rules call `isCIDR`."""
VERSIONS = ("v2beta1", "v2alpha1")
"""What Grapevine's CRD serves."""
STORAGE = "v2alpha1"
CRD_NAME = "clientintents.k8s.otterize.com"

_POLICY_ENGINES = {"kyverno.io": "Kyverno", "templates.gatekeeper.sh": "Gatekeeper", "kubewarden.io": "Kubewarden"}
_OPENSHIFT = "security.openshift.io"
_REWRITE = f"kubectl get clientintents.{STORAGE}.k8s.otterize.com -A -o json | kubectl replace -f -"
_FORGET = (
    f"kubectl patch crd {CRD_NAME} --subresource=status --type=merge "
    f"""-p '{{"status":{{"storedVersions":["{STORAGE}"]}}}}'"""
)
_EXPORT = "kubectl get clientintents.v2beta1.k8s.otterize.com -A -o yaml > clientintents.yaml"
_EBPF_CNIS = frozenset({"Cilium", "GKE Dataplane V2"})


def judge(facts: ClusterFacts) -> list[Finding]:
    """Return every finding; blockers in the order to end them in."""
    installed = (_crd, _otterize, _conversion, _admission, _intents, _grapevine)  # rewrite, stop, replace
    checks = (_version, *installed, _network, _nodes, _dns, _platform, _rights)
    return [finding for check in checks for finding in check(facts)]


def command(facts: ClusterFacts) -> str:
    """Return what to apply here once no blocker is left."""
    if isinstance(facts.groups, frozenset) and _OPENSHIFT in facts.groups:
        return "kubectl apply -k deploy/overlays/openshift"
    nodes = facts.nodes
    if isinstance(nodes, Nodes) and nodes.total and nodes.total == nodes.serverless:
        return "kubectl apply -k deploy/overlays/restricted"
    if _may_not_touch_crd(facts) and _is_ours(facts.crd):
        return "kubectl apply -k deploy/overlays/without-crd"
    return "kubectl apply -k deploy/"


def _unread(check: str, look: Unread) -> Finding:
    return Finding(check, Level.UNKNOWN, f"could not look at {look.what}", look.why, "look again, as somebody who may")


def _version(facts: ClusterFacts) -> Iterator[Finding]:
    check, version = "Kubernetes", facts.version
    if isinstance(version, Unread):
        yield _unread(check, version)
        return
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    if numbers is None:
        yield Finding(check, Level.UNKNOWN, f"version {version!r}", "it is no version that can be compared")
        return
    number = (int(numbers[1]), int(numbers[2]))
    if number >= TESTED_SINCE:
        yield Finding(check, Level.OK, version)
    elif number >= CRD_SINCE:
        means = "not tried; the CRD's rules and tokens without a node's name are provided for"
        yield Finding(check, Level.WARNING, version, means, "go to 1.32 or newer when you can")
    else:
        means = "the API server refuses the CRD: its rules call isCIDR, which came with 1.31"
        remedy = "go to 1.32 or newer; `grapevine run` maps from a capture and a snapshot with any version"
        yield Finding(check, Level.BLOCKER, version, means, remedy)


def _crd(facts: ClusterFacts) -> Iterator[Finding]:
    check, crd = "CRD", facts.crd
    if isinstance(crd, Unread):
        yield _unread(check, crd)
        return
    if crd is None:
        yield Finding(check, Level.OK, "no ClientIntents are installed")
        return
    found = f"{_whose(crd)}, serves {', '.join(crd.served) or 'nothing'}, stored {', '.join(crd.stored) or 'nothing'}"
    kept = [version for version in crd.stored if version not in VERSIONS]
    if kept:
        means = f"the API server refuses a CRD without {', '.join(kept)} as long as objects may be stored so"
        yield Finding(check, Level.BLOCKER, found, means, _rewriting(crd, facts.intents))
    elif dropped := [version for version in crd.served if version not in VERSIONS]:
        means = f"{', '.join(dropped)} are no longer served afterwards: whoever still writes them is refused"
        yield Finding(check, Level.WARNING, found, means, f"bring your manifests to v2beta1 first: {_EXPORT}")
    elif _is_ours(crd):
        yield Finding(check, Level.OK, found, "applying it again keeps every object")
    else:
        yield Finding(check, Level.NOTE, found, "it is replaced: every object stays", f"a copy first: {_EXPORT}")


def _rewriting(crd: Crd, intents: IntentsCount | Unread | None) -> str:
    """Return how objects in versions that go become objects in one that stays."""
    if crd.storage not in VERSIONS:
        return f"upgrade Otterize's operator until its CRD stores {STORAGE} (2025-03 and later), then look again"
    if isinstance(intents, IntentsCount) and not (intents.discovered or intents.declared):
        return f"no object is there: {_FORGET}"
    return f"while the conversion webhook still answers: {_REWRITE} && {_FORGET}"


def _conversion(facts: ClusterFacts) -> Iterator[Finding]:
    """Say what a conversion webhook is in the way of: Grapevine's CRD has none, and `kubectl apply` merges the two."""
    crd = facts.crd
    if not isinstance(crd, Crd) or crd.conversion is None:
        return
    webhook = crd.conversion
    found = f"webhook {webhook.service or 'at an URL'}"
    means = "`kubectl apply` keeps it beside `strategy: None`, and the API server refuses the two together"
    remedy = "kubectl replace -k deploy/crds"
    if not set(crd.stored) <= set(VERSIONS):
        remedy = f"once its objects are rewritten (see CRD): {remedy}"
    if webhook.is_there is False:
        found += ", whose Service is not there"
        means = "objects that are stored in another version than asked for cannot be read; " + means
        if not set(crd.stored) <= set(VERSIONS):
            remedy = f"start Otterize's webhook server again; {remedy}"
    yield Finding("conversion", Level.BLOCKER, found, means, remedy)


_SERVICE_REMEDY = "look again as somebody who may read Services"


def _admission(facts: ClusterFacts) -> Iterator[Finding]:
    check = "admission"
    if isinstance(facts.admission, Unread):
        yield _unread(check, facts.admission)
        return
    for webhook in facts.admission:
        found = f"{webhook.configuration} asks {webhook.service or 'an URL'} about every ClientIntents"
        if webhook.is_there is False and webhook.fails_closed:
            means = "the Service is not there, so every write is refused"
            remedy = f"kubectl delete validatingwebhookconfiguration {webhook.configuration}"
            yield Finding(check, Level.BLOCKER, found, means, remedy)
        elif webhook.is_there is None and webhook.service is not None:
            yield Finding(check, Level.UNKNOWN, f"{found}; could not look whether it is there", remedy=_SERVICE_REMEDY)
        else:
            yield Finding(check, Level.NOTE, found, "it can refuse what Grapevine writes; its rules are not known here")


def _intents(facts: ClusterFacts) -> Iterator[Finding]:
    check, count = "ClientIntents", facts.intents
    if isinstance(count, Unread):
        yield _unread(check, count)
    if not isinstance(count, IntentsCount):
        return
    total = count.discovered + count.declared
    if not total:
        yield Finding(check, Level.OK, "none yet")
        return
    versions = ", ".join(f"{version} {number:,}" for version, number in count.by_version.items())
    at_least = "" if count.is_all else "at least "
    found = (
        f"{at_least}{total:,}: discovered {count.discovered:,}, by others {count.declared:,}; "
        f"last written as {versions}"
    )
    means = "no object of others is ever changed but for its status" if count.declared else ""
    yield Finding(check, Level.NOTE, found, means)
    if count.finalized:
        means = "without Otterize's operator nobody takes them off, and deleting such an object hangs"
        remedy = "once it is gone: kubectl patch clientintents -n NAMESPACE NAME --type=merge "
        remedy += """-p '{"metadata":{"finalizers":null}}'"""
        yield Finding(check, Level.NOTE, f"{count.finalized:,} carry Otterize's finalizers", means, remedy)


def _otterize(facts: ClusterFacts) -> Iterator[Finding]:
    check = "Otterize"
    if isinstance(facts.components, Unread):
        yield _unread(check, facts.components)
        return
    for each in facts.components:
        if each.role is Role.OTTERIZE_OPERATOR and each.runs:
            means = (
                "it enforces ClientIntents, those that Grapevine discovers too, and writes its own CRD back whenever "
                "it starts: Grapevine's status would be lost"
            )
            stop = f"kubectl scale -n {each.name.namespace} {each.kind.lower()} {each.name.name} --replicas=0"
            yield Finding(check, Level.BLOCKER, _describe(each), means, f"run one of the two: {stop}")
        elif each.role is Role.OTTERIZE_OPERATOR:
            means = "at rest; should it start again, it writes its own CRD back"
            yield Finding(check, Level.NOTE, _describe(each), means, "uninstall it before it does")
        elif each.role is Role.OTTERIZE_MAPPER and each.runs:
            means = "does no harm: of ClientIntents it writes status.resolvedIPs alone. The node is listened to twice"
            yield Finding(check, Level.NOTE, _describe(each), means)


def _grapevine(facts: ClusterFacts) -> Iterator[Finding]:
    if not isinstance(facts.components, Unread):
        for each in facts.components:
            if each.role is Role.GRAPEVINE:
                yield Finding("Grapevine", Level.NOTE, f"{_describe(each)} is installed", "applying upgrades it")


def _network(facts: ClusterFacts) -> Iterator[Finding]:
    check = "network"
    if isinstance(facts.components, Unread):
        yield Finding(check, Level.UNKNOWN, f"could not look at {facts.components.what}", "as above")
        return
    installed = [each.product for each in facts.components if each.role is Role.CNI and each.runs]
    hinted = facts.nodes.cnis if isinstance(facts.nodes, Nodes) else ()
    products = sorted({*installed, *hinted})
    if not products:
        means = (
            "capture listens on every interface of a node; whether pods' answers pass one is not known of this network"
        )
        yield Finding(check, Level.NOTE, "no CNI was recognised", means, _SEE_FOR_YOURSELF)
    elif _EBPF_CNIS & {*products}:
        means = "its eBPF programs may hand answers to a pod past the interfaces capture listens on; this was not tried"
        yield Finding(check, Level.WARNING, ", ".join(products), means, _SEE_FOR_YOURSELF)
    else:
        means = "every pod has an interface on its node, and capture listens on all of them"
        yield Finding(check, Level.OK, ", ".join(products), means)


_SEE_FOR_YOURSELF = "`kubectl get clientintents -A` tells a minute after pods asked; else have CoreDNS tell (dnstap)"


def _nodes(facts: ClusterFacts) -> Iterator[Finding]:
    check, nodes = "nodes", facts.nodes
    if isinstance(nodes, Unread):
        yield _unread(check, nodes)
        return
    yield Finding(
        check, Level.OK if nodes.total else Level.NOTE, f"{'' if nodes.is_all else 'at least '}{nodes.total:,}"
    )
    if nodes.windows:
        yield Finding(check, Level.WARNING, f"{nodes.windows:,} run Windows", "capture is for Linux", _DNSTAP_REMEDY)
    if nodes.serverless:
        found = f"{nodes.serverless:,} are virtual (Fargate or virtual kubelet)"
        yield Finding(check, Level.WARNING, found, "no DaemonSet runs there", _DNSTAP_REMEDY)
    if nodes.autopilot:
        means = "it refuses NET_RAW to pods that are not on its list, and its DNS speaks no dnstap"
        yield Finding(check, Level.WARNING, f"{nodes.autopilot:,} are GKE Autopilot's", means, "map from files instead")


_DNSTAP_REMEDY = "hear their pods from CoreDNS: deploy/components/dnstap, then grapevine dns enable --dry-run"


def _dns(facts: ClusterFacts) -> Iterator[Finding]:
    check = "DNS"
    if isinstance(facts.components, Unread):
        yield Finding(check, Level.UNKNOWN, f"could not look at {facts.components.what}", "as above")
        return
    servers = [each for each in facts.components if each.role is Role.DNS and each.runs]
    if not servers:
        means = "capture on the nodes hears any server on port 53; only CoreDNS can tell by itself (dnstap)"
        yield Finding(check, Level.NOTE, "no DNS server was recognised in kube-system", means)
    for each in servers:
        found = _describe(each)
        if each.product != "CoreDNS":
            means = "it speaks no dnstap, or its configuration is not yours: the restricted overlay would hear nothing"
            yield Finding(check, Level.NOTE, found, means, "capture on the nodes hears it")
        elif each.host_network:
            means = "what it would tell by dnstap comes from a node's address, which is not believed"
            yield Finding(check, Level.WARNING, f"{found} on the host network", means, "capture on the nodes hears it")
        else:
            yield Finding(check, Level.OK, found)
    for each in facts.components:
        if each.role is Role.DNS_CACHE and each.runs:
            means = "CoreDNS sees the cache and not the pods: with dnstap next to nothing is learned"
            yield Finding(check, Level.NOTE, _describe(each), means, "capture on the nodes hears the pods' side")


def _platform(facts: ClusterFacts) -> Iterator[Finding]:
    check = "policy"
    if isinstance(facts.groups, Unread):
        yield _unread(check, facts.groups)
    else:
        if _OPENSHIFT in facts.groups:
            means = "pods need a SecurityContextConstraint for the host network and NET_RAW"
            yield Finding(check, Level.NOTE, "OpenShift", means, "kubectl apply -k deploy/overlays/openshift")
        for group, engine in _POLICY_ENGINES.items():
            if group in facts.groups:
                means = "its policies may refuse the host network or NET_RAW; they are not read here"
                remedy = f"exempt namespace {CAPTURE_NAMESPACE}, or apply deploy/overlays/restricted"
                yield Finding(check, Level.NOTE, engine, means, remedy)
    if isinstance(facts.pod_security, Unread):
        yield _unread(check, facts.pod_security)
        return
    level = facts.pod_security.get(CAPTURE_NAMESPACE)
    if level not in (None, "", "privileged"):
        means = "applying makes that `privileged`, for the host network; no pod in it is"
        yield Finding(check, Level.NOTE, f"namespace {CAPTURE_NAMESPACE} enforces {level}", means)


def _rights(facts: ClusterFacts) -> Iterator[Finding]:
    check, rights = "your rights", facts.rights
    if isinstance(rights, Unread):
        yield _unread(check, rights)
        return
    denied = [right for right, allowed in rights.items() if not allowed]
    lacking = [right for right in denied if right.verb in APPLY_VERBS]
    if lacking:
        only_crd = _may_not_touch_crd(facts) and all(right.resource == "customresourcedefinitions" for right in lacking)
        found = f"you may not {lacking[0]}" + (f", nor {len(lacking) - 1} more things" if len(lacking) > 1 else "")
        if only_crd and _is_ours(facts.crd):
            means = "the CRD is there already"
            yield Finding(check, Level.NOTE, found, means, "kubectl apply -k deploy/overlays/without-crd")
        elif only_crd:
            remedy = "have an administrator run `kubectl apply -k deploy/crds`, then apply deploy/overlays/without-crd"
            yield Finding(check, Level.BLOCKER, found, "the rest is yours to apply", remedy)
        else:
            means = f"{len(lacking)} of the {len(APPLIED) * len(APPLY_VERBS)} rights that applying needs are missing"
            yield Finding(check, Level.BLOCKER, found, means, "have a cluster administrator apply it")
    elif not rights.get(EVERYTHING) and not all(rights.get(right) for right in GRANTS):
        means = "nobody can grant what they do not hold: the API server may refuse the ClusterRoles"
        found = "you may apply everything, but are no cluster administrator"
        yield Finding(check, Level.WARNING, found, means, "kubectl apply -k deploy/ --dry-run=server tells")
    else:
        yield Finding(check, Level.OK, "you may apply everything in deploy/")


def _may_not_touch_crd(facts: ClusterFacts) -> bool:
    rights = {} if isinstance(facts.rights, Unread) else facts.rights
    return any(right.resource == "customresourcedefinitions" and not allowed for right, allowed in rights.items())


def _is_ours(crd: Crd | Unread | None) -> bool:
    """Tell whether the CRD is Grapevine's as it was applied: Otterize's webhook server leaves the label alone."""
    return isinstance(crd, Crd) and crd.part_of == "grapevine" and crd.conversion is None


def _whose(crd: Crd) -> str:
    if _is_ours(crd):
        return "Grapevine's"
    if crd.part_of == "grapevine":
        return "Grapevine's, overwritten by Otterize's"
    service = crd.conversion.service if crd.conversion else None
    is_otterizes = crd.part_of == "otterize" or (service is not None and service.name.startswith("intents-operator"))
    return "Otterize's" if is_otterizes else "somebody else's"


def _describe(each: Component) -> str:
    product = f"{each.product} {each.version}".rstrip()
    rest = " (0 replicas)" if each.replicas == 0 else ""
    return f"{product}, {each.kind} {each.name}{rest}"
