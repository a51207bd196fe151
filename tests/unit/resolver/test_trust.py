"""Whose word is taken for what a client asked: anybody can send dnstap, and answer what he is asked."""

from dataclasses import replace

import pytest
from tests.support.builders import (
    DOMAIN,
    T0,
    a_deployment,
    a_pod,
    a_pod_of,
    a_service,
    a_slice,
    an_index,
    an_observation,
)

from grapevine.model.lookup import Lookup
from grapevine.model.target import DomainDestination
from grapevine.resolver.dns_servers import DnsServers
from grapevine.resolver.noise import Reason, Unresolved
from grapevine.resolver.records import Endpoint, NodeRecord, Record, RecordGone
from grapevine.resolver.resolve import Resolver

COREDNS = "10.0.0.53"
FORGER = "10.0.0.66"
NODE = "10.88.0.1"
CLUSTER: tuple[Record | RecordGone, ...] = (
    a_pod("web"),
    a_pod("forger", ips=(FORGER,)),
    a_service("cart"),
    a_slice("cart", "forger"),
    NodeRecord("n1", (NODE,)),
    *a_deployment("coredns", namespace="kube-system"),
    a_service("kube-dns", namespace="kube-system", ports=(53, 9153)),
    a_pod_of("coredns", 1, COREDNS, namespace="kube-system"),
    a_slice("kube-dns", "coredns-1-1", namespace="kube-system"),
)


def resolve(resolver_ip: str, *more: Record | RecordGone, source: str = "dnstap") -> Lookup | Unresolved:
    observation = replace(an_observation("cart.shop.svc.cluster.local"), resolver_ip=resolver_ip, source=source)
    return Resolver(an_index(*CLUSTER, *more), cluster_domain=DOMAIN).resolve(observation)


def test_dnstap_from_an_endpoint_of_kube_dns_is_believed() -> None:
    assert isinstance(resolve(COREDNS), Lookup)


@pytest.mark.parametrize(
    "resolver_ip",
    [FORGER, NODE, "10.96.0.10", "192.0.2.66", "0.0.0.0", "not an address"],
    ids=["pod behind another Service", "masqueraded", "ClusterIP", "stranger", "unix socket", "garbage"],
)
def test_dnstap_from_anybody_else_is_refused(resolver_ip: str) -> None:
    found = resolve(resolver_ip)
    assert found == Unresolved(Reason.UNTRUSTED_RESOLVER)


def test_a_forged_question_is_no_noise_but_refused() -> None:
    observation = replace(an_observation("9.0.0.10.in-addr.arpa", qtype="PTR"), resolver_ip=FORGER, source="dnstap")
    found = Resolver(an_index(*CLUSTER), cluster_domain=DOMAIN).resolve(observation)
    assert found == Unresolved(Reason.UNTRUSTED_RESOLVER)


def test_an_endpoint_under_way_is_waited_for() -> None:
    new = a_pod_of("coredns", 2, "10.0.0.54", namespace="kube-system")
    found = resolve("10.0.0.54", new)
    assert isinstance(found, Unresolved)
    assert found.may_resolve_later
    listed = a_slice("kube-dns", "coredns-1-1", "coredns-1-2", namespace="kube-system")
    assert isinstance(resolve("10.0.0.54", new, listed), Lookup)


def test_the_last_words_of_an_endpoint_that_is_gone_are_believed() -> None:
    gone = RecordGone(a_pod_of("coredns", 1, COREDNS, namespace="kube-system"), T0 + 5_000)
    left = a_slice("kube-dns", "coredns-1-2", namespace="kube-system")
    new = a_pod_of("coredns", 2, "10.0.0.54", namespace="kube-system")
    assert isinstance(resolve(COREDNS, gone, new, left), Lookup)


def test_an_address_that_was_once_kube_dns_is_not_for_ever() -> None:
    gone = RecordGone(a_pod_of("coredns", 1, COREDNS, namespace="kube-system"), T0 + 500)
    heir = a_pod("heir", ips=(COREDNS,), start_ms=T0 + 1_000)
    assert resolve(COREDNS, gone, heir) == Unresolved(Reason.UNTRUSTED_RESOLVER)


# --- what is heard on the wire: the cluster's names from its own servers, all others from anybody


CLUSTER_IP = "10.96.0.10"
KUBE_DNS = a_service("kube-dns", namespace="kube-system", ports=(53,), cluster_ips=(CLUSTER_IP, "fd00::a"))


def heard(
    resolver_ip: str,
    *more: Record | RecordGone,
    qname: str = "cart.shop.svc.cluster.local",
    source: str = "packet",
    dns_servers: tuple[str, ...] = (),
    cluster: tuple[Record | RecordGone, ...] = (*CLUSTER, KUBE_DNS),
) -> Lookup | Unresolved:
    observation = replace(an_observation(qname), resolver_ip=resolver_ip, source=source)
    resolver = Resolver(an_index(*cluster, *more), cluster_domain=DOMAIN, dns_servers=dns_servers)
    found = resolver.resolve(observation)
    assert isinstance(found, Lookup | Unresolved)
    return found


@pytest.mark.parametrize(
    "resolver_ip",
    [CLUSTER_IP, "fd00::a", COREDNS, "169.254.20.10", "fe80::1", NODE],
    ids=["ClusterIP", "ClusterIP v6", "endpoint", "NodeLocal", "link-local v6", "resolver of the host"],
)
@pytest.mark.parametrize("source", ["packet", "pcap"])
def test_an_answer_of_the_clusters_dns_is_believed(resolver_ip: str, source: str) -> None:
    assert isinstance(heard(resolver_ip, source=source), Lookup)


