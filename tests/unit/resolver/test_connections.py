"""Who opened a connection to whom: by addresses, as they were held at that time."""

import pytest
from tests.support.builders import (
    CLIENT_IP,
    DOMAIN,
    T0,
    a_deployment,
    a_dial,
    a_pod,
    a_pod_of,
    a_service,
    a_slice,
    a_workload,
    an_index,
    owned_by,
)

from grapevine.model.connection import Connection
from grapevine.model.observation import ConnObservation
from grapevine.model.target import Destination, ServiceDestination, WorkloadDestination
from grapevine.resolver.noise import Reason, Unresolved
from grapevine.resolver.records import Endpoint, NodeRecord, Record, RecordGone
from grapevine.resolver.resolve import Resolver

NODE = "192.0.2.2"
SHOP: tuple[Record, ...] = (
    *a_deployment("web"),
    a_pod_of("web", 1, CLIENT_IP),
    a_pod_of("web", 2, "10.0.0.10"),
    *a_deployment("cart"),
    a_pod_of("cart", 1, "10.0.0.8"),
    a_service("cart", cluster_ips=("10.96.0.1", "fd00::1")),
    a_slice("cart", "cart-1-1"),
    NodeRecord("n1", (NODE,)),
    a_service("kubernetes", namespace="default", ports=(443,), cluster_ips=("10.96.0.2",)),
    a_slice("kubernetes", Endpoint("", "", (NODE,)), namespace="default", ports=(6443,)),
)


def resolve(
    dialled: ConnObservation, *more: Record | RecordGone, is_final: bool = False, own_namespace: str = ""
) -> Connection | Unresolved:
    resolver = Resolver(an_index(*SHOP, *more), cluster_domain=DOMAIN, own_namespace=own_namespace)
    found = resolver.resolve(dialled, is_final=is_final)
    assert isinstance(found, Connection | Unresolved)
    return found


@pytest.mark.parametrize(
    ("address", "port", "expected"),
    [
        ("10.96.0.1", 80, ServiceDestination("shop", "cart")),
        ("10.96.0.1", 9999, ServiceDestination("shop", "cart")),
        ("fd00::1", 80, ServiceDestination("shop", "cart")),
        ("10.0.0.8", 8080, WorkloadDestination(a_workload("cart"))),
        (NODE, 6443, ServiceDestination("default", "kubernetes")),
        (NODE, 443, None),
        (NODE, 10250, None),
        ("192.0.2.99", 443, None),
        ("not an address", 443, None),
    ],
    ids=[
        "ClusterIP",
        "ClusterIP, another port",
        "ClusterIP v6",
        "pod",
        "endpoint that is no pod",
        "its Service's port is not its own",
        "node",
        "outside",
        "garbage",
    ],
)
def test_a_dialled_address_is_who_has_it(address: str, port: int, expected: Destination | None) -> None:
    found = resolve(a_dial(address, port, first_ms=T0 + 1_000, last_ms=T0 + 2_000, count=3))

    assert found == Connection(a_workload(), address, port, "tcp", expected, T0 + 1_000, T0 + 2_000, 3, "packet")


@pytest.mark.parametrize(
    ("dialled", "expected"),
    [
        (a_dial("10.96.0.10", 53), Reason.DNS_TRAFFIC),
        (a_dial("192.0.2.53", 53), Reason.DNS_TRAFFIC),
        (a_dial("10.0.0.10", 80), Reason.ITSELF),
        (a_dial("10.0.0.8", 8080, client_ip=NODE), Reason.HOST_NETWORK),
        (a_dial("10.0.0.8", 8080, client_ip="10.0.0.99"), Reason.NO_POD),
    ],
    ids=["cluster's DNS", "DNS elsewhere", "another pod of its own", "kubelet's probe", "stranger"],
)
def test_what_is_nobodys_call_to_somebody_else(dialled: ConnObservation, expected: Reason) -> None:
    assert resolve(dialled) == Unresolved(expected)


def test_grapevines_own_connections_are_left_out() -> None:
    assert resolve(a_dial(), own_namespace="shop") == Unresolved(Reason.OWN)


def test_a_dns_servers_own_connections_count() -> None:
    """What it asks is for others; that it follows the API server is its own."""
    found = resolve(
        a_dial("10.96.0.2", 443),
        a_service("dns", ports=(53,)),
        a_slice("dns", "web-1-1"),
    )

    assert isinstance(found, Connection)
    assert found.destination == ServiceDestination("default", "kubernetes")


def test_the_pod_that_had_the_address_then_was_dialled_not_its_heir() -> None:
    gone = RecordGone(a_pod_of("cart", 1, "10.0.0.8"), T0 + 5_000)
    heir = a_pod("heir", ips=("10.0.0.8",), start_ms=T0 + 6_000)

    before, after = (resolve(a_dial("10.0.0.8", first_ms=T0 + ms), gone, heir) for ms in (1_000, 11_000))

    assert isinstance(before, Connection)
    assert isinstance(after, Connection)
    assert before.destination == WorkloadDestination(a_workload("cart"))
    assert after.destination == WorkloadDestination(a_workload("heir", kind="Pod"))


def test_an_address_that_changed_hands_within_the_window_is_nobodys() -> None:
    ended = a_pod("job", ips=("10.0.0.20",), end_ms=T0 + 1_500)
    heir = a_pod("heir", ips=("10.0.0.20",), start_ms=T0 + 2_000)

    found = resolve(a_dial("10.0.0.20", first_ms=T0 + 1_000, last_ms=T0 + 3_000), ended, heir)

    assert found == Unresolved(Reason.CHANGED_HANDS)


def test_an_owner_under_way_is_waited_for_and_then_done_without() -> None:
    pod = a_pod("new-1", ips=("10.0.0.21",), owner=owned_by("ReplicaSet", "new"))

    waiting = resolve(a_dial("10.0.0.21"), pod)
    decided = resolve(a_dial("10.0.0.21"), pod, is_final=True)

    assert waiting == Unresolved(Reason.OWNER_UNKNOWN)
    assert isinstance(decided, Connection)
    assert decided.destination == WorkloadDestination(a_workload("new", kind="ReplicaSet"))


def test_a_cluster_ip_follows_its_service() -> None:
    moved = a_service("cart", cluster_ips=("10.96.0.7",))

    old, new = (resolve(a_dial(ip), moved) for ip in ("10.96.0.1", "10.96.0.7"))

    assert isinstance(old, Connection)
    assert isinstance(new, Connection)
    assert (old.destination, new.destination) == (None, ServiceDestination("shop", "cart"))


def test_a_cluster_ip_given_to_another_service_is_the_others() -> None:
    heir = a_service("heir", cluster_ips=("10.96.0.1",))

    found = resolve(a_dial("10.96.0.1"), heir, RecordGone(SHOP[5], T0))

    assert isinstance(found, Connection)
    assert found.destination == ServiceDestination("shop", "heir")


def test_an_endpoint_that_left_its_slice_is_no_services() -> None:
    left = a_slice("kubernetes", namespace="default", ports=(6443,))

    found = resolve(a_dial(NODE, 6443), left)

    assert isinstance(found, Connection)
    assert found.destination is None
