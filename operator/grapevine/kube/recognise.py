"""Well-known programs by the names their manifests give them. Pure.

Names and labels are those of the projects' own manifests and charts; a program that was renamed goes unrecognised, and
the finding then says that nothing was.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from grapevine.kube.cluster_facts import Role

_CNI_DAEMONSETS = {
    "anetd": "GKE Dataplane V2",
    "antrea-agent": "Antrea",
    "aws-node": "AWS VPC CNI",
    "azure-cns": "Azure CNI",
    "calico-node": "Calico",
    "canal": "Canal",
    "cilium": "Cilium",
    "kindnet": "kindnet",
    "kube-flannel": "Flannel",
    "kube-flannel-ds": "Flannel",
    "kube-router": "kube-router",
    "ovnkube-node": "OVN-Kubernetes",
    "rke2-canal": "Canal",
    "weave-net": "Weave Net",
}
_DNS_CACHES = frozenset({"node-local-dns", "nodelocaldns"})
_DNS_LABELS = frozenset({"kube-dns", "coredns"})
_NODE_ANNOTATIONS = {
    "flannel.alpha.coreos.com/backend-type": "Flannel",
    "k8s.ovn.org/node-subnets": "OVN-Kubernetes",
    "network.cilium.io/ipv4-cilium-host": "Cilium",
    "projectcalico.org/IPv4Address": "Calico",
    "projectcalico.org/IPv6Address": "Calico",
}
_SERVERLESS_LABELS = (("eks.amazonaws.com/compute-type", "fargate"), ("type", "virtual-kubelet"))


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a Deployment or DaemonSet is by its metadata."""

    role: Role
    product: str
    """Empty for a DNS server, which its image tells."""


_OTTERIZE = {
    "intents-operator": Recognised(Role.OTTERIZE_OPERATOR, "Otterize's intents operator"),
    "intents-operator-webhook-server": Recognised(Role.OTTERIZE_OPERATOR, "Otterize's webhook server"),
    "otterize-network-mapper": Recognised(Role.OTTERIZE_MAPPER, "Otterize's network mapper"),
    "otterize-network-sniffer": Recognised(Role.OTTERIZE_MAPPER, "Otterize's sniffer"),
}
"""By label `app`, which is the name too but for one."""
_OTTERIZE_NAMES = {"intents-operator-controller-manager": "intents-operator"}


def try_recognise(kind: str, namespace: str, name: str, labels: Mapping[str, str]) -> Recognised | None:
    """Return what a `Deployment` or `DaemonSet` is, or None for any other program."""
    app, k8s_app = labels.get("app", ""), labels.get("k8s-app", "")
    if kind == "DaemonSet" and name in _CNI_DAEMONSETS:
        return Recognised(Role.CNI, _CNI_DAEMONSETS[name])
    if otterize := _OTTERIZE.get(app) or _OTTERIZE.get(_OTTERIZE_NAMES.get(name, name)):
        return otterize
    if labels.get("app.kubernetes.io/part-of") == "grapevine" or name == "grapevine-operator":
        return Recognised(Role.GRAPEVINE, "Grapevine")
    if kind == "DaemonSet" and (name in _DNS_CACHES or k8s_app in _DNS_CACHES):
        return Recognised(Role.DNS_CACHE, "NodeLocal DNSCache")
    if (namespace, name) == ("openshift-dns", "dns-default"):
        return Recognised(Role.DNS, "OpenShift's CoreDNS")
    if namespace == "kube-system" and (k8s_app in _DNS_LABELS or name in _DNS_LABELS):
        return Recognised(Role.DNS, "")
    return None


def dns_product(images: tuple[str, ...]) -> str:
    """Return whose a DNS server's images are."""
    names = [image.partition("@")[0].rpartition("/")[2].partition(":")[0] for image in images]
    if any("coredns" in name for name in names):
        return "CoreDNS"
    return "kube-dns" if any("dns" in name for name in names) else "a DNS server"


def cni_of_node(annotations: Mapping[str, str]) -> str:
    """Return the CNI whose annotation a node carries; empty for none that is known."""
    return next((cni for key, cni in _NODE_ANNOTATIONS.items() if key in annotations), "")


def is_serverless(labels: Mapping[str, str]) -> bool:
    """Tell whether a node runs no DaemonSet."""
    return any(labels.get(key) == value for key, value in _SERVERLESS_LABELS)
