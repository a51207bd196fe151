"""The table in `reconcile.plan`, row by row."""

from dataclasses import replace
from typing import Any

import pytest
import yaml
from tests.support.builders import T0, an_edge, an_object, desired_of, to_workload
from tests.support.objects import CRD

from grapevine.intents.kept import KeptStatus, kept_status
from grapevine.intents.read import read_intents
from grapevine.intents.render import render_conflict, render_spec, render_status
from grapevine.intents.resource import status_digest
from grapevine.model.age import Age
from grapevine.model.edge import DeadDependency
from grapevine.model.intents import ActualIntents, DesiredIntents
from grapevine.model.workload import WorkloadRef
from grapevine.model.write_policy import WritePolicy
from grapevine.reconcile.plan import (
    ApplySpec,
    ApplyStatus,
    Change,
    Circumstances,
    Create,
    Delete,
    Held,
    next_change,
)

CART = desired_of([an_edge(to_workload("cart"))])
OTHER = desired_of([an_edge(to_workload("other"))])
BOTH = desired_of([an_edge(to_workload("cart")), an_edge(to_workload("other"))])
NOTHING = desired_of()
RETIRED = replace(NOTHING, retired=1)
REFRESH_MS = 300_000
AROUND = Circumstances(WritePolicy.UPSERT_ONLY, is_fresh=True, is_unwanted=False, now_ms=T0, refresh_ms=REFRESH_MS)
SYNC = replace(AROUND, policy=WritePolicy.SYNC)
OBSERVE = replace(AROUND, policy=WritePolicy.OBSERVE)
STALE = replace(AROUND, is_fresh=False)
UNWANTED = replace(AROUND, is_unwanted=True)


def plan(
    desired: DesiredIntents, *objects: ActualIntents, around: Circumstances = AROUND, taken: str = ""
) -> Change | Held | None:
    return next_change(desired, objects, around, is_taken=lambda n: n == taken)


def written(desired: DesiredIntents, *, name: str = "web", discovered: bool = True, **spec: Any) -> ActualIntents:
    """Return an object whose status says `desired`, and, where it is discovered, its spec."""
    resource: dict[str, Any] = an_object(name, discovered=discovered)
    if discovered:
        resource["spec"] = render_spec(desired)
    resource["spec"].update(spec)
    status = render_status(desired, read_intents(resource), T0)["status"]
    return read_intents({**resource, "status": status})


def later(ms: int) -> DesiredIntents:
    return desired_of([an_edge(to_workload("cart"), last_ms=T0 + ms)])


def test_no_object_and_nothing_known_is_nothing_to_do() -> None:
    assert plan(NOTHING) is None


@pytest.mark.parametrize("around", [AROUND, SYNC, STALE])
def test_no_object_and_an_edge_creates_a_discovered_one(around: Circumstances) -> None:
    change = plan(CART, around=around)

    assert isinstance(change, Create)
    assert change.resource["metadata"]["labels"]["grapevine.dev/origin"] == "discovered"


def test_no_object_and_a_dead_dependency_alone_creates_one_too() -> None:
    dead = DeadDependency(WorkloadRef("shop", "Deployment", "web"), "ghost", "NXDOMAIN", T0, T0, 1)

    assert isinstance(plan(desired_of([], [dead])), Create)


def test_a_new_object_takes_a_free_name() -> None:
    change = plan(CART, taken="web")

    assert isinstance(change, Create)
    assert change.resource["metadata"]["name"] == "web-deployment"


def test_an_object_nobody_wants_is_not_made() -> None:
    assert plan(CART, around=UNWANTED) == Held("unwanted")


def test_who_only_observes_makes_no_object() -> None:
    assert plan(CART, around=OBSERVE) == Held("observe")


@pytest.mark.parametrize("around", [AROUND, SYNC, STALE, OBSERVE])
def test_nothing_known_does_not_shrink_a_discovered_object(around: Circumstances) -> None:
    assert plan(NOTHING, written(CART), around=around) is None


def test_what_is_known_to_be_gone_empties_the_spec() -> None:
    change = plan(RETIRED, written(CART))

    assert isinstance(change, ApplySpec)
    assert change.resource["spec"]["targets"] == []


@pytest.mark.parametrize(
    ("around", "is_deleted"), [(AROUND, False), (SYNC, True), (replace(SYNC, is_fresh=False), False)]
)
def test_an_object_that_says_nothing_any_more_is_deleted_by_who_may(around: Circumstances, is_deleted: bool) -> None:
    empty = written(RETIRED)

    assert plan(NOTHING, empty, around=around) == (Delete(empty) if is_deleted else None)


def test_another_spec_is_applied_to_the_same_object_in_the_version_that_is_known() -> None:
    change = plan(OTHER, written(CART))

    assert isinstance(change, ApplySpec)
    metadata = change.resource["metadata"]
    assert (metadata["name"], metadata["uid"], metadata["resourceVersion"]) == ("web", "uid-web", "1")


def test_nothing_leaves_a_spec_before_the_map_is_known_to_be_whole() -> None:
    told = plan(OTHER, written(CART), around=STALE)
    assert isinstance(told, ApplyStatus)  # that it was seen is said at once
    held = plan(OTHER, written(OTHER, targets=[{"kubernetes": {"name": "cart", "kind": "Deployment"}}]), around=STALE)

    assert held == Held("not-fresh")


