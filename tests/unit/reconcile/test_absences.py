"""Objects nobody wants."""

import pytest
from tests.support.builders import T0, a_workload

from grapevine.reconcile import absences as absences_module
from grapevine.reconcile.absences import Absences

WEB = a_workload()


def deleted_at(now_ms: int) -> Absences:
    absences = Absences(grace_ms=1_000)
    absences.note(WEB, now_ms)
    return absences


def test_what_nobody_deleted_is_wanted() -> None:
    assert not deleted_at(T0).is_unwanted(a_workload("cart"), 0)


@pytest.mark.parametrize(("seen_ms", "is_unwanted"), [(0, True), (T0 + 1_000, True), (T0 + 1_001, False)])
def test_it_stays_away_until_something_newer_than_the_grace_is_seen(seen_ms: int, is_unwanted: bool) -> None:
    assert deleted_at(T0).is_unwanted(WEB, seen_ms) is is_unwanted


def test_what_was_wanted_again_is_not_asked_about_twice() -> None:
    absences = deleted_at(T0)
    absences.is_unwanted(WEB, T0 + 2_000)

    assert not absences.is_unwanted(WEB, 0)


def test_a_second_deletion_begins_anew() -> None:
    absences = deleted_at(T0)
    absences.note(WEB, T0 + 5_000)

    assert absences.is_unwanted(WEB, T0 + 5_500)


def test_deletions_are_forgotten_over_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absences_module, "_MAX_DELETED", 1)
    absences = deleted_at(T0)
    absences.note(a_workload("cart"), T0)

    assert not absences.is_unwanted(WEB, T0)
