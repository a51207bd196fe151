"""Who asked for what: identity, names and noise together."""

from dataclasses import replace

import pytest
from tests.support.builders import (
    CLIENT_IP,
    DOMAIN,
    LATER,
    T0,
    a_deployment,
    a_pod,
    a_pod_of,
    a_service,
    a_slice,
    a_workload,
    an_index,
    an_observation,
    an_owner,
    owned_by,
)

from grapevine.model.lookup import Lookup
from grapevine.model.target import (
    CLUSTERSET_DOMAIN,
    Destination,
    DomainDestination,
    ServiceDestination,
    WorkloadDestination,
)
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.noise import Reason, Unresolved
from grapevine.resolver.records import Endpoint, NodeRecord, Record, RecordGone
from grapevine.resolver.resolve import Resolver


def a_shop(*more: Record | RecordGone) -> ClusterIndex:
    """A client pod `web` in namespace shop, the Services cart and redis (headless), and what a test adds."""
    return an_index(
        a_pod("web"),
        a_service("cart"),
        a_service("api", namespace="cart"),
        a_service("redis", headless=True),
        a_slice("redis", Endpoint("redis-0", "redis-0")),
        an_owner("StatefulSet", "redis"),
        a_pod("redis-0", ips=("10.0.0.5", "fd00::5"), owner=owned_by("StatefulSet", "redis")),
        *more,
    )


def resolve(
    index: ClusterIndex,
    qname: str = "cart.shop.svc.cluster.local",
    *,
    is_final: bool = False,
    own_namespace: str = "",
    rcode: str = "NOERROR",
    answers: tuple[str, ...] = ("10.96.0.1",),
    qtype: str = "A",
    client_ip: str = CLIENT_IP,
    first_ms: int = T0 + 1_000,
    last_ms: int | None = None,
    source: str = "packet",
) -> Lookup | Unresolved:
    observation = an_observation(
        qname, rcode=rcode, answers=answers, qtype=qtype, client_ip=client_ip, first_ms=first_ms, last_ms=last_ms
    )
    observation = replace(observation, source=source)
    return Resolver(index, cluster_domain=DOMAIN, own_namespace=own_namespace).resolve(observation, is_final=is_final)


def destination(found: Lookup | Unresolved) -> Destination | None:
    assert isinstance(found, Lookup), found
    return found.destination


def reason(found: Lookup | Unresolved) -> Reason:
    assert isinstance(found, Unresolved), found
    return found.reason


REDIS = a_workload("redis", kind="StatefulSet")


@pytest.mark.parametrize(
    ("qname", "expected"),
    [
        ("cart.shop.svc.cluster.local", ServiceDestination("shop", "cart")),
        ("redis-0.redis.shop.svc.cluster.local", ServiceDestination("shop", "redis", "redis-0")),
        ("_http._tcp.cart.shop.svc.cluster.local", ServiceDestination("shop", "cart", port="_http._tcp")),
        ("10-0-0-5.redis.shop.svc.cluster.local", WorkloadDestination(REDIS)),
        ("fd00--5.redis.shop.svc.cluster.local", WorkloadDestination(REDIS)),
        ("10-0-0-99.redis.shop.svc.cluster.local", ServiceDestination("shop", "redis")),
        ("192-0-2-1.redis.shop.svc.cluster.local", ServiceDestination("shop", "redis")),
        ("10-0-0-5.shop.pod.cluster.local", WorkloadDestination(REDIS)),
        ("fd00--5.shop.pod.cluster.local", WorkloadDestination(REDIS)),
        ("api.example.com", DomainDestination("api.example.com")),
        ("redis", DomainDestination("redis")),
        ("db.zone.cluster.local", DomainDestination("db.zone.cluster.local")),
        ("cart.shop.svc.clusterset.local", ServiceDestination("shop", "cart", zone=CLUSTERSET_DOMAIN)),
        ("a.c1.db.shop.svc.clusterset.local", ServiceDestination("shop", "db", zone=CLUSTERSET_DOMAIN)),
        ("xn--bcher-kva.example", DomainDestination("xn--bcher-kva.example")),
        ("notcluster.local", DomainDestination("notcluster.local")),
    ],
)
def test_an_answer_names_a_destination(qname: str, expected: Destination) -> None:
    assert destination(resolve(a_shop(), qname)) == expected