def test_what_only_adds_is_applied_before_that() -> None:
    assert isinstance(plan(BOTH, written(CART), around=STALE), ApplySpec)


def test_who_only_observes_says_it_in_the_status_alone() -> None:
    change = plan(BOTH, written(CART), around=OBSERVE)

    assert isinstance(change, ApplyStatus)


def test_another_status_under_the_same_spec_is_applied_alone() -> None:
    unready = desired_of([an_edge(to_workload("cart"), evidence=("dns-unready",))])

    assert isinstance(plan(unready, written(CART)), ApplyStatus)


@pytest.mark.parametrize("around", [AROUND, SYNC, OBSERVE, STALE, UNWANTED])
def test_a_persons_spec_is_never_applied(around: Circumstances) -> None:
    change = plan(OTHER, written(CART, discovered=False), around=around)

    assert isinstance(change, ApplyStatus)
    assert "spec" not in change.resource


def test_a_persons_object_gets_a_status_even_where_nothing_is_known() -> None:
    assert isinstance(plan(NOTHING, read_intents(an_object(discovered=False))), ApplyStatus)


@pytest.mark.parametrize("around", [AROUND, SYNC])
def test_a_persons_object_in_step_is_left_alone(around: Circumstances) -> None:
    assert plan(CART, written(CART, discovered=False), around=around) is None


def test_a_persons_object_about_nothing_seen_is_never_deleted() -> None:
    assert plan(NOTHING, written(NOTHING, discovered=False), around=SYNC) is None


def test_last_seen_far_behind_is_worth_a_write() -> None:
    assert isinstance(plan(later(REFRESH_MS), written(CART)), ApplyStatus)


def test_last_seen_a_little_behind_is_not() -> None:
    assert plan(later(REFRESH_MS - 1), written(CART)) is None


@pytest.mark.parametrize("discovered", [True, False])
def test_a_second_object_gets_a_conflict_once(discovered: bool) -> None:
    mine, second = written(CART, discovered=False), written(CART, name="second", discovered=discovered)

    change = plan(CART, mine, second)

    assert isinstance(change, ApplyStatus)
    assert change.resource == render_conflict(second, mine, T0)
    told = replace(second, status_digest=status_digest(change.resource["status"]))
    assert plan(CART, mine, told) is None


def test_a_discovered_object_in_whose_place_a_persons_is_goes_where_that_is_allowed() -> None:
    mine, second = written(CART, discovered=False), written(CART, name="second")

    assert plan(CART, mine, second, around=SYNC) == Delete(second)


def test_of_two_discovered_objects_none_is_deleted() -> None:
    assert isinstance(plan(CART, written(CART), written(CART, name="second"), around=SYNC), ApplyStatus)


def test_of_two_objects_of_a_person_none_is_deleted() -> None:
    mine = written(CART, discovered=False)

    assert isinstance(plan(CART, mine, written(CART, name="b", discovered=False), around=SYNC), ApplyStatus)


# --- what the cluster's schema keeps


def stored(desired: DesiredIntents, kept: KeptStatus) -> ActualIntents:
    """Return the object as a cluster that keeps that much of a status has it once it was written."""
    resource: dict[str, Any] = {**an_object("web"), "spec": render_spec(desired)}
    status = kept.fit(render_status(desired, read_intents(resource), T0))["status"]
    return read_intents({**resource, "status": status})


def a_schema(*without: str) -> KeptStatus:
    """Return what our own schema keeps without some fields, by their paths below `status`."""
    schema = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for path in without:
        of = schema["properties"]["status"]
        *above, name = path.split(".")
        for each in above:
            of = of["properties"][each.removesuffix("[]")]
            of = of["items"] if each.endswith("[]") else of
        del of["properties"][name]
    return kept_status(schema)


@pytest.mark.parametrize("path", ["lastSeen", "summary.overflow", "observed[].heardSeconds", "observed[].target"])
def test_a_field_that_is_not_kept_is_not_written_and_its_absence_is_no_difference(path: str) -> None:
    kept = a_schema(path)
    desired = desired_of(
        [an_edge(to_workload("cart"), last_ms=T0 + REFRESH_MS, age=Age(("packet",), 0, 60 * REFRESH_MS))]
    )
    around = replace(AROUND, kept=kept)
    actual = stored(desired, kept)
    fresh = replace(actual, status_digest="", status_last_ms=0)

    change = plan(desired, fresh, around=around)

    assert (path,) == kept.lacking
    assert isinstance(change, ApplyStatus)
    assert change.resource["status"] == kept.fit(render_status(desired, fresh, T0))["status"]
    assert plan(desired, actual, around=around) is None


@pytest.mark.parametrize("without", ["observed", "conditions"])
def test_a_status_that_is_not_ours_is_never_written(without: str) -> None:
    around = replace(SYNC, kept=a_schema(without))
    mine = read_intents(an_object("mine", discovered=False, created="2023-11-14T22:13:20Z"))
    second = read_intents(an_object("second", discovered=False, created="2023-11-14T22:13:21Z"))

    assert isinstance(plan(CART, around=around), Create)
    assert isinstance(plan(BOTH, written(CART), around=around), ApplySpec)
    assert plan(CART, replace(written(CART), status_digest=""), around=around) is None
    assert plan(CART, mine, second, around=around) is None
