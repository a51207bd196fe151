"""Who stands behind a Service, now."""

import pytest
from tests.support.builders import (
    LATER,
    T0,
    a_deployment,
    a_pod,
    a_pod_of,
    a_service,
    a_slice,
    an_index,
    an_owner,
    owned_by,
    to_workload,
)

from grapevine.model.target import (
    CLUSTERSET_DOMAIN,
    DomainDestination,
    InternetTarget,
    ServiceDestination,
    ServiceTarget,
    Target,
    WorkloadDestination,
)
from grapevine.model.workload import ServiceRef, WorkloadRef
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.records import Endpoint, NodeRecord, Record, RecordGone, ServiceRecord, SliceRecord

CART = ServiceRef("shop", "cart")
BEHIND_CART: list[Record] = [
    *a_deployment("cart"),
    a_service("cart"),
    a_pod_of("cart", 1, "10.0.0.1"),
    a_slice("cart", "cart-1-1"),
]
CANARY: list[Record] = [*a_deployment("canary"), a_pod_of("canary", 1, "10.0.0.2")]


def target(index: ClusterIndex, service: str = "cart", *, namespace: str = "shop", host: str = "") -> Target:
    return index.target_of(ServiceDestination(namespace, service, host))


def test_one_owner_is_the_target() -> None:
    assert target(an_index(*BEHIND_CART)) == to_workload("cart")


def test_several_owners_leave_the_service() -> None:
    index = an_index(*BEHIND_CART, *CANARY, a_slice("cart", "cart-1-1", "canary-1-1"))

    assert target(index) == ServiceTarget("shop", "cart")


def test_a_canary_that_joins_moves_the_edge() -> None:
    index = an_index(*BEHIND_CART, *CANARY)

    changed = index.apply([a_slice("cart", "canary-1-1", name="cart-2")], LATER)

    assert (CART in changed, target(index)) == (True, ServiceTarget("shop", "cart"))


def test_a_canary_that_leaves_gives_the_edge_back() -> None:
    second = a_slice("cart", "canary-1-1", name="cart-2")
    index = an_index(*BEHIND_CART, *CANARY, second)

    changed = index.apply([RecordGone(second, T0)], LATER)

    assert (CART in changed, target(index)) == (True, to_workload("cart"))


def test_a_service_scaled_to_zero_keeps_its_last_owner() -> None:
    index = an_index(*BEHIND_CART)
    target(index)
    index.apply([a_slice("cart"), RecordGone(a_pod_of("cart", 1, "10.0.0.1"), T0)], LATER)

    assert target(index) == to_workload("cart")


def test_a_service_that_had_several_owners_keeps_none_of_them_at_zero() -> None:
    index = an_index(*BEHIND_CART, *CANARY, a_slice("cart", "cart-1-1", "canary-1-1"))
    target(index)
    index.apply([a_slice("cart")], LATER)

    assert target(index) == ServiceTarget("shop", "cart")


def test_the_owner_remembered_by_a_status_stands_in_until_pods_come() -> None:
    index = an_index(a_service("cart"))
    index.remember_owner(CART, WorkloadRef("shop", "Deployment", "old"))
    before = target(index)
    index.apply(BEHIND_CART, LATER)

    assert (before, target(index)) == (to_workload("old"), to_workload("cart"))


def test_slices_before_pods_name_the_service_and_then_the_workload() -> None:
    index = an_index(a_service("cart"), a_slice("cart", "cart-1-1"))
    before = target(index)

    changed = index.apply([*a_deployment("cart"), a_pod_of("cart", 1, "10.0.0.1")], LATER)

    assert (before, CART in changed, target(index)) == (ServiceTarget("shop", "cart"), True, to_workload("cart"))


