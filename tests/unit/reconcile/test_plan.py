"""The table in `reconcile.plan`, row by row."""

from typing import Any

from tests.support.builders import T0, an_edge, an_object, desired_of, to_workload

from grapevine.intents.read import read_intents
from grapevine.intents.render import render_spec, render_status
from grapevine.model.edge import DeadDependency
from grapevine.model.intents import ActualIntents, DesiredIntents
from grapevine.model.workload import WorkloadRef
from grapevine.reconcile.plan import ApplySpec, ApplyStatus, Change, Create, next_change

CART = desired_of([an_edge(to_workload("cart"))])
REFRESH_MS = 300_000


def plan(desired: DesiredIntents, actual: ActualIntents | None, *taken: str) -> Change | None:
    return next_change(desired, actual, is_taken=lambda n: n in taken, now_ms=T0, refresh_ms=REFRESH_MS)


def written(desired: DesiredIntents, *, discovered: bool = True, **spec: Any) -> ActualIntents:
    """Return an object whose status says `desired`, and, where it is discovered, its spec."""
    resource: dict[str, Any] = an_object(discovered=discovered)
    if discovered:
        resource["spec"] = render_spec(desired)
    resource["spec"].update(spec)
    status = render_status(desired, read_intents(resource), T0)["status"]
    return read_intents({**resource, "status": status})


def later(ms: int) -> DesiredIntents:
    return desired_of([an_edge(to_workload("cart"), last_ms=T0 + ms)])


def test_no_object_and_nothing_known_is_nothing_to_do() -> None:
    assert plan(desired_of(), None) is None


def test_no_object_and_an_edge_creates_a_discovered_one() -> None:
    change = plan(CART, None)

    assert isinstance(change, Create)
    assert change.resource["metadata"]["labels"]["grapevine.dev/origin"] == "discovered"


def test_no_object_and_a_dead_dependency_alone_creates_one_too() -> None:
    dead = DeadDependency(WorkloadRef("shop", "Deployment", "web"), "ghost", "NXDOMAIN", T0, T0, 1)

    assert isinstance(plan(desired_of([], [dead]), None), Create)


def test_a_new_object_takes_a_free_name() -> None:
    change = plan(CART, None, "web")

    assert isinstance(change, Create)
    assert change.resource["metadata"]["name"] == "web-deployment"


def test_nothing_known_does_not_shrink_a_discovered_object() -> None:
    assert plan(desired_of(), written(CART)) is None


def test_another_spec_is_applied_to_the_same_object() -> None:
    change = plan(desired_of([an_edge(to_workload("other"))]), written(CART))

    assert isinstance(change, ApplySpec)
    assert (change.resource["metadata"]["name"], change.resource["metadata"]["uid"]) == ("web", "uid-web")


def test_another_status_under_the_same_spec_is_applied_alone() -> None:
    unready = desired_of([an_edge(to_workload("cart"), evidence=("dns-unready",))])

    assert isinstance(plan(unready, written(CART)), ApplyStatus)


def test_a_persons_spec_is_never_applied() -> None:
    change = plan(desired_of([an_edge(to_workload("other"))]), written(CART, discovered=False))

    assert isinstance(change, ApplyStatus)
    assert "spec" not in change.resource


def test_a_persons_object_gets_a_status_even_where_nothing_is_known() -> None:
    assert isinstance(plan(desired_of(), read_intents(an_object(discovered=False))), ApplyStatus)


def test_a_persons_object_in_step_is_left_alone() -> None:
    assert plan(CART, written(CART, discovered=False)) is None


def test_last_seen_far_behind_is_worth_a_write() -> None:
    assert isinstance(plan(later(REFRESH_MS), written(CART)), ApplyStatus)


def test_last_seen_a_little_behind_is_not() -> None:
    assert plan(later(REFRESH_MS - 1), written(CART)) is None


def test_an_object_whose_spec_somebody_changed_is_put_right() -> None:
    assert isinstance(plan(CART, written(CART, targets=[])), ApplySpec)
