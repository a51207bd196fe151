"""What capture counts on its nodes → the operator's metrics."""

from dataclasses import replace

from grapevine.insight.blind_spots import Sender
from grapevine.insight.capture_metrics import FORGET_MS, MAX_SENDERS, capture_metrics
from grapevine.model.metric import MetricTable

NOW = 1_700_000_000_000
SENDER = Sender("n1", ("packet",), NOW, -250, {"frames": 9, "kernel-drops": 2})


def of(name: str, *senders: Sender) -> dict[tuple[str, ...], float]:
    (table,) = [each for each in capture_metrics(senders, NOW) if each.name == f"grapevine_capture_{name}"]
    assert isinstance(table, MetricTable)
    assert {len(table.labels)} >= {len(row) for row in table.rows}
    return dict(table.rows)


def test_losses_are_apart_from_what_went_through() -> None:
    assert {("n1", "packet", "kernel-drops"): 2} == of("losses", SENDER)
    assert {("n1", "packet", "frames"): 9} == of("events", SENDER)


def test_a_node_tells_when_it_was_heard_and_its_clock() -> None:
    assert {("n1", "packet"): NOW / 1_000} == of("heard_timestamp_seconds", SENDER)
    assert {("n1", "packet"): -0.25} == of("clock_ahead_seconds", SENDER)


def test_a_node_that_is_gone_is_forgotten() -> None:
    gone = replace(SENDER, heard_ms=NOW - FORGET_MS - 1)

    assert [] == [row for table in capture_metrics([gone], NOW) for row in table.rows]


def test_senders_of_one_node_and_source_are_one() -> None:
    older = replace(SENDER, heard_ms=NOW - 5_000, ahead_ms=7_000, counters={"frames": 1})

    for both in ((SENDER, older), (older, SENDER)):
        assert {("n1", "packet", "frames"): 10} == of("events", *both)
        assert {("n1", "packet"): -0.25} == of("clock_ahead_seconds", *both)


def test_senders_over_the_bound_are_told_together() -> None:
    crowd = [replace(SENDER, node=f"n{n:05d}") for n in range(MAX_SENDERS + 3)]

    told = of("losses", *crowd)

    assert MAX_SENDERS + 1 == len(told)
    assert 2 * 3 == told["other", "other", "kernel-drops"]
    assert MAX_SENDERS == len(of("heard_timestamp_seconds", *crowd))
