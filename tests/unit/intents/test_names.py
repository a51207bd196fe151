"""`metadata.name` of a new object."""

import re

import pytest
from tests.support.builders import a_workload

from grapevine.intents.resource import digest, object_name, status_digest
from grapevine.model.workload import WorkloadRef

VALID = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def name_of(client: WorkloadRef, *taken: str) -> str:
    return object_name(client, lambda name: name in taken)


def test_a_valid_name_of_nobody_else_is_the_workloads_own() -> None:
    assert name_of(a_workload("web")) == "web"


def test_a_taken_name_gets_the_kind() -> None:
    assert name_of(a_workload("web", kind="StatefulSet"), "web") == "web-statefulset"


def test_a_name_taken_with_its_kind_too_gets_a_mark() -> None:
    assert re.fullmatch(r"web-deployment-[0-9a-f]{8}", name_of(a_workload("web"), "web", "web-deployment"))


def test_a_taken_name_without_kind_gets_a_mark() -> None:
    assert re.fullmatch(r"web-[0-9a-f]{8}", name_of(a_workload("web", kind=""), "web"))


@pytest.mark.parametrize("name", ["my_app", "MyApp", "a_", "_", "-x-", "x" * 300, "x" * 253 + "_", "é", "a_-_b"])
def test_a_name_that_is_no_object_name_is_altered_into_one(name: str) -> None:
    found = name_of(a_workload(name))

    assert VALID.fullmatch(found)
    assert len(found) <= 253
    assert re.search(r"-deployment-[0-9a-f]{8}$", found)


def test_altered_names_that_look_alike_differ() -> None:
    assert name_of(a_workload("my_app")) != name_of(a_workload("my-app_"))


def test_the_longest_valid_name_stays() -> None:
    assert name_of(a_workload("x" * 253)) == "x" * 253


def test_the_longest_name_taken_is_cut_for_its_mark() -> None:
    found = name_of(a_workload("x" * 253), "x" * 253)

    assert (len(found), found[:5]) == (253, "xxxxx")


def test_names_split_elsewhere_never_collide() -> None:
    first, second = a_workload("b_c", namespace="a"), a_workload("c", namespace="a-b")

    assert name_of(first)[-8:] != name_of(second, "c", "c-deployment")[-8:]


def test_equal_circumstances_give_equal_names() -> None:
    assert name_of(a_workload("my_app"), "x") == name_of(a_workload("my_app"), "y")


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})


def test_what_always_moves_is_no_difference_of_status() -> None:
    before = {"mode": "Observe", "lastSeen": "1", "observed": [{"state": "active", "count": 1, "lastSeen": "1"}]}
    after = {"mode": "Observe", "lastSeen": "2", "observed": [{"state": "active", "count": 9, "lastSeen": "2"}]}

    assert status_digest(before) == status_digest(after)


def test_what_others_write_into_a_status_is_no_difference() -> None:
    assert status_digest({"mode": "Observe", "resolvedIPs": [1]}) == status_digest({"mode": "Observe"})


def test_no_status_has_no_digest() -> None:
    assert status_digest({"resolvedIPs": []}) == ""


def test_where_a_stranger_has_even_the_last_name_the_next_one_is_the_same_each_time() -> None:
    client = a_workload("a")
    last = name_of(client, "a", "a-deployment")

    following = name_of(client, "a", "a-deployment", last)

    assert following != last
    assert following == name_of(client, "a", "a-deployment", last)
    assert following.startswith("a-deployment-")
