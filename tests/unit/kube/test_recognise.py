"""Which programs are recognised, by the names and labels of their projects' own manifests."""

import pytest

from grapevine.kube.cluster_facts import Component, Role
from grapevine.kube.recognise import Recognised, cni_of_node, dns_product, is_serverless, try_recognise
from grapevine.model.identity import ObjectName


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "labels", "role", "product"),
    [
        ("DaemonSet", "kube-system", "cilium", {"k8s-app": "cilium"}, Role.CNI, "Cilium"),
        ("DaemonSet", "kube-system", "anetd", {}, Role.CNI, "GKE Dataplane V2"),
        ("DaemonSet", "calico-system", "calico-node", {}, Role.CNI, "Calico"),
        ("DaemonSet", "kube-flannel", "kube-flannel-ds", {"app": "flannel"}, Role.CNI, "Flannel"),
        ("DaemonSet", "kube-system", "aws-node", {"k8s-app": "aws-node"}, Role.CNI, "AWS VPC CNI"),
        ("DaemonSet", "openshift-ovn-kubernetes", "ovnkube-node", {}, Role.CNI, "OVN-Kubernetes"),
        ("Deployment", "kube-system", "coredns", {"k8s-app": "kube-dns"}, Role.DNS, ""),
        ("Deployment", "kube-system", "rke2-coredns-rke2-coredns", {"k8s-app": "kube-dns"}, Role.DNS, ""),
        ("DaemonSet", "openshift-dns", "dns-default", {}, Role.DNS, "OpenShift's CoreDNS"),
        ("DaemonSet", "kube-system", "node-local-dns", {}, Role.DNS_CACHE, "NodeLocal DNSCache"),
        ("DaemonSet", "kube-system", "x", {"k8s-app": "nodelocaldns"}, Role.DNS_CACHE, "NodeLocal DNSCache"),
        ("Deployment", "o", "other", {"app": "intents-operator"}, Role.OTTERIZE_OPERATOR,
         "Otterize's intents operator"),
        (
            "Deployment", "o", "intents-operator-controller-manager", {}, Role.OTTERIZE_OPERATOR,
            "Otterize's intents operator",
        ),
        ("Deployment", "o", "intents-operator-webhook-server", {}, Role.OTTERIZE_OPERATOR, "Otterize's webhook server"),
        ("DaemonSet", "o", "otterize-network-sniffer", {}, Role.OTTERIZE_MAPPER, "Otterize's sniffer"),
        ("DaemonSet", "g", "capture", {"app.kubernetes.io/part-of": "grapevine"}, Role.GRAPEVINE, "Grapevine"),
    ],
)  # fmt: skip
def test_well_known_programs(
    kind: str, namespace: str, name: str, labels: dict[str, str], role: Role, product: str
) -> None:
    assert try_recognise(kind, namespace, name, labels) == Recognised(role, product)


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "labels"),
    [
        ("Deployment", "shop", "cilium", {}),
        ("Deployment", "shop", "coredns", {"k8s-app": "kube-dns"}),
        ("Deployment", "kube-system", "coredns-autoscaler", {"k8s-app": "coredns-autoscaler"}),
        ("Deployment", "shop", "web", {"app": "web"}),
    ],
)
def test_other_programs_are_none(kind: str, namespace: str, name: str, labels: dict[str, str]) -> None:
    assert try_recognise(kind, namespace, name, labels) is None


@pytest.mark.parametrize(
    ("images", "product"),
    [
        (("registry.example:5000/coredns/coredns:v1.11.3@sha256:00",), "CoreDNS"),
        (("rancher/mirrored-coredns-coredns:1.12.0",), "CoreDNS"),
        (("gke.example/k8s-dns-kube-dns:1.23", "gke.example/k8s-dns-dnsmasq-nanny:1.23"), "kube-dns"),
        (("shop/names:1",), "a DNS server"),
    ],
)
def test_a_dns_server_is_told_by_its_image(images: tuple[str, ...], product: str) -> None:
    assert dns_product(images) == product


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("coredns/coredns:v1.14.7", "1.14.7"),
        ("registry.example:5000/coredns:1.11.3-eksbuild.2@sha256:00ff", "1.11.3"),
        ("registry.example:5000/coredns", ""),
        ("coredns:latest", ""),
        ("coredns@sha256:1.2", ""),
    ],
)
def test_a_version_is_the_tags(image: str, version: str) -> None:
    assert Component(Role.DNS, "CoreDNS", "Deployment", ObjectName("n", "c"), ("no-tag", image)).version == version


def test_what_is_told_by_nodes() -> None:
    assert cni_of_node({"flannel.alpha.coreos.com/backend-type": "vxlan"}) == "Flannel"
    assert cni_of_node({"node.alpha.kubernetes.io/ttl": "0"}) == ""
    assert is_serverless({"eks.amazonaws.com/compute-type": "fargate"})
    assert is_serverless({"type": "virtual-kubelet"})
    assert not is_serverless({"eks.amazonaws.com/compute-type": "ec2"})
