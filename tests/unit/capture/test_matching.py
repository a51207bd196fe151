import itertools

import pytest
from tests.support import packets as p

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.matching import GENERATION_MS, MAX_WAITING, WAIT_MS, Exchanges
from grapevine.capture.window import DnsTally

KEY = b"client, port and id"
QUESTION = b"www\0\0\1\0\1"
ANOTHER_QUESTION = b"www\0\0\x1c\0\1"
EDNS = b"\0\0\x29\4\xd0\0\0\0\0\0\0"
FROM_COREDNS, FROM_SERVICE = (DnsTally((b"", resolver, "", "", "", (), (), "")) for resolver in (b"pod", b"service"))


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def exchanges(counters: Counters) -> Exchanges:
    made = Exchanges(counters, is_matching=True)
    made.turn(0)
    return made


def ask(exchanges: Exchanges, key: bytes = KEY, question: bytes = QUESTION) -> None:
    exchanges.ask(key, question + EDNS)


def respond(
    exchanges: Exchanges,
    tally: DnsTally,
    direction: int,
    time_ms: int = 1,
    key: bytes = KEY,
    question: bytes = QUESTION,
) -> Reason | None:
    refusal = exchanges.expects(key, question, direction)
    if refusal is None:
        exchanges.hold(key, (tally, question, time_ms, direction))
    return refusal


def released(exchanges: Exchanges, now_ms: int) -> list[DnsTally]:
    return [held[0] for held in exchanges.turn(now_ms)]


def all_released(exchanges: Exchanges) -> list[DnsTally]:
    return [tally for now_ms in (GENERATION_MS, 2 * GENERATION_MS) for tally in released(exchanges, now_ms)]