@pytest.mark.parametrize("resolver_ip", [FORGER, "192.0.2.53", "0.0.0.0", "not an address"])
@pytest.mark.parametrize("source", ["packet", "pcap"])
@pytest.mark.parametrize("qname", ["cart.shop.svc.cluster.local", "zone.cluster.local", "cluster.local"])
def test_nobody_else_may_answer_for_the_clusters_names(resolver_ip: str, source: str, qname: str) -> None:
    assert heard(resolver_ip, source=source, qname=qname) == Unresolved(Reason.UNTRUSTED_RESOLVER)


@pytest.mark.parametrize("resolver_ip", [FORGER, "192.0.2.53"])
def test_anybody_may_answer_for_the_rest_of_the_world(resolver_ip: str) -> None:
    found = heard(resolver_ip, qname="api.example.com")
    assert isinstance(found, Lookup)
    assert found.destination == DomainDestination("api.example.com")


def test_a_service_on_port_53_of_a_users_namespace_is_not_the_clusters_dns() -> None:
    mine = a_service("kube-dns", ports=(53,), cluster_ips=("10.96.6.6",))
    behind = a_slice("kube-dns", "forger")
    assert heard("10.96.6.6", mine, behind) == Unresolved(Reason.UNTRUSTED_RESOLVER)
    assert heard(FORGER, mine, behind) == Unresolved(Reason.UNTRUSTED_RESOLVER)


def test_another_service_of_kube_system_is_not_the_clusters_dns() -> None:
    metrics = a_service("metrics-server", namespace="kube-system", ports=(443,), cluster_ips=("10.96.6.6",))
    assert heard("10.96.6.6", metrics) == Unresolved(Reason.UNTRUSTED_RESOLVER)


def test_openshifts_dns_is_found_behind_another_port() -> None:
    dns = (
        a_service("dns-default", namespace="openshift-dns", ports=(53,), cluster_ips=("172.30.0.10",)),
        a_pod("dns-default-x", namespace="openshift-dns", ips=("10.0.0.54",)),
        a_slice("dns-default", "dns-default-x", namespace="openshift-dns", ports=(5353,)),
    )
    assert isinstance(heard("172.30.0.10", *dns, cluster=(a_pod("web"), a_service("cart"))), Lookup)
    assert isinstance(heard("10.0.0.54", *dns, cluster=(a_pod("web"), a_service("cart"))), Lookup)
    assert heard(FORGER, *dns, cluster=(a_pod("web"), a_service("cart"))) == Unresolved(Reason.UNTRUSTED_RESOLVER)


def test_dns_on_the_host_network_is_heard_and_may_not_tell() -> None:
    """What it tells comes from the node's address, and so does what any masqueraded pod tells."""
    coredns = a_pod("coredns-host", namespace="kube-system", ips=(NODE,), host_network=True)
    behind = a_slice("kube-dns", "coredns-host", namespace="kube-system", name="hosts")
    assert isinstance(heard(NODE, coredns, behind), Lookup)
    assert heard(NODE, coredns, behind, source="dnstap") == Unresolved(Reason.UNTRUSTED_RESOLVER)
    assert isinstance(heard(NODE, coredns, behind, source="dnstap", dns_servers=(NODE,)), Lookup)


@pytest.mark.parametrize("source", ["packet", "dnstap"])
def test_dns_outside_the_cluster_is_known_by_its_endpoint(source: str) -> None:
    behind = a_slice(
        "kube-dns", Endpoint("", "", ("192.0.2.53",)), namespace="kube-system", name="outside", ports=(53,)
    )
    assert isinstance(heard("192.0.2.53", behind, source=source), Lookup)


@pytest.mark.parametrize("source", ["packet", "dnstap"])
@pytest.mark.parametrize(("network", "is_believed"), [("192.0.2.0/28", True), ("192.0.2.3", True), ("fd00::/8", False)])
def test_networks_of_dns_servers_can_be_set(source: str, network: str, is_believed: bool) -> None:
    assert isinstance(heard("192.0.2.3", source=source, dns_servers=(network,)), Lookup) is is_believed


def test_where_the_clusters_dns_is_not_known_every_server_is_believed() -> None:
    unknown = (a_pod("web"), a_pod("forger", ips=(FORGER,)), a_service("cart"))
    assert isinstance(heard(FORGER, cluster=unknown), Lookup)
    assert isinstance(heard("192.0.2.53", cluster=unknown), Lookup)
    assert heard(FORGER, cluster=unknown, source="dnstap") == Unresolved(Reason.UNTRUSTED_RESOLVER)


def test_a_network_that_is_set_makes_the_clusters_dns_known() -> None:
    unknown = (a_pod("web"), a_pod("forger", ips=(FORGER,)), a_service("cart"))
    found = heard(FORGER, cluster=unknown, dns_servers=("192.0.2.53",))
    assert found == Unresolved(Reason.UNTRUSTED_RESOLVER)


def test_a_service_that_is_gone_is_the_clusters_dns_no_more() -> None:
    other = a_service("dns", namespace="kube-system", ports=(53,), cluster_ips=("10.96.0.11",))
    assert heard(CLUSTER_IP, other, RecordGone(KUBE_DNS, T0)) == Unresolved(Reason.UNTRUSTED_RESOLVER)


def test_a_log_was_read_by_its_sender_and_told_by_nobody_else() -> None:
    assert isinstance(heard("0.0.0.0", source="log"), Lookup)


def test_the_pods_that_are_the_clusters_dns_can_be_named() -> None:
    index = an_index(*CLUSTER, a_service("dns", ports=(53,)), a_slice("dns", "forger"))
    assert [pod.name for pod in DnsServers(index).pods()] == ["coredns-1-1"]
