"""When a message is tried again, and when it is given up."""

import pytest

from grapevine.export.delivery import TRIES, Outcome, asked_pause_s, outcome_of, pause_s


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ((200, 202, 204), Outcome.DELIVERED),
        ((301, 302, 307, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504), Outcome.AGAIN),
        ((400, 413, 415, 422), Outcome.REFUSED),
        ((410,), Outcome.GONE),
    ],
)
def test_what_a_status_says(statuses: tuple[int, ...], outcome: Outcome) -> None:
    assert {outcome_of(status) for status in statuses} == {outcome}


def test_pauses_grow_to_ten_minutes_and_to_half_an_hour_in_all() -> None:
    longest = [pause_s(tried, 0.0, 1.0) for tried in range(1, TRIES)]

    assert longest == [1, 4, 16, 64, 256, 600, 600]
    assert [pause_s(tried, 0.0, 0.0) for tried in range(1, TRIES)] == [pause / 2 for pause in longest]


def test_a_receiver_may_ask_for_longer_and_not_for_ever() -> None:
    assert (pause_s(1, 30.0, 1.0), pause_s(4, 30.0, 1.0), pause_s(1, 86_400.0, 0.0)) == (30, 64, 600)


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("", 0), ("-1", 0), ("Fri, 31 Dec 1999 23:59:59 GMT", 0), ("9" * 7, 0)]
)
def test_reads_retry_after(header: str, seconds: float) -> None:
    assert asked_pause_s(header) == seconds
