"""Graph → desired intents."""

import pytest
from tests.support.builders import T0, a_workload, an_edge, desired_of, to_workload

from grapevine.intents.confidence import confidence
from grapevine.model.edge import DeadDependency
from grapevine.model.target import InternetTarget, ServiceTarget


def a_dead(name: str, last_ms: int = T0) -> DeadDependency:
    return DeadDependency(a_workload(), name, "NXDOMAIN", T0, last_ms, 1)


def test_targets_are_sorted_workloads_services_domains() -> None:
    targets = [
        InternetTarget("b.example.com"),
        InternetTarget("a.example.com"),
        ServiceTarget("shop", "s"),
        to_workload("z", namespace="a"),
        to_workload("a", namespace="b"),
        to_workload("a", namespace="b", kind="DaemonSet"),
    ]

    desired = desired_of(map(an_edge, targets))

    assert desired.targets == (
        to_workload("z", namespace="a"),
        to_workload("a", namespace="b", kind="DaemonSet"),
        to_workload("a", namespace="b"),
        ServiceTarget("shop", "s"),
        InternetTarget("a.example.com"),
        InternetTarget("b.example.com"),
    )


def test_counts_what_is_in_the_cluster_outside_and_dead() -> None:
    desired = desired_of(
        [an_edge(to_workload("a"), last_ms=T0 + 5), an_edge(ServiceTarget("x", "s")), an_edge(InternetTarget("d"))],
        [a_dead("ghost", T0 + 9)],
    )

    assert (desired.in_cluster, desired.internet, desired.dead, desired.last_ms) == (2, 1, 1, T0 + 9)


def test_edges_of_two_clients_to_one_target_are_one() -> None:
    first = an_edge(to_workload("a"), names=("n2",), first_ms=T0 + 3, last_ms=T0 + 5, count=2)
    second = an_edge(to_workload("a"), names=("n1",), first_ms=T0 + 1, last_ms=T0 + 4, count=3)

    (item,) = desired_of([first, second]).observed

    assert (item.names, item.first_ms, item.last_ms, item.count) == (("n1", "n2"), T0 + 1, T0 + 5, 5)


def test_names_of_one_edge_are_bounded() -> None:
    (item,) = desired_of([an_edge(to_workload("a"), names=tuple(f"n{n:02}" for n in range(40)))]).observed

    assert item.names == tuple(f"n{n:02}" for n in range(16))


def test_nothing_known_is_nothing_desired() -> None:
    desired = desired_of()

    assert (desired.targets, desired.observed, desired.last_ms) == ((), (), 0)


def test_ports_of_one_edge_are_joined_and_bounded() -> None:
    edges = [an_edge(to_workload("a"), ports=ports) for ports in ((80, 443), (), tuple(range(50, 110)))]

    (item,) = desired_of(edges).observed

    assert (item.ports, item.protocols) == ((*range(50, 110), 443), ("tcp",))
    assert len(desired_of([*edges, an_edge(to_workload("a"), ports=tuple(range(9)))]).observed[0].ports) == 64


@pytest.mark.parametrize(
    ("evidence", "percent"),
    [
        (["dns-unready"], 50),
        (["dns"], 75),
        (["dns-unready", "dns"], 75),
        (["connection"], 90),
        (["connection", "dns-unready"], 90),
        (["connection", "dns"], 95),
        (["rumour"], 0),
        ([], 0),
    ],
)
def test_confidence_is_of_the_strongest_evidence_and_more_where_two_agree(evidence: list[str], percent: int) -> None:
    assert confidence(evidence) == percent
