"""Forms of names."""

import pytest
from tests.support.builders import DOMAIN, to_workload

from grapevine.model.target import (
    CLUSTERSET_DOMAIN,
    Destination,
    DomainDestination,
    InternetTarget,
    ServiceDestination,
    ServiceTarget,
    Target,
    WorkloadDestination,
)
from grapevine.model.workload import WorkloadRef
from grapevine.resolver.names import (
    PodName,
    ServiceName,
    destinations_of,
    is_address,
    is_reverse,
    try_pod_name,
    try_service_name,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cart.shop.svc.cluster.local", ServiceName("shop", "cart", ())),
        ("redis-0.redis.shop.svc.cluster.local", ServiceName("shop", "redis", ("redis-0",))),
        ("_http._tcp.cart.shop.svc.cluster.local", ServiceName("shop", "cart", ("_http", "_tcp"))),
        ("a.b.c.cart.shop.svc.cluster.local", ServiceName("shop", "cart", ("a", "b", "c"))),
        ("svc.svc.svc.cluster.local", ServiceName("svc", "svc", ())),
        ("shop.svc.cluster.local", None),
        ("svc.cluster.local", None),
        ("cart.shop.svc.cluster.local.shop.svc.cluster.local", None),
        ("cart.shop.svc.cluster.local.svc.cluster.local", None),
        ("cart.shop.svc.cluster.local.cluster.local", None),
        ("cart.shop.svc.cluster.locale", None),
        ("cart.shop.xsvc.cluster.local", None),
        ("cart.shop.svc.example.net", None),
        ("", None),
    ],
)
def test_tells_the_service_of_a_name(name: str, expected: ServiceName | None) -> None:
    assert try_service_name(name, DOMAIN) == expected


@pytest.mark.parametrize(
    ("name", "host", "host_ip", "port"),
    [
        ("cart.shop", "", "", ""),
        ("redis-0.redis.shop", "redis-0", "", ""),
        ("10-0-0-7.redis.shop", "10-0-0-7", "10.0.0.7", ""),
        ("2001-db8--7.redis.shop", "2001-db8--7", "2001:db8::7", ""),
        ("_http._tcp.cart.shop", "", "", "_http._tcp"),
        ("_tcp.cart.shop", "", "", ""),
        ("x._tcp.cart.shop", "", "", ""),
        ("a.b.cart.shop", "", "", ""),
    ],
)
def test_tells_what_the_labels_left_of_a_service_are(name: str, host: str, host_ip: str, port: str) -> None:
    service = try_service_name(f"{name}.svc.{DOMAIN}", DOMAIN)

    assert service is not None
    assert (service.host, service.host_ip, service.port) == (host, host_ip, port)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("10.0.0.7", True),
        ("10.0.0.7.shop.svc.cluster.local", True),
        ("10.0.0.7.cluster.local", True),
        ("10.0.0.7.nip.io", False),
        ("10.0.0.7.5", False),
        ("1.2.3", False),
        ("10-0-0-7.shop.pod.cluster.local", False),
        ("v10.0.0.7", False),
    ],
)
def test_knows_an_address_that_is_asked_for_like_a_name(name: str, expected: bool) -> None:
    assert is_address(name, DOMAIN) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("10-0-0-7.shop.pod.cluster.local", PodName("shop", "10.0.0.7")),
        ("fd00--1.shop.pod.cluster.local", PodName("shop", "fd00::1")),
        ("2001-db8-0-0-0-0-0-7.shop.pod.cluster.local", PodName("shop", "2001:db8::7")),
        ("10-0-0-256.shop.pod.cluster.local", None),
        ("web.shop.pod.cluster.local", None),
        ("x.10-0-0-7.shop.pod.cluster.local", None),
        ("10-0-0-7.pod.cluster.local", None),
        ("10-0-0-7.shop.svc.cluster.local", None),
    ],
)
def test_tells_the_address_of_a_pod_name(name: str, expected: PodName | None) -> None:
    assert try_pod_name(name, DOMAIN) == expected


@pytest.mark.parametrize("name", ["9.0.0.10.in-addr.arpa", "1.0.d.f.ip6.arpa", "in-addr.arpa"])
def test_knows_a_reverse_look_up(name: str) -> None:
    assert is_reverse(name)


def test_a_name_that_ends_like_the_reverse_zone_is_none() -> None:
    assert not is_reverse("notin-addr.arpa")


@pytest.mark.parametrize(
    ("names", "target", "expected"),
    [
        (("cart.shop.svc.cluster.local",), to_workload("cart"), [ServiceDestination("shop", "cart")]),
        (("api.example.com",), InternetTarget("api.example.com"), [DomainDestination("api.example.com")]),
        ((), to_workload("cart"), [WorkloadDestination(WorkloadRef("shop", "Deployment", "cart"))]),
        ((), ServiceTarget("shop", "cart"), [ServiceDestination("shop", "cart")]),
        ((), InternetTarget("api.example.com"), [DomainDestination("api.example.com")]),
        (("r-0.r.shop.svc.cluster.local",), to_workload("r"), [ServiceDestination("shop", "r", "r-0")]),
        (
            ("_http._tcp.cart.shop.svc.cluster.local",),
            to_workload("cart"),
            [ServiceDestination("shop", "cart", port="_http._tcp")],
        ),
        (
            ("cart.shop.svc.clusterset.local",),
            ServiceTarget("shop", "cart"),
            [ServiceDestination("shop", "cart", zone=CLUSTERSET_DOMAIN)],
        ),
    ],
)
def test_tells_what_was_asked_for_from_what_a_status_keeps(
    names: tuple[str, ...], target: Target, expected: list[Destination]
) -> None:
    assert destinations_of(names, target, DOMAIN) == expected