@pytest.mark.parametrize(
    ("qname", "expected"),
    [
        ("cart.shop.svc.cluster.local", ServiceDestination("shop", "cart")),
        ("_http._tcp.cart.shop.svc.cluster.local", ServiceDestination("shop", "cart", port="_http._tcp")),
        ("redis.shop.svc.cluster.local", ServiceDestination("shop", "redis")),
        ("10-0-0-5.redis.shop.svc.cluster.local", WorkloadDestination(REDIS)),
        ("10-0-0-99.redis.shop.svc.cluster.local", None),
        ("10-0-0-5.cart.shop.svc.cluster.local", None),
        ("cart.shop.svc.clusterset.local", None),
        ("redis-0.redis.shop.svc.cluster.local", ServiceDestination("shop", "redis", "redis-0")),
        ("api.cart.shop.svc.cluster.local", None),
        ("a.api.cart.shop.svc.cluster.local", None),
        ("redis-9.redis.shop.svc.cluster.local", None),
        ("ghost.shop.svc.cluster.local", None),
        ("shop.svc.cluster.local", None),
        ("10-0-0-99.shop.pod.cluster.local", None),
        ("api.cart.cluster.local", None),
        ("api.example.com", None),
        ("cart.shop.svc.cluster.local.shop.svc.cluster.local", None),
    ],
)
@pytest.mark.parametrize("rcode", ["NXDOMAIN", "NOERROR", "SERVFAIL"])
def test_a_failure_names_a_destination_only_where_the_service_exists(
    qname: str, expected: Destination | None, rcode: str
) -> None:
    found = resolve(a_shop(), qname, rcode=rcode, answers=())

    assert destination(found) == expected


def test_a_not_ready_pod_of_a_stateful_set_in_no_slice_is_a_destination() -> None:
    index = a_shop(a_pod("redis-1", ips=("10.0.0.6",), owner=owned_by("StatefulSet", "redis")))

    found = resolve(index, "redis-1.redis.shop.svc.cluster.local", rcode="NXDOMAIN")

    assert destination(found) == ServiceDestination("shop", "redis", "redis-1")


def test_noerror_without_a_record_is_nodata() -> None:
    found = resolve(a_shop(), answers=())

    assert isinstance(found, Lookup)
    assert (found.rcode, found.is_answered) == ("NODATA", False)


def test_a_wildcard_above_the_search_list_makes_no_edge() -> None:
    found = resolve(a_shop(), "cart.shop.svc.cluster.local.shop.svc.cluster.local")

    assert reason(found) is Reason.SEARCH_LIST


@pytest.mark.parametrize(
    ("qname", "qtype", "expected"),
    [
        ("5.0.0.10.in-addr.arpa", "PTR", Reason.REVERSE),
        ("example.com", "TXT", Reason.QUESTION_TYPE),
        ("example.com", "TYPE65535", Reason.QUESTION_TYPE),
        ("", "A", Reason.LOCAL),
        ("localhost", "A", Reason.LOCAL),
        ("db.localhost", "A", Reason.LOCAL),
        ("localhost.shop.svc.cluster.local", "A", Reason.LOCAL),
        ("redis:6379.corp.example.net", "A", Reason.NOT_A_HOST_NAME),
        ("a b.example.net", "A", Reason.NOT_A_HOST_NAME),
        ("*", "A", Reason.NAME_FLOOD),
        ("*.", "A", Reason.NOT_A_HOST_NAME),
        ("10.0.0.5", "A", Reason.NOT_A_HOST_NAME),
        ("10.0.0.5.shop.svc.cluster.local", "A", Reason.NOT_A_HOST_NAME),
        ("\\195\\188ber.example", "A", Reason.NOT_A_HOST_NAME),
        ("a.*.example.net", "A", Reason.NOT_A_HOST_NAME),
        ("*.10.in-addr.arpa", "PTR", Reason.REVERSE),
    ],
)
def test_some_questions_say_nothing(qname: str, qtype: str, expected: Reason) -> None:
    assert reason(resolve(a_shop(), qname, qtype=qtype)) is expected


def test_names_beyond_captures_cap_are_their_parent_domain() -> None:
    assert destination(resolve(a_shop(), "*.example.net")) == DomainDestination("*.example.net")


@pytest.mark.parametrize(
    ("qname", "rcode"),
    [
        ("*.example.net", "NXDOMAIN"),
        ("*.shop.svc.cluster.local", "NXDOMAIN"),
        ("*.shop.svc.cluster.local", "NOERROR"),
        ("*.cart.shop.svc.cluster.local", "NOERROR"),
        ("*.cluster.local", "NOERROR"),
    ],
)
def test_names_beyond_captures_cap_are_no_service_and_no_dead_dependency(qname: str, rcode: str) -> None:
    assert reason(resolve(a_shop(), qname, rcode=rcode)) is Reason.NAME_FLOOD


