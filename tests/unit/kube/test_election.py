"""Who leads: each row of the table, on a clock of the test's."""

from dataclasses import replace

import pytest

from grapevine.kube.election import MAX_DURATION_S, Election, Lease, Read, Replica, Timing, Write, parse_identity

TIMING = Timing()
ME = Replica("operator-a", "uid-a", "10.244.0.7:8443")
OTHER = Replica("operator-b", "uid-b", "10.244.0.8:8443")
OTHERS = Lease(OTHER.identity, 12.0, 3, "70", "2026-01-01", "2026-01-01")


def elected(now_s: float = 0.0) -> Election:
    """Return the election of a replica that was granted the Lease at version 1."""
    election = Election(ME, TIMING)
    assert Read() == election.ask(now_s)
    election.found(None, now_s)
    step = election.ask(now_s)
    assert isinstance(step, Write)
    election.written(replace(step.lease, version="1", renewed="one"), now_s)
    return election


def test_creates_a_lease_that_is_not_there_and_leads_from_when_it_asked() -> None:
    election = Election(ME, TIMING)
    assert Read() == election.ask(100)
    election.found(None, 101)
    assert 0 == election.wait_s(101)
    assert Write(Lease(ME.identity, 12.0, 0)) == election.ask(102)

    election.written(Lease(ME.identity, 12.0, 0, "1"), 105)

    assert (102 + 8 - 105, ME) == (election.left_s(105), election.leader(105))
    assert (0.0, None) == (election.left_s(110), election.leader(110))


def test_takes_what_has_no_holder_at_once_in_a_new_term() -> None:
    election = Election(ME, TIMING)
    election.ask(0)
    election.found(replace(OTHERS, holder=""), 0)

    assert Write(Lease(ME.identity, 12.0, 4, "70")) == election.ask(0)


def test_waits_for_another_until_its_lease_has_not_changed_for_its_duration() -> None:
    election = Election(ME, TIMING)
    for now_s, renewed in ((0, "a"), (2, "b"), (4, "b"), (13, "b")):
        assert Read() == election.ask(now_s)
        election.found(replace(OTHERS, renewed=renewed), now_s)
        assert OTHER == election.leader(now_s)
    assert 1 == election.wait_s(13), "no longer than until it is free"
    assert None is election.leader(14)

    assert Read() == election.ask(14)
    election.found(replace(OTHERS, renewed="b", version="71"), 14)

    assert Write(Lease(ME.identity, 12.0, 4, "71")) == election.ask(14), "a label somebody set is no renewal"


def test_never_compares_its_clock_with_the_times_in_the_lease() -> None:
    election = Election(ME, TIMING)
    election.ask(0)
    election.found(replace(OTHERS, renewed="1999-01-01T00:00:00Z"), 0)

    assert Read() == election.ask(2)


@pytest.mark.parametrize(("duration_s", "free_s"), [(0.0, 12), (-5.0, 12), (30.0, 30), (1e9, MAX_DURATION_S)])
def test_a_duration_of_anothers_is_kept_within_bounds(duration_s: float, free_s: float) -> None:
    election = Election(ME, TIMING)
    election.ask(0)
    election.found(replace(OTHERS, duration_s=duration_s), 0)

    assert OTHER == election.leader(free_s - 0.1)
    assert None is election.leader(free_s)


def test_takes_at_once_what_an_earlier_process_of_its_pod_held() -> None:
    election = Election(ME, TIMING)
    election.ask(0)
    election.found(Lease(replace(ME, address="10.244.0.7:1").identity, 12.0, 5, "9"), 0)

    assert None is election.leader(0)
    assert Write(Lease(ME.identity, 12.0, 6, "9")) == election.ask(0)


def test_a_pod_made_anew_under_the_same_name_waits() -> None:
    election = Election(ME, TIMING)
    election.ask(0)
    election.found(Lease(replace(ME, uid="before").identity, 12.0, 5, "9"), 0)

    assert Read() == election.ask(2)


def test_a_lease_that_goes_while_another_may_lead_is_not_created_before_its_time() -> None:
    election = Election(ME, TIMING)
    election.ask(0)
    election.found(OTHERS, 0)
    election.ask(11)
    election.found(None, 11)
    assert Read() == election.ask(12)
    election.found(None, 12)

    assert Write(Lease(ME.identity, 12.0, 4)) == election.ask(12)


def test_renews_the_version_it_was_granted() -> None:
    election = elected()

    assert Write(Lease(ME.identity, 12.0, 0, "1", renewed="one")) == election.ask(2)
    election.written(Lease(ME.identity, 12.0, 0, "2"), 3)
    assert (7, 2) == (election.left_s(3), election.wait_s(3))


def test_a_leader_that_is_cut_off_stops_writing_and_leads_on_where_the_lease_is_as_it_left_it() -> None:
    election = elected()
    for now_s in (2, 6, 10, 60):
        election.ask(now_s)
        election.failed()
    assert (0.0, False) == (election.left_s(60), election.is_deposed)

    assert isinstance(election.ask(62), Write)
    election.written(Lease(ME.identity, 12.0, 0, "2"), 62)

    assert 8 == election.left_s(62)


def test_a_renewal_without_an_answer_is_found_again() -> None:
    election = elected()
    election.ask(2)
    election.failed()
    election.ask(4)
    election.refused()
    assert (0, Read()) == (election.wait_s(4), election.ask(4))
    election.found(Lease(ME.identity, 12.0, 0, "2", renewed="two"), 4)

    assert 4 == election.left_s(4), "found is not granted: it may have been written long ago"
    assert Write(Lease(ME.identity, 12.0, 0, "2", renewed="two")) == election.ask(4)


@pytest.mark.parametrize(
    "found",
    [OTHERS, replace(OTHERS, holder=""), None, Lease(ME.identity, 12.0, 1, "2")],
    ids=["another", "nobody", "gone", "a later process of its pod"],
)
def test_is_deposed_for_good_by_whatever_it_did_not_write(found: Lease | None) -> None:
    election = elected()
    election.ask(2)
    election.refused()
    election.ask(2)
    election.found(found, 2)

    assert election.is_deposed
    assert 0 == election.left_s(2)


def test_lets_go_of_the_lease_and_leads_no_more_from_then_on() -> None:
    election = elected()
    election.release()
    assert 0 == election.left_s(1)
    assert Write(Lease("", 12.0, 0, "1", renewed="one")) == election.ask(1)
    election.written(Lease("", 12.0, 0, "2"), 1)

    assert election.is_out


def test_lets_go_where_the_answer_to_its_last_renewal_was_lost() -> None:
    election = elected()
    election.release()
    election.ask(1)
    election.refused()
    assert Read() == election.ask(1)
    election.found(Lease(ME.identity, 12.0, 0, "2", renewed="two"), 1)
    assert Write(Lease("", 12.0, 0, "2", renewed="two")) == election.ask(1)


def test_lets_go_of_nothing_that_is_not_its_own() -> None:
    election = Election(ME, TIMING)
    election.release()
    assert election.is_out


@pytest.mark.parametrize("text", ["operator-a/uid-a/10.244.0.7:8443", "operator-a/uid-a/[fd00::7]:8443", "a/b/"])
def test_an_identity_is_read_as_it_was_written(text: str) -> None:
    assert text == parse_identity(text).identity


@pytest.mark.parametrize("text", ["somebody", "a/b", "", "/"])
def test_any_other_identity_is_somebody_without_an_address(text: str) -> None:
    assert Replica(text, "") == parse_identity(text)
