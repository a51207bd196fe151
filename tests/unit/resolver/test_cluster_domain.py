"""Which domain the cluster's names are under, and Services that are known by their address under any."""

import pytest
from tests.support.builders import (
    DOMAIN,
    a_dial,
    a_pod,
    a_service,
    an_index,
    an_observation,
)

from grapevine.model.lookup import Lookup
from grapevine.model.observation import DnsObservation
from grapevine.model.target import Destination, DomainDestination, InternetTarget, ServiceDestination, ServiceTarget
from grapevine.resolver.cluster_domain import find_domain
from grapevine.resolver.names import destinations_of
from grapevine.resolver.resolve import Resolver
from grapevine.settings import operator_settings

SERVICES = [
    a_service("cart", cluster_ips=("10.96.0.1", "fd00::1")),
    a_service("svc", namespace="svc", cluster_ips=("10.96.0.2",)),
    a_service("redis", headless=True),
]
ELSEWHERE = ServiceDestination("shop", "cart", zone="k8s.example")


def answered(name: str, *answers: str, qtype: str = "A") -> DnsObservation:
    return an_observation(name, answers=answers, qtype=qtype)


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (answered("cart.shop.svc.k8s.example", "10.96.0.1"), ELSEWHERE),
        (answered("cart.shop.svc.k8s.example", "fd00::1", qtype="AAAA"), ELSEWHERE),
        (answered("svc.svc.svc.svc.example", "10.96.0.2"), ServiceDestination("svc", "svc", zone="svc.example")),
        (answered("cart.shop.svc.k8s.example", "10.96.0.2"), None),
        (answered("cart.shop.svc.k8s.example", "10.96.0.1", "192.0.2.1"), None),
        (answered("cart.shop.svc.k8s.example", "10.96.0.1", qtype="HTTPS"), None),
        (answered("cart.other.svc.k8s.example", "10.96.0.1"), None),
        (answered("cart.shop.svc", "10.96.0.1"), None),
        (answered("db.corp.example", "10.96.0.1"), None),
    ],
)
def test_a_service_is_known_by_its_address_under_any_domain(
    observation: DnsObservation, expected: Destination | None
) -> None:
    found = Resolver(an_index(a_pod(), *SERVICES), cluster_domain=DOMAIN).resolve(observation)

    assert isinstance(found, Lookup)
    assert found.destination == (expected or DomainDestination(observation.qname))


def test_a_status_gives_back_what_was_asked_for_under_another_domain() -> None:
    name = "cart.shop.svc.k8s.example"

    assert destinations_of([name], ServiceTarget("shop", "cart"), DOMAIN) == [ELSEWHERE]
    assert destinations_of([name], InternetTarget(name), DOMAIN) == [DomainDestination(name)]


@pytest.mark.parametrize(
    ("observations", "expected"),
    [
        ([], None),
        ([answered("cart.shop.svc.k8s.example", "10.96.0.1")], "k8s.example"),
        ([answered("cart.shop.svc.cluster.local", "10.96.0.1")], "cluster.local"),
        ([answered("redis.shop.svc.k8s.example", "10.0.0.5")], None),
        ([answered("cart.shop.svc.k8s.example", "192.0.2.1")], None),
        (
            [
                answered("cart.shop.svc.b.example", "10.96.0.1"),
                answered("svc.svc.svc.a.example", "10.96.0.2"),
                answered("svc.svc.svc.b.example", "10.96.0.2"),
            ],
            "b.example",
        ),
        (
            [answered("cart.shop.svc.b.example", "10.96.0.1"), answered("svc.svc.svc.a.example", "10.96.0.2")],
            "a.example",
        ),
    ],
    ids=["nothing heard", "one Service", "the usual", "headless", "elsewhere", "more Services", "a tie"],
)
def test_a_capture_tells_the_domain_by_what_services_answered_with(
    observations: list[DnsObservation], expected: str | None
) -> None:
    assert find_domain(SERVICES, [a_dial(), *observations]) == expected


@pytest.mark.parametrize(
    ("resolv_conf", "environ", "expected"),
    [
        ("search ns.svc.k8s.example svc.k8s.example k8s.example corp.example\n", {}, "k8s.example"),
        ("nameserver 10.96.0.10\nsearch ns.svc.K8s.Example. svc.k8s.example\noptions ndots:5\n", {}, "k8s.example"),
        ("search other.svc.k8s.example svc.k8s.example\n", {}, "cluster.local"),
        ("search corp.example\n", {}, "cluster.local"),
        ("search\n\nsearch ns.svc.\n", {}, "cluster.local"),
        ("# search ns.svc.k8s.example\n", {}, "cluster.local"),
        ("search ns.svc.k8s.example\n", {"GRAPEVINE_CLUSTER_DOMAIN": "set.example"}, "set.example"),
        ("search ns.svc.k8s.example\n", {"GRAPEVINE_NAMESPACE": ""}, "cluster.local"),
        ("", {}, "cluster.local"),
    ],
)
def test_a_pods_search_list_tells_the_domain_and_a_setting_wins(
    resolv_conf: str, environ: dict[str, str], expected: str
) -> None:
    settings = operator_settings({"GRAPEVINE_NAMESPACE": "ns", **environ}, resolv_conf=resolv_conf)

    assert settings.resolver.cluster_domain == expected