def test_a_pod_deleted_before_its_slice_says_so_moves_no_edge() -> None:
    index = an_index(*BEHIND_CART, a_pod_of("cart", 2, "10.0.0.3"), a_slice("cart", "cart-1-1", "cart-1-2"))
    target(index)

    index.apply([RecordGone(a_pod_of("cart", 1, "10.0.0.1"), T0)], LATER)

    assert target(index) == to_workload("cart")


def test_an_endpoint_that_is_no_pod_leaves_the_service() -> None:
    assert target(an_index(*BEHIND_CART, a_slice("cart", "cart-1-1", ""))) == ServiceTarget("shop", "cart")


def test_an_owner_that_comes_late_moves_the_edge_to_it() -> None:
    index = an_index(a_service("cart"), a_pod_of("cart", 1, "10.0.0.1"), a_slice("cart", "cart-1-1"))
    before = target(index)

    changed = index.apply(a_deployment("cart"), LATER)

    assert (before, CART in changed, target(index)) == (
        to_workload("cart-1", kind="ReplicaSet"),
        True,
        to_workload("cart"),
    )


def test_the_api_server_is_a_service_whoever_answers_for_it() -> None:
    index = an_index(
        a_service("kubernetes", namespace="default"),
        a_slice("kubernetes", "p", namespace="default"),
        a_pod("p", namespace="default"),
    )

    assert target(index, "kubernetes", namespace="default") == ServiceTarget("default", "kubernetes")


HEADLESS: list[Record] = [
    a_service("db", headless=True),
    an_owner("StatefulSet", "one"),
    an_owner("StatefulSet", "two"),
    a_pod("one-0", ips=("10.0.0.5",), owner=owned_by("StatefulSet", "one")),
    a_pod("two-0", ips=("10.0.0.6",), owner=owned_by("StatefulSet", "two")),
    a_slice("db", Endpoint("one-0", "one-0"), Endpoint("two-0", "two-0")),
]


def test_a_headless_host_is_its_pods_workload_among_several() -> None:
    assert target(an_index(*HEADLESS), "db", host="two-0") == to_workload("two", kind="StatefulSet")


def test_a_headless_host_unknown_among_several_owners_is_the_service() -> None:
    assert target(an_index(*HEADLESS), "db", host="three-0") == ServiceTarget("shop", "db")


def test_a_bare_pod_that_shares_a_host_name_is_not_behind_the_service() -> None:
    index = an_index(a_service("db", headless=True), a_pod("db-0"))

    assert target(index, "db", host="db-0") == ServiceTarget("shop", "db")


def test_an_external_name_outside_is_the_domain_it_points_to() -> None:
    index = an_index(a_service("ext", external_name="api.example.com"))

    assert target(index, "ext") == InternetTarget("api.example.com")


def test_an_external_name_inside_is_who_stands_behind_that() -> None:
    index = an_index(*BEHIND_CART, a_service("alias", external_name="cart.shop.svc.cluster.local"))

    assert target(index, "alias") == to_workload("cart")


def test_an_external_name_follows_the_service_it_points_to_through_others() -> None:
    index = an_index(
        *BEHIND_CART,
        *CANARY,
        a_service("a", external_name="b.shop.svc.cluster.local"),
        a_service("b", external_name="cart.shop.svc.cluster.local"),
    )

    changed = index.apply([a_slice("cart", "canary-1-1")], LATER)

    assert (ServiceRef("shop", "a") in changed, target(index, "a")) == (True, to_workload("canary"))


def test_external_names_in_a_circle_end() -> None:
    index = an_index(
        a_service("a", external_name="b.shop.svc.cluster.local"),
        a_service("b", external_name="a.shop.svc.cluster.local"),
    )

    assert isinstance(target(index, "a"), ServiceTarget)


def test_an_external_name_that_changes_moves_the_edge() -> None:
    index = an_index(a_service("ext", external_name="old.example.com"))

    changed = index.apply([a_service("ext", external_name="new.example.com")], LATER)

    assert (ServiceRef("shop", "ext") in changed, target(index, "ext")) == (True, InternetTarget("new.example.com"))


