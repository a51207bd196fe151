"""The cluster's objects by workload."""

from tests.support.builders import a_workload, an_actual

from grapevine.model.intents import ActualIntents
from grapevine.reconcile.actual import ActualStore


def a_store(*objects: ActualIntents) -> ActualStore:
    store = ActualStore()
    for each in objects:
        store.put(each)
    return store


def in_force(store: ActualStore, kind: str = "Deployment") -> str | None:
    found = store.object_of(a_workload(kind=kind))
    return found.name if found else None


def test_a_persons_object_goes_before_a_discovered_one() -> None:
    assert in_force(a_store(an_actual("a"), an_actual("b", discovered=False))) == "b"


def test_an_object_that_names_the_kind_goes_before_one_that_leaves_it_open() -> None:
    store = a_store(an_actual("a", kind="", discovered=False), an_actual("b", discovered=False))

    assert in_force(store) == "b"


def test_of_equals_the_oldest_is_in_force_and_the_others_are_told_of() -> None:
    old = an_actual("z", discovered=False, created="2026-01-01T00:00:00Z")
    new = an_actual("a", discovered=False, created="2026-01-01T00:00:01Z")

    assert a_store(new, old).objects_of(a_workload()) == [old, new]


def test_of_equals_of_one_second_the_first_by_name_is_in_force() -> None:
    assert in_force(a_store(an_actual("b", discovered=False), an_actual("a", discovered=False))) == "a"


def test_a_discovered_object_is_a_second_one_beside_a_persons_of_any_kind() -> None:
    open_, discovered = an_actual("a", kind="", discovered=False), an_actual("b")

    assert a_store(discovered, open_).objects_of(a_workload()) == [open_, discovered]


def test_an_object_of_any_kind_beside_one_of_this_kind_is_no_second_one() -> None:
    kinded, open_ = an_actual("a", discovered=False), an_actual("b", kind="", discovered=False)

    assert a_store(open_, kinded).objects_of(a_workload()) == [kinded]


def test_a_person_may_leave_the_kind_open() -> None:
    assert in_force(a_store(an_actual(kind="", discovered=False))) == "web"


def test_a_discovered_object_without_kind_is_about_no_other_kind() -> None:
    assert in_force(a_store(an_actual(kind=""))) is None


def test_an_object_is_about_its_kind_alone() -> None:
    assert in_force(a_store(an_actual()), "StatefulSet") is None


def test_a_late_event_does_not_bring_an_old_state_back() -> None:
    store = a_store(an_actual(version=5))

    assert (store.put(an_actual(version=4)), store.put(an_actual(version=5))) == (False, False)


def test_an_object_made_again_is_news_whatever_its_version() -> None:
    assert a_store(an_actual(version=5)).put(an_actual(uid="new", version=1))


def test_an_object_may_come_to_be_about_another_workload() -> None:
    store = a_store(an_actual(discovered=False))
    store.put(an_actual(discovered=False, workload="other", version=2))

    assert (in_force(store), store.is_taken("shop", "web")) == (None, True)


def test_a_deletion_told_late_does_not_take_the_successor() -> None:
    store = a_store(an_actual(uid="new"))
    store.drop("shop", "web", "old")

    assert in_force(store) == "web"


def test_a_deleted_object_frees_name_and_workload() -> None:
    store = a_store(an_actual())
    store.drop("shop", "web", "uid-web")

    assert (in_force(store), store.is_taken("shop", "web"), len(store)) == (None, False, 0)