@pytest.mark.parametrize("turned", range(4))
@pytest.mark.parametrize(
    "copies",
    list(itertools.permutations([(FROM_COREDNS, p.OTHERHOST), (FROM_COREDNS, p.HOST), (FROM_SERVICE, p.OUTGOING)])),
)
def test_keeps_the_copy_on_its_way_to_the_client_in_any_order(
    exchanges: Exchanges, counters: Counters, copies: tuple[tuple[DnsTally, int], ...], turned: int
) -> None:
    ask(exchanges)
    for number, (tally, direction) in enumerate(copies):
        if number == turned:
            assert released(exchanges, GENERATION_MS // 2) == []
        refusal = respond(exchanges, tally, direction)
        if refusal is not None:
            counters.add(refusal)
    assert all_released(exchanges) == [FROM_SERVICE]
    assert counters[Reason.FOLDED] == 2


@pytest.mark.parametrize("direction", [-1, p.OUTGOING], ids=["no packet type", "all outgoing"])
def test_keeps_the_last_copy_where_packet_types_do_not_tell(exchanges: Exchanges, direction: int) -> None:
    ask(exchanges)
    assert respond(exchanges, FROM_COREDNS, direction) is None
    assert respond(exchanges, FROM_SERVICE, direction) is None
    assert all_released(exchanges) == [FROM_SERVICE]


def test_a_response_without_a_query_is_unsolicited(exchanges: Exchanges) -> None:
    ask(exchanges)
    assert respond(exchanges, FROM_SERVICE, p.OUTGOING, key=b"another") is Reason.UNSOLICITED
    assert all_released(exchanges) == []


def test_a_copy_that_has_the_address_of_a_masqueraded_client_is_a_copy(exchanges: Exchanges) -> None:
    ask(exchanges, b"10.244.0.1 id")
    forged = b"10.244.0.9 id"
    assert respond(exchanges, FROM_COREDNS, p.OTHERHOST, key=forged) is Reason.UNSOLICITED
    assert respond(exchanges, FROM_COREDNS, p.OTHERHOST, key=b"10.244.0.1 id") is None
    assert respond(exchanges, FROM_COREDNS, p.HOST, key=b"192.0.2.02 id") is Reason.FOLDED
    assert all_released(exchanges) == [FROM_COREDNS]


def test_needs_no_query_where_nothing_is_matched(counters: Counters) -> None:
    exchanges = Exchanges(counters, is_matching=False)
    assert respond(exchanges, FROM_SERVICE, p.OUTGOING) is None
    assert all_released(exchanges) == [FROM_SERVICE]


def test_a_query_lets_one_response_in(exchanges: Exchanges) -> None:
    ask(exchanges)
    ask(exchanges)
    assert respond(exchanges, FROM_SERVICE, p.OUTGOING) is None
    assert all_released(exchanges) == [FROM_SERVICE]
    assert respond(exchanges, FROM_SERVICE, p.OUTGOING) is Reason.UNSOLICITED


@pytest.mark.parametrize("copies_ms", [[0], [0, GENERATION_MS]], ids=["one copy", "copies in two generations"])
@pytest.mark.parametrize("later_ms", [0, GENERATION_MS, 2 * GENERATION_MS, WAIT_MS - 1, WAIT_MS + GENERATION_MS])
def test_a_query_waits_for_seconds_and_then_for_one_response(
    exchanges: Exchanges, copies_ms: list[int], later_ms: int
) -> None:
    for now_ms in copies_ms:
        if now_ms:
            exchanges.turn(now_ms)
        ask(exchanges)
    answer_ms = copies_ms[-1] + later_ms
    for now_ms in range(copies_ms[-1] + GENERATION_MS, answer_ms + 1, GENERATION_MS):
        assert released(exchanges, now_ms) == []
    assert respond(exchanges, FROM_SERVICE, p.OUTGOING) is None
    last_ms = answer_ms + GENERATION_MS
    assert released(exchanges, last_ms) + released(exchanges, last_ms + GENERATION_MS) == [FROM_SERVICE]
    assert respond(exchanges, FROM_SERVICE, p.OUTGOING) is Reason.UNSOLICITED


def test_a_query_is_forgotten_in_the_end(exchanges: Exchanges) -> None:
    ask(exchanges)
    for now_ms in range(GENERATION_MS, 2 * WAIT_MS + 3 * GENERATION_MS, GENERATION_MS):
        exchanges.turn(now_ms)
    assert respond(exchanges, FROM_SERVICE, p.OUTGOING) is Reason.UNSOLICITED


@pytest.mark.parametrize(("silence_ms", "expected"), [(3_000, None), (20_000, Reason.UNSOLICITED)])
def test_a_query_grows_old_in_silence_too(exchanges: Exchanges, silence_ms: int, expected: Reason | None) -> None:
    ask(exchanges)
    for _ in range(2):
        exchanges.turn(silence_ms)
    assert respond(exchanges, FROM_SERVICE, p.OUTGOING) is expected


def test_queries_forgotten_for_the_cap_are_counted(exchanges: Exchanges, counters: Counters) -> None:
    for number in range(3 * MAX_WAITING):
        ask(exchanges, number.to_bytes(4, "big"))
        if number % 1_000 == 0:
            exchanges.turn(number // 1_000)
    exchanges.turn(30)
    exchanges.turn(31)
    assert counters[Reason.QUERIES_EVICTED] > 0
    latest = 3 * MAX_WAITING - 1
    assert respond(exchanges, FROM_SERVICE, p.OUTGOING, key=latest.to_bytes(4, "big")) is None
    assert respond(exchanges, FROM_SERVICE, p.OUTGOING, key=bytes(4)) is Reason.UNSOLICITED


def test_releases_in_the_order_of_the_first_copies_and_counts_what_is_early(
    exchanges: Exchanges, counters: Counters
) -> None:
    for key in (b"1", b"2"):
        ask(exchanges, key)
        respond(exchanges, FROM_COREDNS, p.OTHERHOST, 50, key)
    respond(exchanges, FROM_SERVICE, p.OUTGOING, 51, b"1")
    assert released(exchanges, 60) == []
    assert [held[0] for held in exchanges.turn(70, is_early=True)] == [FROM_SERVICE, FROM_COREDNS]
    assert counters[Reason.FOLD_EARLY] == 2
    assert not exchanges


@pytest.mark.parametrize("turned", range(4))
def test_questions_with_the_same_id_are_apart(exchanges: Exchanges, turned: int) -> None:
    steps = [
        lambda: ask(exchanges),
        lambda: ask(exchanges, question=ANOTHER_QUESTION),
        lambda: respond(exchanges, FROM_COREDNS, p.OUTGOING, question=ANOTHER_QUESTION),
        lambda: respond(exchanges, FROM_SERVICE, p.OUTGOING),
    ]
    for number, step in enumerate(steps):
        if number == turned:
            assert released(exchanges, GENERATION_MS // 2) == []
        assert step() is None
    assert respond(exchanges, FROM_SERVICE, p.OUTGOING, question=b"a\0\0\1\0\1") is Reason.UNSOLICITED
    assert set(all_released(exchanges)) == {FROM_COREDNS, FROM_SERVICE}


def test_questions_with_the_same_id_wait_for_seconds_both(exchanges: Exchanges) -> None:
    for now_ms in (GENERATION_MS, 2 * GENERATION_MS):
        ask(exchanges, question=QUESTION if now_ms == GENERATION_MS else ANOTHER_QUESTION)
        exchanges.turn(now_ms)
    for now_ms in range(3 * GENERATION_MS, 10 * GENERATION_MS, GENERATION_MS):
        exchanges.turn(now_ms)
    assert respond(exchanges, FROM_SERVICE, p.OUTGOING) is None
    assert respond(exchanges, FROM_SERVICE, p.OUTGOING, question=ANOTHER_QUESTION) is None


def test_a_copy_of_what_was_counted_is_folded(exchanges: Exchanges, counters: Counters) -> None:
    ask(exchanges)
    exchanges.recent[KEY] = (FROM_SERVICE, QUESTION)
    for direction in (p.OUTGOING, p.HOST):
        assert respond(exchanges, FROM_COREDNS, direction) is Reason.FOLDED
    assert all_released(exchanges) == []
    assert respond(exchanges, FROM_SERVICE, p.OUTGOING) is Reason.UNSOLICITED