def test_a_workload_and_a_domain_are_their_own_targets() -> None:
    index = an_index()
    workload = WorkloadRef("shop", "Deployment", "cart")

    assert index.target_of(WorkloadDestination(workload)) == to_workload("cart")
    assert index.target_of(DomainDestination("example.com")) == InternetTarget("example.com")


def test_a_changed_annotation_moves_the_edge() -> None:
    index = an_index(a_service("cart"), a_slice("cart", "p"), a_pod("p"))

    changed = index.apply([a_pod("p", override="named")], LATER)

    assert (CART in changed, target(index)) == (True, to_workload("named", kind=""))


# --- Services without a selector: whose slices are written by hand, and name no pod


def by_hand(*ips: str, namespace: str = "shop") -> SliceRecord:
    return a_slice("legacy", *(Endpoint("", "", (ip,)) for ip in ips), namespace=namespace, ports=(80,))


def test_an_endpoint_written_by_hand_is_the_pod_that_has_the_address() -> None:
    index = an_index(*BEHIND_CART, a_service("legacy"), by_hand("10.0.0.1"))

    assert target(index, "legacy") == to_workload("cart")


def test_an_address_outside_the_cluster_leaves_the_service() -> None:
    index = an_index(*BEHIND_CART, a_service("legacy"), by_hand("192.0.2.7"))

    assert target(index, "legacy") == ServiceTarget("shop", "legacy")


def test_addresses_inside_and_outside_leave_the_service_and_name_who_is_inside() -> None:
    index = an_index(*BEHIND_CART, a_service("legacy"), by_hand("10.0.0.1", "192.0.2.7"))

    assert target(index, "legacy") == ServiceTarget("shop", "legacy")
    assert index.owners_of(ServiceRef("shop", "legacy")) == [WorkloadRef("shop", "Deployment", "cart")]


def test_a_nodes_address_is_no_pods_even_where_one_had_it() -> None:
    index = an_index(*BEHIND_CART, a_service("legacy"), by_hand("10.0.0.1"), NodeRecord("n1", ("10.0.0.1",)))

    assert target(index, "legacy") == ServiceTarget("shop", "legacy")


def test_the_edge_moves_when_an_address_written_by_hand_changes_hands() -> None:
    legacy = ServiceRef("shop", "legacy")
    index = an_index(*BEHIND_CART, *CANARY, a_service("legacy"), by_hand("10.0.0.7"))
    found = [target(index, "legacy")]

    came = index.apply([a_pod_of("cart", 7, "10.0.0.7")], LATER)
    found.append(target(index, "legacy"))
    went = index.apply([RecordGone(a_pod_of("cart", 7, "10.0.0.7"), T0 + 5_000)], LATER)
    index.apply(
        [a_pod("canary-1-7", ips=("10.0.0.7",), start_ms=T0 + 6_000, owner=owned_by("ReplicaSet", "canary-1"))], LATER
    )
    found.append(target(index, "legacy"))

    assert found == [ServiceTarget("shop", "legacy"), to_workload("cart"), to_workload("canary")]
    assert (legacy in came, legacy in went) == (True, True)


def test_a_pod_that_finished_gives_up_an_address_written_by_hand() -> None:
    job = a_pod("job", ips=("10.0.0.8",), end_ms=None)
    index = an_index(a_service("legacy"), job, by_hand("10.0.0.8"))
    before = target(index, "legacy")

    changed = index.apply([a_pod("job", ips=("10.0.0.8",), end_ms=T0 + 1_999)], LATER)

    assert before == to_workload("job", kind="Pod")
    assert ServiceRef("shop", "legacy") in changed
    assert index.owners_of(ServiceRef("shop", "legacy")) == []


