import pytest
from tests.support.packets import a_batch, an_observation

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.spool import HEADER_BYTES, Spool
from grapevine.wire.codec import decode_batch


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def spool(counters: Counters) -> Spool:
    return Spool(1 << 20, counters)


def send_all(spool: Spool) -> list[int]:
    sent = []
    while (kept := spool.next_unsent()) is not None:
        sent.append(kept.header.seq)
        spool.mark_sent(kept.header.seq)
    return sent


def test_gives_batches_in_order_and_keeps_them_until_durable(spool: Spool) -> None:
    for seq in (1, 2, 3):
        spool.add(a_batch(seq))
    assert send_all(spool) == [1, 2, 3]
    spool.forget_through(2)
    assert (len(spool), spool.oldest) == (1, 3)
    spool.forget_through(3)
    assert (len(spool), spool.oldest) == (0, 4)


def test_gives_everything_kept_again_in_order(spool: Spool) -> None:
    for seq in (1, 2, 3, 4):
        spool.add(a_batch(seq))
    send_all(spool)
    spool.forget_through(1)
    spool.add(a_batch(5))
    assert spool.resend() == 3
    assert send_all(spool) == [2, 3, 4, 5]


def test_takes_nothing_as_durable_that_was_not_sent(spool: Spool) -> None:
    spool.add(a_batch(1))
    spool.forget_through(9)
    assert spool.next_unsent() is not None


def test_drops_the_oldest_for_the_newest_and_counts(counters: Counters) -> None:
    spool = Spool(3 * HEADER_BYTES + 3 * 400, counters)
    for seq in range(1, 6):
        spool.add(a_batch(seq))
    assert (spool.oldest, len(spool), counters[Reason.SPOOL_OVERFLOW]) == (3, 3, 2)
    assert send_all(spool) == [3, 4, 5]


def test_keeps_a_batch_that_is_larger_than_the_bound(counters: Counters) -> None:
    spool = Spool(100, counters)
    spool.add(a_batch(1, observations=50))
    assert len(spool) == 1


def test_goes_on_behind_a_batch_that_was_refused(spool: Spool) -> None:
    for seq in (1, 2, 3):
        spool.add(a_batch(seq))
    spool.mark_sent(1)
    spool.drop(2)
    assert send_all(spool) == [3]


def test_has_room_while_half_full(counters: Counters) -> None:
    spool = Spool(4 * HEADER_BYTES, counters)
    assert spool.has_room()
    spool.add(a_batch(1))
    spool.add(a_batch(2))
    assert not spool.has_room()


@pytest.mark.parametrize("deflate", [False, True])
def test_encodes_the_header_as_it_is_when_sent(spool: Spool, deflate: bool) -> None:
    spool.add(a_batch(7, observations=2))
    kept = spool.next_unsent()
    assert kept is not None
    batch = decode_batch(kept.encode(5, 7_000, {"resent": 1}, deflate=deflate), deflate=deflate)
    assert batch.observations == (an_observation(),) * 2
    header = batch.header
    assert (header.oldest, header.clock_ms, header.counters) == (5, 7_000, {"frames": 7, "resent": 1})
