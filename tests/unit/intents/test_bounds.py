"""What an object holds at most, and what is left out of it first."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import T0, a_workload, an_edge, an_object, desired_of, to_workload

from grapevine.intents.bounds import most_valuable
from grapevine.intents.read import read_intents, read_observed
from grapevine.intents.render import render_object, render_status
from grapevine.model.edge import DeadDependency, Edge
from grapevine.model.intents import DesiredIntents, ObservedItem
from grapevine.model.target import InternetTarget

DAY = 86_400_000
MAX_OBJECT_BYTES = 256 << 10


def items(*edges: Edge) -> list[ObservedItem]:
    return list(desired_of(edges).observed)


def kept(found: list[ObservedItem], max_items: int = 1) -> list[str]:
    return [str(item.names[0]) for item in most_valuable(found, max_items)]


def edge(name: str, **fields: Any) -> Edge:
    return an_edge(to_workload(name), names=(name,), **fields)


@pytest.mark.parametrize(
    "worth_less",
    [
        {"state": "stale"},
        {"state": "idle"},
        {"evidence": ("dns-unready",)},
        {"last_ms": T0 - 2 * DAY, "first_ms": T0 - 2 * DAY},
        {"first_ms": T0 + 1, "last_ms": T0 + 1},  # of one day, the one that came later
    ],
)
def test_what_is_worth_least_is_left_out(worth_less: dict[str, Any]) -> None:
    assert kept(items(edge("a", **worth_less), edge("b"))) == ["b"]


def test_a_name_that_never_resolved_goes_before_the_least_of_edges() -> None:
    dead = DeadDependency(a_workload(), "ghost", "NXDOMAIN", T0, T0 + 9 * DAY, 9)

    assert kept(list(desired_of([edge("a", state="stale")], [dead]).observed)) == ["a"]


def test_what_somebody_declared_stays_before_all_else() -> None:
    stale, active = items(edge("a", state="stale"), edge("b"))

    assert kept([replace(stale, declared=True), replace(active, declared=False)]) == ["a"]


def test_what_is_kept_stays_in_order() -> None:
    assert kept(items(edge("a", state="stale"), edge("c"), edge("b")), 2) == ["b", "c"]


def test_edges_that_take_turns_within_a_day_do_not_change_places() -> None:
    first, second = items(edge("a", first_ms=T0 - 5, last_ms=T0), edge("b", first_ms=T0 - 4, last_ms=T0 + 1))
    later = replace(first, last_ms=T0 + 2)

    assert kept([first, second]) == kept([later, second]) == ["a"]


def huge(number: int) -> DesiredIntents:
    def name(n: int) -> str:
        return f"{n:04}." + ".".join(["x" * 61] * 3) + ".example.com"

    return desired_of(
        [
            an_edge(
                InternetTarget(name(n)),
                names=tuple(f"{i}.{name(n)}" for i in range(16)),
                evidence=("connection", "dns"),
                ports=tuple(range(60_000, 60_064)),
                addresses=tuple(f"2001:db8:1111:2222:3333:4444:5555:{n:04x}" for n in range(32)),
                first_ms=T0 + n,
            )
            for n in range(number)
        ]
    )


@pytest.mark.parametrize("number", [150, 1_000])
def test_no_object_is_larger_than_256_kib(number: int) -> None:
    desired = huge(number)
    resource = render_object(desired, "web", read_intents(an_object()))
    actual = read_intents(resource)
    status = render_status(desired, actual, T0)["status"]

    size = len(json.dumps({**resource, "status": status}))
    assert size < MAX_OBJECT_BYTES
    assert status["truncated"]
    assert status["summary"]["omitted"] == 2 * number - len(actual.targets) - len(status["observed"])
    assert len(actual.targets) > 100


def test_targets_that_fit_are_those_known_longest_so_that_a_new_one_moves_none() -> None:
    few, many = huge(900).targets, huge(1_000).targets

    assert few == many


def test_no_target_of_a_spec_is_lost_over_a_restart_however_little_fits_into_the_status() -> None:
    desired = desired_of([edge(f"w{n:03}") for n in range(300)])
    resource = render_object(desired, "web", read_intents(an_object()))
    status = render_status(desired, read_intents(resource), T0)["status"]

    restored = {item.target for item in read_observed({**resource, "status": status})}

    assert (len(status["observed"]), status["summary"]["omitted"]) == (200, 100)
    assert restored == set(desired.targets)
