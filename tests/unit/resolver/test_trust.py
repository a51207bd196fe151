"""Whose word is taken for what a client asked: anybody can send dnstap, so the sender must be the cluster's DNS."""

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
from grapevine.resolver.noise import Reason
from grapevine.resolver.records import NodeRecord, Record, RecordGone
from grapevine.resolver.resolve import Resolver, Unresolved

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


@pytest.mark.parametrize("source", ["packet", "pcap"])
def test_what_was_heard_on_the_network_needs_nobodys_word(source: str) -> None:
    assert isinstance(resolve(FORGER, source=source), Lookup)