def test_an_owner_that_comes_late_moves_a_service_of_another_namespace_too() -> None:
    legacy = by_hand("10.0.0.1", namespace="edge")
    index = an_index(a_service("legacy", namespace="edge"), legacy, a_pod_of("cart", 1, "10.0.0.1"))
    target(index, "legacy", namespace="edge")

    changed = index.apply(a_deployment("cart"), LATER)

    assert ServiceRef("edge", "legacy") in changed
    assert target(index, "legacy", namespace="edge") == to_workload("cart")


# --- ExternalName


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cart.shop.svc.cluster.local", to_workload("cart")),
        ("redis-0.redis.shop.svc.cluster.local", ServiceTarget("shop", "redis")),
        ("second.shop.svc.cluster.local", to_workload("cart")),
        ("kubernetes.default.svc.cluster.local", ServiceTarget("default", "kubernetes")),
        ("10-0-0-1.shop.pod.cluster.local", to_workload("cart")),
        ("10-0-0-99.shop.pod.cluster.local", ServiceTarget("shop", "alias")),
        ("cart.shop.svc.clusterset.local", ServiceTarget("shop", "cart")),
        ("far.shop.svc.clusterset.local", InternetTarget("far.shop.svc.clusterset.local")),
        ("db.example.com", InternetTarget("db.example.com")),
        ("192.0.2.7", ServiceTarget("shop", "alias")),
        ("alias.shop.svc.cluster.local", ServiceTarget("shop", "alias")),
        ("loop.shop.svc.cluster.local", ServiceTarget("shop", "alias")),
    ],
)
def test_an_external_name_is_what_it_points_to(name: str, expected: Target) -> None:
    index = an_index(
        *BEHIND_CART,
        a_service("alias", external_name=name),
        a_service("second", external_name="cart.shop.svc.cluster.local"),
        a_service("loop", external_name="alias.shop.svc.cluster.local"),
    )

    assert target(index, "alias") == expected


def test_a_loop_is_each_of_its_services_by_the_name_it_was_asked_for() -> None:
    index = an_index(
        *(a_service(a, external_name=f"{b}.shop.svc.cluster.local") for a, b in ("ab", "bc", "ca")),
    )

    assert [target(index, name) for name in "abc"] == [ServiceTarget("shop", name) for name in "abc"]


# --- Services of a cluster set


def in_clusterset(index: ClusterIndex) -> Target:
    return index.target_of(ServiceDestination("shop", "cart", zone=CLUSTERSET_DOMAIN))


def test_a_name_of_the_cluster_set_is_the_service_where_it_exists_here_and_a_domain_where_it_does_not() -> None:
    index = an_index(*BEHIND_CART[:-3])
    found = [in_clusterset(index)]

    for change in (a_service("cart"), RecordGone(a_service("cart"), T0)):
        assert CART in index.apply([change], LATER)
        found.append(in_clusterset(index))

    domain = InternetTarget("cart.shop.svc.clusterset.local")
    assert found == [domain, ServiceTarget("shop", "cart"), domain]


# --- ports


@pytest.mark.parametrize(
    ("ports", "names", "asked", "expected"),
    [
        ((80,), ("",), "", (80,)),
        ((80, 443), ("_http._tcp", "_https._tcp"), "", ()),
        ((80, 443), ("_http._tcp", "_https._tcp"), "_https._tcp", (443,)),
        ((80, 443), ("_http._tcp", "_https._tcp"), "_grpc._tcp", ()),
        ((), (), "", ()),
    ],
)
def test_a_services_port_is_told_where_it_leaves_no_choice(
    ports: tuple[int, ...], names: tuple[str, ...], asked: str, expected: tuple[int, ...]
) -> None:
    index = an_index(ServiceRecord("shop", "cart", False, "", ports, srv_names=names))

    assert index.ports_of(ServiceDestination("shop", "cart", port=asked)) == expected


def test_a_headless_services_port_is_its_pods_matter() -> None:
    index = an_index(a_service("redis", headless=True))

    assert index.ports_of(ServiceDestination("shop", "redis")) == ()
