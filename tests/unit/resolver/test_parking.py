"""Observations that wait, and what became of those nobody could tell."""

from tests.support.builders import an_observation

from grapevine.resolver.noise import Reason
from grapevine.resolver.parking import Parking
from grapevine.resolver.unresolved import UnresolvedTally

BATCH = ("s", 1)


def test_takes_out_what_has_waited_long_enough_and_no_more() -> None:
    parking = Parking(park_ms=100, max_parked=10)
    parking.try_add(an_observation(), "n1", BATCH, 0)
    parking.try_add(an_observation(), "n1", ("s", 2), 50)

    (due,) = parking.due(100)
    parking.remove(due)
    assert (due.batch, due in parking) == (BATCH, False)
    assert (parking.holds(BATCH), parking.holds(("s", 2)), len(parking)) == (False, True, 1)


def test_refuses_what_goes_over_the_bound() -> None:
    parking = Parking(park_ms=100, max_parked=1)

    assert [parking.try_add(an_observation(), "n1", BATCH, 0) for _ in range(2)] == [True, False]


def test_says_when_only_what_must_should_wait() -> None:
    parking = Parking(park_ms=100, max_parked=4)
    found = []
    for _ in range(3):
        parking.try_add(an_observation(), "n1", BATCH, 0)
        found.append(parking.is_half_full)

    assert found == [False, True, True]


def test_two_of_the_same_content_wait_apart() -> None:
    parking = Parking(park_ms=100, max_parked=2)
    for _ in range(2):
        parking.try_add(an_observation(), "n1", BATCH, 0)
    parking.remove(parking.all()[0])

    assert parking.holds(BATCH)
    assert len(parking.due(100)) == 1


def test_addresses_with_a_finding_are_named_and_bounded() -> None:
    tally = UnresolvedTally()
    for n in range(1_100):
        tally.add(an_observation(client_ip=f"10.1.{n // 256}.{n % 256}"), Reason.NO_POD)
    tally.add(an_observation(client_ip="192.0.2.2", count=9), Reason.NO_POD)

    assert (len(tally.addresses()), tally.by_reason[Reason.NO_POD]) == (1_000, 1_109)


def test_noise_has_no_address() -> None:
    tally = UnresolvedTally()
    tally.add(an_observation(), Reason.REVERSE)

    assert (tally.addresses(), tally.by_reason) == ([], {Reason.REVERSE: 1})


def test_a_forged_observation_is_named_by_who_told_it() -> None:
    tally = UnresolvedTally()
    tally.add(an_observation(client_ip="10.0.0.1"), Reason.UNTRUSTED_RESOLVER)

    assert [a.ip for a in tally.addresses()] == ["10.96.0.10"]


def test_addresses_that_asked_most_come_first() -> None:
    tally = UnresolvedTally()
    tally.add(an_observation(client_ip="10.0.0.1"), Reason.HOST_NETWORK)
    tally.add(an_observation(client_ip="10.0.0.2", count=5), Reason.HOST_NETWORK)

    assert [a.ip for a in tally.addresses()] == ["10.0.0.2", "10.0.0.1"]
