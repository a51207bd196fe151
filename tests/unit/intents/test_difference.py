"""What two sets say differently: meaning, not form."""

from typing import Any

import pytest

from grapevine.intents.difference import Change, canonical, compare, doubles
from grapevine.model.workload import WorkloadRef


def intents(*targets: dict[str, Any], name: str = "web", kind: str = "Deployment") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"workload": {"name": name, "kind": kind}, "targets": list(targets)},
    }


A: dict[str, Any] = {"kubernetes": {"name": "a"}}
B: dict[str, Any] = {"service": {"name": "b"}}


def test_says_nothing_of_what_is_the_same() -> None:
    assert () == compare([intents(A, B)], [intents(B, A)])


def test_says_per_workload_what_came_and_went() -> None:
    before = [intents(A), intents(A, name="gone")]
    after = [intents(B), intents(B, A, name="new")]

    changed, gone, new = (
        sorted(compare(before, after), key=lambda d: d.change)[1],
        *(next(d for d in compare(before, after) if d.change is change) for change in (Change.REMOVED, Change.ADDED)),
    )
    assert (WorkloadRef("shop", "Deployment", "web"), Change.CHANGED, (B,), (A,)) == (
        changed.client,
        changed.change,
        changed.added,
        changed.removed,
    )
    assert ("gone", (), (A,)) == (gone.client.name, gone.added, gone.removed)
    assert ("new", (A, B), ()) == (new.client.name, new.added, new.removed)


def test_an_object_without_targets_is_not_no_object() -> None:
    (found,) = compare([], [intents()])

    assert (Change.ADDED, (), ()) == (found.change, found.added, found.removed)


def test_another_kind_is_another_workload() -> None:
    assert [Change.REMOVED, Change.ADDED] == [
        each.change for each in compare([intents(A)], [intents(A, kind="StatefulSet")])
    ]


def test_several_objects_for_one_workload_count_as_one_and_are_named() -> None:
    twice = [intents(A), intents(B)]

    assert () == compare(twice, [intents(A, B)])
    assert (WorkloadRef("shop", "Deployment", "web"),) == doubles(twice)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"kubernetes": {"name": "a.shop"}}, {"kubernetes": {"name": "a"}}),
        ({"kubernetes": {"name": "a", "kind": "Service"}}, {"service": {"name": "a"}}),
        ({"kubernetes": {"name": "a", "kind": "", "http": []}}, {"kubernetes": {"name": "a"}}),
        ({"internet": {"domains": ["B.example.", "a.example", "b.example"]}}, None),
        ({"sql": {"name": "db", "privileges": []}}, {"sql": {"name": "db"}}),
        (
            {"service": {"name": "a", "http": [{"path": "/", "methods": ["POST", "GET"]}]}},
            {"service": {"http": [{"methods": ["GET", "POST"], "path": "/"}], "name": "a"}},
        ),
    ],
)
def test_forms_of_one_meaning_are_the_same(one: dict[str, Any], other: dict[str, Any] | None) -> None:
    others = [other] if other else [{"internet": {"domains": ["a.example"]}}, {"internet": {"domains": ["b.example"]}}]

    assert () == compare([intents(one)], [intents(*others)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"kubernetes": {"name": "a"}}, {"kubernetes": {"name": "a.other"}}),
        ({"kubernetes": {"name": "a"}}, {"kubernetes": {"name": "a", "kind": "Deployment"}}),
        ({"kubernetes": {"name": "a"}}, {"service": {"name": "a"}}),
        ({"internet": {"domains": ["a.example"]}}, {"internet": {"domains": ["a.example"], "ports": [443]}}),
        ({"internet": {"ips": ["192.0.2.1"]}}, {"internet": {"domains": ["192.0.2.1"]}}),
    ],
)
def test_other_meanings_differ(one: dict[str, Any], other: dict[str, Any]) -> None:
    (found,) = compare([intents(one)], [intents(other)])

    assert ((other,), (one,)) == (found.added, found.removed)


def test_one_item_for_each_domain_and_address_with_its_ports() -> None:
    target = {"internet": {"ips": ["192.0.2.1"], "ports": [80, 443, 80], "domains": ["b.example", "a.example"]}}

    assert [
        {"internet": {"domains": ["a.example"], "ports": [443, 80]}},
        {"internet": {"domains": ["b.example"], "ports": [443, 80]}},
        {"internet": {"ips": ["192.0.2.1"], "ports": [443, 80]}},
    ] == list(canonical(target, "shop"))


@pytest.mark.parametrize("broken", [{}, {"nonsense": {}}, {"service": {}, "kubernetes": {}}, {"service": "x"}])
def test_a_target_that_is_none_is_compared_as_it_is(broken: dict[str, Any]) -> None:
    assert () == compare([intents(broken)], [intents(broken)])
