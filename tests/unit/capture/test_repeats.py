import socket

import pytest
from tests.support import packets as p

from grapevine.capture import repeats as module
from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import Response, parse_response
from grapevine.capture.repeats import GENERATION_MS, MAX_VARIANTS, Repeats
from grapevine.capture.window import DnsTally

ADDRESSES = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def repeats(counters: Counters) -> Repeats[DnsTally]:
    made = Repeats[DnsTally](counters)
    made.advance(0)
    return made


def behind(message: bytes) -> int:
    return message.index(b"\0", 12) + 5


def key(message: bytes) -> bytes:
    return message[2 : behind(message)]


def find(repeats: Repeats[DnsTally], message: bytes, now_ms: int = 0) -> DnsTally | None:
    return repeats.find(key(message), message, behind(message), len(message), now_ms)


def learn(repeats: Repeats[DnsTally], message: bytes, now_ms: int = 0) -> DnsTally:
    response = parse_response(message)
    assert isinstance(response, Response)
    tally = DnsTally((b"", b"", response.qname, "", "", response.answers, response.cnames, ""))
    repeats.learn(key(message), message, behind(message), response, tally, now_ms)
    return tally


def answer(addresses: list[str], ttl: int = 30, **fields: int) -> bytes:
    message = p.dns_response(records=[p.a_record(each) for each in addresses], **fields)
    return message.replace(b"\0\0\0\x1e", bytes([0, 0, 0, ttl]))


def chain(target: str, addresses: list[str], ttl: int = 30) -> bytes:
    owner = (0xC000 | behind(p.dns_response()) + 12).to_bytes(2, "big")
    records = [p.cname_record(target), *(p.a_record(each, owner) for each in addresses)]
    return p.dns_response(records=records).replace(b"\0\0\0\x1e", bytes([0, 0, 0, ttl]))


@pytest.mark.parametrize(
    "again",
    [
        answer(ADDRESSES, transaction_id=9),
        answer(ADDRESSES, ttl=29),
        answer(ADDRESSES[1:] + ADDRESSES[:1], ttl=3),
        answer(ADDRESSES) + b"additional, authority: not looked at",
    ],
    ids=["another id", "TTL", "order", "behind the answers"],
)
def test_knows_what_the_decoder_would_say_is_the_same(repeats: Repeats[DnsTally], again: bytes) -> None:
    tally = learn(repeats, answer(ADDRESSES))
    for _ in range(2):
        assert find(repeats, again) is tally
    assert find(repeats, answer(ADDRESSES)) is tally


@pytest.mark.parametrize(
    "other",
    [
        answer(ADDRESSES, flags=0x8183),
        answer([*ADDRESSES[:2], "192.0.2.4"]),
        answer(ADDRESSES[:2]),
        answer(ADDRESSES)[:-1],
        p.dns_response("www.example.net", records=[p.a_record(each) for each in ADDRESSES]),
        p.dns_response(qtype=p.AAAA, records=[p.a_record(each) for each in ADDRESSES]),
    ],
    ids=["flags", "address", "number", "cut", "name", "type"],
)
def test_does_not_know_what_is_another(repeats: Repeats[DnsTally], other: bytes) -> None:
    learn(repeats, answer(ADDRESSES))
    assert find(repeats, other) is None


def test_knows_chains_whatever_the_order_of_their_addresses(repeats: Repeats[DnsTally]) -> None:
    tally = learn(repeats, chain("edge.example.net", ADDRESSES))
    assert find(repeats, chain("edge.example.net", ADDRESSES[::-1], ttl=7)) is tally
    assert find(repeats, chain("edge.example.org", ADDRESSES)) is None


def test_a_record_that_changes_places_with_another_kind_is_another_response(repeats: Repeats[DnsTally]) -> None:
    records = [p.a_record("192.0.2.1"), (b"\xc0\x0c", p.TXT, bytes(4))]
    learn(repeats, p.dns_response(records=records))
    assert find(repeats, p.dns_response(records=records[::-1])) is None


def test_octets_that_change_places_between_owner_and_address_do_not_deceive(repeats: Repeats[DnsTally]) -> None:
    """Owner, type and class of an A record are as long as its length and address."""
    head, data = b"\xc0\x0c\0\x01\0\x01", b"\0\x04" + socket.inet_aton("192.0.2.1")
    first = p.dns_response(answers=2) + (head + bytes(4) + data) * 2
    swapped = p.dns_response(answers=2) + head + bytes(4) + data + data + bytes(4) + head
    learn(repeats, first)
    assert find(repeats, swapped) is None


def test_remembers_some_answers_of_one_question(repeats: Repeats[DnsTally]) -> None:
    answers = [answer([f"192.0.2.{n}"]) for n in range(MAX_VARIANTS + 1)]
    tallies = [learn(repeats, each) for each in answers]
    assert [find(repeats, each) for each in answers] == [None, *tallies[1:]]


def test_does_not_remember_what_was_not_read_to_its_end(repeats: Repeats[DnsTally]) -> None:
    broken = answer(ADDRESSES)[:-1]
    learn(repeats, broken)
    assert find(repeats, broken) is None


def test_does_not_remember_a_name_that_is_read_from_a_ttl(repeats: Repeats[DnsTally]) -> None:
    at = behind(p.dns_response()) + 2 + 4
    hidden = (b"\xc0\x0c", p.TXT, b"")
    records = [hidden, (b"\xc0\x0c", p.CNAME, (0xC000 | at).to_bytes(2, "big"))]
    message = p.dns_response(records=records)
    message = message[:at] + b"\x01a\0\0" + message[at + 4 :]
    parsed = parse_response(message)
    assert isinstance(parsed, Response)
    assert (parsed.cnames, parsed.end) == (("a",), -1)
    learn(repeats, message)
    assert find(repeats, message) is None


def test_decodes_again_after_half_a_minute_whatever_is_asked_meanwhile(repeats: Repeats[DnsTally]) -> None:
    message = answer(ADDRESSES)
    tally = learn(repeats, message)
    known = []
    for now_ms in range(0, 3 * GENERATION_MS, 500):
        repeats.advance(now_ms)
        known.append(find(repeats, message, now_ms) is tally)
        if not known[-1]:
            assert repeats.is_due_again(key(message))
            break
    assert GENERATION_MS // 500 <= len(known) <= 2 * GENERATION_MS // 500 + 1
    learn(repeats, message, now_ms)
    assert not repeats.is_due_again(key(message))


def test_over_its_cap_the_longest_unused_is_forgotten_and_counted(
    repeats: Repeats[DnsTally], counters: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 10)
    used, unused = answer(ADDRESSES), p.dns_response("unused.example.com")
    tally = learn(repeats, used)
    learn(repeats, unused)
    for n in range(25):
        learn(repeats, p.dns_response(f"n{n}.example.com"))
        assert find(repeats, used) is tally
    assert find(repeats, unused) is None
    assert counters[Reason.REPEATS_EVICTED] > 0


def test_its_cap_is_in_octets_too(
    repeats: Repeats[DnsTally], counters: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 50_000)
    for n in range(200):
        learn(repeats, p.dns_response(f"n{n}.example.com", records=[p.a_record(f"192.0.2.{i}") for i in range(50)]))
    assert len(repeats.recent) < 50
    assert counters[Reason.REPEATS_EVICTED] > 100