@pytest.mark.parametrize("qtype", ["A", "AAAA", "SRV", "HTTPS", "SVCB", "ANY"])
def test_every_question_before_a_connection_counts(qtype: str) -> None:
    assert destination(resolve(a_shop(), qtype=qtype)) == ServiceDestination("shop", "cart")


def test_an_address_of_a_node_is_nobodys() -> None:
    index = a_shop(NodeRecord("n1", ("192.0.2.2", "10.0.0.1")))

    assert reason(resolve(index, client_ip="10.0.0.1")) is Reason.HOST_NETWORK


def test_an_address_a_capture_reports_of_its_node_is_nobodys() -> None:
    index = a_shop()
    index.put_host_ips("n1", ("192.0.2.2",))

    assert reason(resolve(index, client_ip="192.0.2.2")) is Reason.HOST_NETWORK


def test_a_node_that_left_gives_its_addresses_back() -> None:
    node = NodeRecord("n1", (CLIENT_IP,))

    assert isinstance(resolve(a_shop(node, RecordGone(node, T0))), Lookup)


def test_an_address_without_a_pod_may_get_one() -> None:
    found = resolve(a_shop(), client_ip="10.0.0.77")

    assert isinstance(found, Unresolved)
    assert (found.reason, found.may_resolve_later) == (Reason.NO_POD, True)


def test_a_look_up_after_the_pods_end_is_nobodys() -> None:
    index = a_shop(a_pod("web", end_ms=T0 + 1_999))

    assert reason(resolve(index, first_ms=T0 + 2_000)) is Reason.NO_POD


def test_a_look_up_in_the_second_of_the_pods_end_is_the_pods() -> None:
    index = a_shop(a_pod("web", end_ms=T0 + 1_999))

    assert isinstance(resolve(index, first_ms=T0 + 1_999), Lookup)


def test_a_window_over_two_workloads_is_neithers() -> None:
    index = a_shop(a_pod("web", end_ms=T0 + 1_999), a_pod("other", start_ms=T0 + 2_000))

    assert reason(resolve(index, first_ms=T0 + 1_900, last_ms=T0 + 2_100)) is Reason.CHANGED_HANDS


def test_a_window_over_two_pods_of_one_workload_is_the_workloads() -> None:
    owner = owned_by("Rollout", "web")
    index = an_index(a_pod("a", owner=owner, end_ms=T0 + 1_999), a_pod("b", owner=owner, start_ms=T0 + 2_000))

    found = resolve(index, "api.example.com", first_ms=T0 + 1_900, last_ms=T0 + 2_100)

    assert isinstance(found, Lookup)
    assert found.client == a_workload(kind="Rollout")


def test_an_owner_under_way_is_waited_for() -> None:
    index = an_index(a_pod(owner=owned_by("ReplicaSet", "web-1")))

    assert reason(resolve(index, "api.example.com")) is Reason.OWNER_UNKNOWN


def test_an_owner_that_never_came_gives_its_own_name_and_kind() -> None:
    index = an_index(a_pod(owner=owned_by("ReplicaSet", "web-1")))

    found = resolve(index, "api.example.com", is_final=True)

    assert isinstance(found, Lookup)
    assert found.client == a_workload("web-1", kind="ReplicaSet")


def test_an_owner_that_came_late_is_the_workload() -> None:
    index = an_index(a_pod(owner=owned_by("ReplicaSet", "web-1")))
    index.apply(a_deployment("web"), LATER)

    found = resolve(index, "api.example.com")

    assert isinstance(found, Lookup)
    assert found.client == a_workload()


def test_a_service_under_way_is_waited_for_and_then_believed() -> None:
    index = an_index(a_pod())

    assert reason(resolve(index)) is Reason.SERVICE_UNKNOWN
    assert destination(resolve(index, is_final=True)) == ServiceDestination("shop", "cart")


def test_a_pod_name_nobody_held_is_no_fault_of_the_clients_address() -> None:
    assert reason(resolve(a_shop(), "10-0-0-99.shop.pod.cluster.local")) is Reason.POD_UNKNOWN


def test_a_pod_name_in_another_namespace_than_its_pods_is_no_edge() -> None:
    assert reason(resolve(a_shop(), "10-0-0-5.cart.pod.cluster.local")) is Reason.POD_UNKNOWN


def test_a_pod_name_goes_to_who_held_the_address_then() -> None:
    index = an_index(
        a_pod("web"),
        a_pod("first", ips=("10.0.0.7",), end_ms=T0 + 1_999),
        a_pod("second", ips=("10.0.0.7",), start_ms=T0 + 2_000),
    )

    found = [resolve(index, "10-0-0-7.shop.pod.cluster.local", first_ms=T0 + ms) for ms in (1_999, 2_000)]

    assert [str(d.workload) for f in found if isinstance(d := destination(f), WorkloadDestination)] == [
        "shop/Pod/first",
        "shop/Pod/second",
    ]


