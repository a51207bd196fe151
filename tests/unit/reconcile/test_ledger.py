"""Which batches are known, and through which one everything is written."""

import pytest
from tests.support.builders import a_workload

from grapevine.reconcile import ledger as ledger_module
from grapevine.reconcile.ledger import Ledger

WEB, CART = a_workload("web"), a_workload("cart")


def a_ledger(*admitted: int, max_streams: int = 10) -> Ledger:
    ledger = Ledger(max_streams=max_streams)
    for seq in admitted:
        assert ledger.admit("s", seq, 1)
    return ledger


def durable(ledger: Ledger) -> int:
    return ledger.durable_through("s")


def test_an_unknown_stream_has_nothing_durable() -> None:
    assert durable(a_ledger()) == 0


def test_a_batch_is_new_once() -> None:
    ledger = a_ledger(1)

    assert not ledger.admit("s", 1, 1)


def test_a_batch_being_worked_on_is_not_durable() -> None:
    assert durable(a_ledger(1)) == 0


def test_a_batch_without_edges_is_durable_once_worked_on() -> None:
    ledger = a_ledger(1)
    ledger.worked("s", 1)

    assert durable(ledger) == 1


def test_a_batch_waits_for_all_its_clients() -> None:
    ledger = a_ledger(1)
    ledger.wait_for("s", 1, [WEB, CART])
    ledger.worked("s", 1)
    ledger.written(WEB)
    before = durable(ledger)
    ledger.written(CART)

    assert (before, durable(ledger)) == (0, 1)


def test_a_written_client_does_not_free_a_batch_still_worked_on() -> None:
    ledger = a_ledger(1)
    ledger.wait_for("s", 1, [WEB])
    ledger.written(WEB)

    assert durable(ledger) == 0


def test_batches_done_out_of_order_are_durable_up_to_the_gap() -> None:
    ledger = a_ledger(1, 2, 3)
    ledger.worked("s", 3)
    ledger.worked("s", 1)
    before = durable(ledger)
    ledger.worked("s", 2)

    assert (before, durable(ledger)) == (1, 3)


def test_batches_behind_one_that_has_not_arrived_are_not_durable() -> None:
    ledger = a_ledger(2, 3)
    for seq in (2, 3):
        ledger.worked("s", seq)

    assert durable(ledger) == 0


def test_a_gap_that_fills_makes_all_behind_it_durable() -> None:
    ledger = a_ledger(3, 2)
    for seq in (2, 3):
        ledger.worked("s", seq)
    ledger.admit("s", 1, 1)
    ledger.worked("s", 1)

    assert durable(ledger) == 3


def test_what_a_sender_keeps_no_longer_is_waited_for_no_more() -> None:
    ledger = a_ledger(1, 3)
    ledger.worked("s", 3)
    ledger.admit("s", 0, 3)

    assert (durable(ledger), ledger.open_batches()) == (3, 0)


def test_a_new_operator_takes_a_running_stream_from_its_oldest_batch_on() -> None:
    ledger = Ledger(max_streams=10)
    is_new = ledger.admit("s", 57, 55)

    assert (is_new, durable(ledger)) == (True, 54)


def test_a_heartbeat_is_no_batch() -> None:
    ledger = Ledger(max_streams=10)

    assert (ledger.admit("s", 0, 1), durable(ledger), ledger.open_batches()) == (False, 0, 0)


def test_the_stream_silent_longest_is_forgotten() -> None:
    ledger = Ledger(max_streams=2)
    for stream in ("a", "b", "a", "c"):
        ledger.admit(stream, 1, 1)

    assert (ledger.admit("a", 1, 1), ledger.admit("b", 1, 1)) == (False, True)


def test_a_forgotten_streams_batches_end_quietly() -> None:
    ledger = a_ledger(1, max_streams=1)
    ledger.wait_for("s", 1, [WEB])
    ledger.admit("other", 1, 1)
    ledger.wait_for("s", 1, [CART])
    ledger.worked("s", 1)
    ledger.written(WEB)

    assert (durable(ledger), ledger.open_batches()) == (0, 1)


def test_streams_do_not_mix() -> None:
    ledger = a_ledger(1)
    ledger.admit("t", 1, 1)
    ledger.worked("t", 1)

    assert (durable(ledger), ledger.durable_through("t")) == (0, 1)


def test_numbers_seen_behind_a_gap_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "_MAX_OPEN", 10)
    ledger = Ledger(max_streams=1)
    for seq in range(10, 1_000, 3):
        ledger.admit("s", seq, 1)

    assert (len(ledger._streams["s"].seen) <= 10, ledger.open_batches()) == (True, 10)
