"""What servers tell is summed up by its bytes as it would be by decoding each message by itself."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from tests.support import packets as p

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import Response, parse_response
from grapevine.capture.sources.corelog import LogLine
from grapevine.capture.sources.tap import Tap
from grapevine.capture.told import FOLD_MS, Told
from grapevine.capture.window import format_address
from grapevine.model.observation import DnsObservation

START_MS = 1_000_000
CLIENTS = (b"\x0a\xf4\0\x25", b"\x0a\xf4\0\x26", bytes(15) + b"\1")
Sums = dict[tuple[object, ...], list[int]]
"""First time, last time and count by everything else."""


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Return a response of a few shapes, so that many repeat: TTLs, order, flags, case and records differ."""
    name = draw(st.sampled_from(["www.example.com", "WWW.example.com", "cart.example.org", b"\x03a\0b\x03com\0"]))
    addresses = draw(st.permutations(["192.0.2.1", "192.0.2.2", "192.0.2.3"]))[: draw(st.integers(0, 3))]
    records = [p.a_record(each) for each in addresses]
    if draw(st.booleans()):
        records = [p.cname_record("cdn.example.net"), *((p.encode_name("cdn.example.net"), *r[1:]) for r in records)]
    flags = draw(st.sampled_from([0x8180, 0x8180, 0x8183, 0x8380, 0x0100, 0x8980]))
    message = p.dns_response(name, p.A, records, flags=flags, transaction_id=draw(st.integers(1, 4)))
    ttl = draw(st.sampled_from([b"\0\0\0\x1e", b"\0\0\0\x1d", b"\0\0\0\0"]))
    message = message.replace(b"\0\1\0\0\0\x1e", b"\0\1" + ttl)
    tail = draw(st.sampled_from([b"", b"\0\0\x29\x04\xd0" + bytes(6)]))  # an OPT record
    return (message + tail)[: draw(st.sampled_from([None, None, None, -1, -3]))]


taps = st.builds(
    Tap,
    client=st.sampled_from(CLIENTS),
    client_port=st.sampled_from([0, 40_000, 40_001]),
    resolver=st.sampled_from([b"\x0a\xf4\0\x20", b"\x0a\xf4\0\x21"]),
    transport=st.sampled_from(["udp", "udp", "tcp"]),
    time_ms=st.integers(START_MS - 100_000, START_MS + 100_000),
    message=messages(),
)
steps = st.sampled_from([0, 0, 1, 400, FOLD_MS - 1, FOLD_MS, 20_000, 40_000])


def reference(told: Iterable[tuple[Tap, int]]) -> tuple[Sums, int]:
    """Decode every message by itself; return what is to be reported, and how many were folded."""
    sums: Sums = {}
    held: dict[tuple[object, ...], tuple[int, tuple[object, ...], int]] = {}
    folded = 0

    def release(transaction: tuple[object, ...]) -> None:
        _, key, time_ms = held.pop(transaction)
        first, last, count = sums.get(key, [time_ms, time_ms, 0])
        sums[key] = [min(first, time_ms), max(last, time_ms), count + 1]

    for tap, now_ms in told:
        for transaction in [each for each, (first_ms, _, _) in held.items() if first_ms + FOLD_MS <= now_ms]:
            release(transaction)
        r = parse_response(tap.message)
        if not isinstance(r, Response):
            continue
        time_ms = tap.time_ms if abs(tap.time_ms - now_ms) <= 60_000 else now_ms
        addresses = format_address(tap.client), format_address(tap.resolver)
        key = (*addresses, r.qname, r.qtype, r.rcode, r.answers, r.cnames, tap.transport)
        flags_and_question = b"" if tap.client_port else tap.message[2 : tap.message.find(0, 12) + 5]
        transaction = (tap.transport, tap.client, tap.client_port, tap.message[:2], flags_and_question)
        folded += transaction in held
        first_ms = held[transaction][0] if transaction in held else now_ms
        held[transaction] = first_ms, key, time_ms
    for transaction in list(held):
        release(transaction)
    return sums, folded


def summed(told: Told) -> Sums:
    told.flush()
    sums: Sums = {}
    for o in (o for cut in told.take() for o in cut):
        assert isinstance(o, DnsObservation)
        key = (o.client_ip, o.resolver_ip, o.qname, o.qtype, o.rcode, o.answers, o.cnames, o.transport)
        first, last, count = sums.get(key, [o.first_ms, o.last_ms, 0])
        sums[key] = [min(first, o.first_ms), max(last, o.last_ms), count + o.count]
    return sums


@given(st.lists(st.tuples(taps, steps), max_size=40))
def test_what_is_told_is_counted_as_by_decoding_everything(told: list[tuple[Tap, int]]) -> None:
    counters, now_ms, timed = Counters(), START_MS, []
    subject = Told("dnstap", 1_000, counters)
    for tap, step_ms in told:
        now_ms += step_ms
        timed.append((tap, now_ms))
        subject.tap(tap, now_ms)
    sums, folded = reference(timed)
    assert summed(subject) == sums
    assert (counters[Reason.FOLDED], counters[Reason.EVENTS]) == (folded, sum(count for _, _, count in sums.values()))
    ends = sum(counters[r] for r in (Reason.QUERY, Reason.OPCODE, Reason.TRUNCATED_RESPONSE, Reason.BAD_QUESTION))
    assert counters[Reason.MESSAGES] == len(told) == counters[Reason.EVENTS] + counters[Reason.FOLDED] + ends


lines = st.builds(
    LogLine,
    client=st.sampled_from(CLIENTS),
    client_port=st.sampled_from([0, 40_000]),
    transaction_id=st.sampled_from([None, 1, 2]),
    transport=st.just("udp"),
    qname=st.sampled_from(["www.example.com", "edge.example.com"]),
    qtype=st.just("A"),
    rcode=st.sampled_from(["NOERROR", "NXDOMAIN"]),
    time_ms=st.sampled_from([0, 5, START_MS, START_MS + 10**9]),
)


@given(st.lists(lines, max_size=30))
def test_every_line_is_an_event_but_for_those_of_a_transaction_that_is_known(told: list[LogLine]) -> None:
    counters = Counters()
    subject = Told("log", 1_000, counters)
    for line in told:
        subject.line(line, bytes(4), START_MS)
    known = [line for line in told if line.client_port and line.transaction_id is not None]
    transactions = {(line.client, line.transaction_id) for line in known}
    assert sum(count for _, _, count in summed(subject).values()) == len(told) - len(known) + len(transactions)
    assert counters[Reason.FOLDED] == len(known) - len(transactions)
    assert all(START_MS >= last > 0 for _, last, _ in summed(subject).values())