def test_a_pod_name_waits_for_the_owner_of_its_pod() -> None:
    index = an_index(a_pod("web"), a_pod_of("cart", 1, "10.0.0.7"))

    assert reason(resolve(index, "10-0-0-7.shop.pod.cluster.local")) is Reason.OWNER_UNKNOWN


def test_grapevines_own_look_ups_are_left_out() -> None:
    assert reason(resolve(a_shop(), own_namespace="shop")) is Reason.OWN


DNS = [
    *a_deployment("coredns", namespace="kube-system"),
    a_service("kube-dns", namespace="kube-system", ports=(53,)),
    a_slice("kube-dns", "coredns-1-1", "coredns-1-2", namespace="kube-system"),
    a_pod_of("coredns", 1, "10.0.0.53", namespace="kube-system"),
    a_pod_of("coredns", 2, "10.0.0.54", namespace="kube-system"),
]


def test_a_resolver_is_no_client_of_what_it_resolves_for_others() -> None:
    assert reason(resolve(a_shop(*DNS), "api.example.com", client_ip="10.0.0.53")) is Reason.RESOLVER


def test_a_resolvers_last_look_ups_are_not_its_own_either() -> None:
    gone = RecordGone(a_pod_of("coredns", 1, "10.0.0.53", namespace="kube-system"), T0 + 5_000)
    slice_ = a_slice("kube-dns", "coredns-1-2", namespace="kube-system")

    found = resolve(a_shop(*DNS, gone, slice_), "api.example.com", client_ip="10.0.0.53")

    assert reason(found) is Reason.RESOLVER


def test_a_finished_pod_beside_a_resolver_is_a_client() -> None:
    index = a_shop(*DNS, a_pod("web", end_ms=T0 + 9_999))

    assert isinstance(resolve(index, "api.example.com"), Lookup)


@pytest.mark.parametrize(
    ("qtype", "answers", "expected"),
    [
        ("A", ("192.0.2.1", "192.0.2.7"), ("192.0.2.1", "192.0.2.7")),
        ("AAAA", ("2001:db8::1",), ("2001:db8::1",)),
        ("SRV", ("db.example.com",), ()),
        ("A", ("10.96.0.9", "10.0.0.5", "192.0.2.1"), ("192.0.2.1",)),
    ],
    ids=["A", "AAAA", "names", "without what the cluster explains"],
)
def test_a_look_up_keeps_the_addresses_a_connection_may_go_to(
    qtype: str, answers: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    index = a_shop(a_service("api", cluster_ips=("10.96.0.9",)))

    found = resolve(index, "api.example.com", qtype=qtype, answers=answers)

    assert isinstance(found, Lookup)
    assert found.addresses == expected


@pytest.mark.parametrize(
    ("qname", "rcode", "expected"),
    [
        ("cart.shop.svc.cluster.local.corp.example", "NOERROR", "corp.example"),
        ("cart.cluster.local.corp.example", "NOERROR", "corp.example"),
        ("cart.shop.svc.cluster.local.corp.example", "NXDOMAIN", ""),
        ("cluster.local.corp.example", "NOERROR", ""),
        ("api.example.com.corp.example", "NOERROR", ""),
        ("cart.shop.svc.cluster.locals", "NOERROR", ""),
    ],
)
def test_an_answer_to_a_complete_name_with_a_suffix_proves_a_wildcard(qname: str, rcode: str, expected: str) -> None:
    found = resolve(a_shop(), qname, rcode=rcode)

    assert isinstance(found, Lookup)
    assert found.wildcard == expected


@pytest.mark.parametrize(
    ("qname", "expected"),
    [
        ("api.example.org", DomainDestination("api.example.org")),
        ("cart.shop.svc.cluster.local", ServiceDestination("shop", "cart")),
    ],
)
def test_a_log_tells_no_answers_so_a_name_that_exists_counts_as_answered(qname: str, expected: Destination) -> None:
    found = resolve(a_shop(), qname, answers=(), source="log")

    assert expected == destination(found)
    assert isinstance(found, Lookup)
    assert (True, "NOERROR") == (found.is_answered, found.rcode)


def test_a_name_that_a_log_says_does_not_exist_failed() -> None:
    assert destination(resolve(a_shop(), "api.example.org", answers=(), rcode="NXDOMAIN", source="log")) is None
