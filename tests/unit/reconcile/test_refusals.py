"""Refused for good, refused once, failing alone, failing with all others."""

from tests.support.builders import a_workload

from grapevine.reconcile.refusals import Refusals

WEB, CART = a_workload("web"), a_workload("cart")


def fail(refusals: Refusals, times: int) -> None:
    for _ in range(times):
        refusals.failed(WEB, "500: a webhook does not answer")


def test_a_refusal_is_tried_again_soon_and_from_then_on_rarely() -> None:
    refusals = Refusals()

    pauses = [refusals.refused(WEB, "denied") for _ in range(3)]

    assert [5_000, 60_000, 60_000] == pauses
    assert (True, (1, "denied")) == (refusals.is_final(WEB), refusals.told())
    refusals.settled(WEB, has_written=True)
    assert (False, 0, 5_000) == (refusals.is_final(WEB), len(refusals), refusals.refused(WEB, "denied"))


def test_what_keeps_failing_while_others_are_written_counts_as_refused() -> None:
    refusals = Refusals()
    fail(refusals, 4)
    refusals.settled(CART, has_written=True)
    fail(refusals, 3)
    before = refusals.is_final(WEB)

    fail(refusals, 1)

    assert (False, True) == (before, refusals.is_final(WEB))
    assert (1, "500: a webhook does not answer") == refusals.told()


def test_what_keeps_failing_as_everything_does_is_no_refusal() -> None:
    refusals = Refusals()
    refusals.settled(CART, has_written=True)
    fail(refusals, 100)
    refusals.settled(CART, has_written=False)  # nothing was to be written: that says nothing of the API server
    fail(refusals, 1)

    assert (False, 0) == (refusals.is_final(WEB), len(refusals))


def test_a_refusal_that_turns_into_a_failure_is_over() -> None:
    refusals = Refusals()
    refusals.refused(WEB, "denied")
    refusals.refused(WEB, "denied")

    fail(refusals, 1)

    assert not refusals.is_final(WEB)
