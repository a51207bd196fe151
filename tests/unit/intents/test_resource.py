"""The resource, out and back in."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import (
    DOMAIN,
    T0,
    a_graph,
    a_workload,
    an_actual,
    an_edge,
    an_object,
    desired_of,
    to_workload,
)

from grapevine.intents.read import read_intents, read_observed
from grapevine.intents.render import render_object, render_spec, render_status, render_target
from grapevine.model.age import Age
from grapevine.model.edge import DeadDependency, Edge
from grapevine.model.errors import PermanentInputError
from grapevine.model.intents import DesiredIntents
from grapevine.model.target import InternetTarget, ServiceTarget, Target
from grapevine.resolver.names import destinations_of

WEB = a_workload()
EDGES = [
    an_edge(to_workload("cart"), names=("cart.shop.svc.cluster.local",), last_ms=T0 + 1_234, count=7),
    an_edge(
        to_workload("redis", namespace="orders"),
        names=("r-0.redis.orders.svc.cluster.local",),
        evidence=("connection", "dns"),
        ports=(6379, 16379),
    ),
    an_edge(ServiceTarget("default", "kubernetes"), names=("kubernetes.default.svc.cluster.local",)),
    an_edge(
        InternetTarget("api.example.com"),
        names=("api.example.com",),
        first_ms=T0 - 9,
        state="idle",
        age=Age(("dnstap", "packet"), 5_000, 3_601_000),
        addresses=("192.0.2.7", "2001:db8::1"),
    ),
]
DEAD = [DeadDependency(WEB, "ghost", "SERVFAIL", T0, T0 + 3, 4)]


def in_cluster(desired: DesiredIntents, max_observed: int = 200) -> dict[str, Any]:
    """Return the object as it stands after a spec and a status were written."""
    resource = render_object(desired, "web", an_actual(uid="uid-web"))
    actual = read_intents({**resource, "metadata": {**resource["metadata"], "generation": 1}})
    return {**resource, "status": render_status(desired, actual, T0, max_observed=max_observed)["status"]}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (to_workload("cart"), {"kubernetes": {"name": "cart", "kind": "Deployment"}}),
        (to_workload("cart", namespace="orders", kind=""), {"kubernetes": {"name": "cart.orders"}}),
        (ServiceTarget("shop", "cart"), {"service": {"name": "cart"}}),
        (ServiceTarget("orders", "cart"), {"service": {"name": "cart.orders"}}),
        (ServiceTarget("default", "kubernetes"), {"service": {"name": "kubernetes.default"}}),
        (InternetTarget("example.com"), {"internet": {"domains": ["example.com"]}}),
    ],
)
def test_says_a_target_as_seen_from_the_clients_namespace(target: Target, expected: dict[str, Any]) -> None:
    assert render_target(target, "shop") == expected


def test_the_api_server_keeps_its_name_in_its_own_namespace() -> None:
    assert render_target(ServiceTarget("default", "kubernetes"), "default") == {
        "service": {"name": "kubernetes.default"}
    }


def test_a_workload_named_by_an_annotation_has_no_kind() -> None:
    assert render_spec(desired_of(client=a_workload("ui", kind=""))) == {"workload": {"name": "ui"}, "targets": []}


def test_a_spec_does_not_depend_on_counts_or_times() -> None:
    later = [an_edge(e.target, names=e.names, last_ms=e.last_ms + 9, count=99) for e in EDGES]

    assert render_spec(desired_of(EDGES)) == render_spec(desired_of(reversed(later)))


def test_what_was_written_reads_back_as_it_was() -> None:
    desired = desired_of(EDGES, DEAD)

    actual = read_intents(in_cluster(desired))

    assert (actual.client, actual.discovered, len(actual.targets)) == (WEB, True, 4)
    assert actual.status_last_ms == desired.last_ms


def restored(resource: dict[str, Any]) -> DesiredIntents:
    graph = a_graph()
    for item in read_observed(resource):
        if item.target is None:
            seen = (item.first_ms, item.last_ms, item.count)
            graph.restore_dead(DeadDependency(WEB, item.names[0], item.rcode, *seen, item.age))
        else:
            seen = (item.first_ms, item.last_ms, item.count)
            aged = {"state": item.state, "age": item.age, "addresses": item.addresses}
            told = (*seen, item.ports, item.protocols)
            edge = Edge(WEB, item.target, item.names, item.evidence, *told, **aged)  # type: ignore[arg-type]
            graph.restore_edge(WEB, destinations_of(item.names, item.target, DOMAIN), edge, lambda _, t=item.target: t)
    return desired_of(graph.edges(WEB), graph.dead(WEB))


def test_a_restart_desires_what_was_written() -> None:
    desired = desired_of([*EDGES, an_edge(to_workload("db"), evidence=("connection",), ports=(5432,), count=3)], DEAD)

    assert restored(in_cluster(desired)) == desired


def test_a_spec_names_no_port() -> None:
    without = [an_edge(e.target, names=e.names) for e in EDGES]

    assert render_spec(desired_of(EDGES)) == render_spec(desired_of(without))


@pytest.mark.parametrize("ports", [None, 80, "80", [0, 65_536, -1, True, "80", None, 80.5, {}]])
def test_nonsense_in_the_ports_of_a_status_is_left_out(ports: Any) -> None:
    resource = in_cluster(desired_of(EDGES))
    resource["status"]["observed"][0]["ports"] = ports

    assert read_observed(resource)[0].ports == ()


def test_targets_cut_from_the_status_come_back_from_the_spec() -> None:
    desired = desired_of(EDGES, DEAD)

    assert restored(in_cluster(desired, max_observed=1)).targets == desired.targets


def test_a_status_without_a_usable_time_restores_nothing_of_it() -> None:
    resource = an_object(discovered=False)
    resource["status"] = {"observed": [{"target": {"service": {"name": "x"}}, "names": ["x"]}, 7, None]}

    assert read_observed(resource) == ()


def test_a_persons_targets_are_not_observations() -> None:
    assert read_observed(an_object(discovered=False, targets=[{"service": {"name": "x"}}])) == ()


@pytest.mark.parametrize(
    "resource",
    [
        {},
        {"metadata": 3, "spec": []},
        {"metadata": {"name": "a", "namespace": "n"}, "spec": {"workload": {"name": ""}}},
        {"metadata": {"name": "a", "namespace": "n"}, "spec": {"workload": "web"}},
    ],
)
def test_an_object_without_a_workload_is_refused(resource: dict[str, Any]) -> None:
    with pytest.raises(PermanentInputError, match="say which workload it is about"):
        read_intents(resource)


@pytest.mark.parametrize("targets", [None, 3, "x", [None, 3, []], [{"kubernetes": 3}], [{"internet": {"domains": 3}}]])
def test_nonsense_in_a_persons_targets_is_survived(targets: Any) -> None:
    resource = an_object(discovered=False)
    resource["spec"]["targets"] = targets  # type: ignore[index]

    assert read_intents(resource).client == WEB


def conditions(desired: DesiredIntents, **actual: Any) -> dict[str, tuple[str, str]]:
    status = render_status(desired, an_actual(**actual), T0)["status"]
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


def test_conditions_of_a_discovered_object() -> None:
    assert conditions(desired_of(EDGES)) == {
        "Ready": ("True", "Discovered"),
        "Observed": ("True", "LookupsSeen"),
        "Resolved": ("True", "AllResolved"),
        "Drifted": ("False", "InStep"),
    }


def test_connections_alone_are_no_look_ups() -> None:
    found = conditions(desired_of([an_edge(to_workload("db"), evidence=("connection",))]))

    assert found["Observed"] == ("True", "ConnectionsSeen")


def test_conditions_of_a_persons_object_that_differs() -> None:
    found = conditions(desired_of(EDGES, DEAD), discovered=False)

    assert (found["Ready"], found["Resolved"], found["Drifted"]) == (
        ("True", "Declared"),
        ("False", "DeadDependency"),
        ("True", "TargetsDiffer"),
    )


def test_a_persons_object_of_a_workload_never_heard_says_so() -> None:
    assert conditions(desired_of(), discovered=False)["Observed"] == ("False", "NothingSeen")


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    resource = in_cluster(desired_of(EDGES))
    status = render_status(desired_of(EDGES, DEAD), read_intents(resource), T0 + 60_000)["status"]

    since = {c["type"]: c["lastTransitionTime"] for c in status["conditions"]}
    assert since == {
        "Ready": "2023-11-14T22:13:20Z",
        "Observed": "2023-11-14T22:13:20Z",
        "Resolved": "2023-11-14T22:14:20Z",
        "Drifted": "2023-11-14T22:13:20Z",
    }


def test_dead_names_are_shown_and_the_rest_counted() -> None:
    dead = [DeadDependency(WEB, f"ghost{n}", "NXDOMAIN", T0, T0, 1) for n in range(8)]
    status = render_status(desired_of([], dead), an_actual(), T0)["status"]

    message = next(c["message"] for c in status["conditions"] if c["type"] == "Resolved")
    assert message == "never resolved: ghost0, ghost1, ghost2, ghost3, ghost4 and 3 more"


def test_an_owner_that_could_not_be_read_is_the_reason_of_what_was_observed() -> None:
    desired = replace(desired_of([an_edge(to_workload("cart"))]), unread_owner="Revision.serving.knative.dev")

    assert conditions(desired)["Observed"] == ("True", "OwnerUnread")
