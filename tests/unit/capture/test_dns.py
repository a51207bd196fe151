import struct
from pathlib import Path

import pytest
from dnslib import DNSRecord
from tests.support import packets as p

from grapevine.capture.counters import Reason
from grapevine.capture.dns import MAX_RECORDS_DECODED, MAX_RECORDS_WALKED, Response, format_name, parse_response
from grapevine.wire.schema import MAX_ANSWERS, MAX_NAME_CHARS


def response(message: bytes) -> Response:
    parsed = parse_response(message)
    assert isinstance(parsed, Response), parsed
    return parsed


def test_decodes_a_response() -> None:
    message = p.dns_response("WWW.Example.com", records=[p.a_record("192.0.2.9"), p.a_record("192.0.2.1")])
    assert response(message) == Response(
        qname="www.example.com",
        qtype="A",
        rcode="NOERROR",
        answers=("192.0.2.1", "192.0.2.9"),
        cnames=(),
        notes=(),
        ttls=(len(message) - 26, len(message) - 10),
        end=len(message),
    )


def test_writes_ipv6_addresses_canonically() -> None:
    message = p.dns_response(qtype=p.AAAA, records=[p.a_record("2001:db8:0:0:1:0:0:1"), p.a_record("::ffff:192.0.2.1")])
    assert response(message).answers == ("2001:db8::1:0:0:1", "::ffff:192.0.2.1")


def test_gives_the_targets_of_srv_records() -> None:
    data = struct.pack("!HHH", 0, 100, 6379)
    records = [(b"\xc0\x0c", p.SRV, data + p.encode_name(f"Redis-{i}.redis.example.com")) for i in (1, 0)]
    message = p.dns_response("_redis._tcp.redis.example.com", p.SRV, records)
    assert response(message).answers == ("redis-0.redis.example.com", "redis-1.redis.example.com")


def test_orders_cnames_along_the_chain_whatever_their_order_on_the_wire() -> None:
    records = [
        p.a_record("192.0.2.1", p.encode_name("c.example.net")),
        p.cname_record("c.example.net", p.encode_name("b.example.com")),
        p.cname_record("b.example.com"),
    ]
    found = response(p.dns_response("a.example.com", records=records))
    assert (found.cnames, found.answers) == (("b.example.com", "c.example.net"), ("192.0.2.1",))


def test_survives_a_loop_of_cnames() -> None:
    loop = [p.cname_record("b.example.com"), p.cname_record("a.example.com", p.encode_name("b.example.com"))]
    assert response(p.dns_response("a.example.com", records=loop)).cnames == ("b.example.com", "a.example.com")


def test_says_that_there_was_an_answer_of_another_type_and_not_what() -> None:
    message = p.dns_response(qtype=p.TXT, records=[(b"\xc0\x0c", p.TXT, b"\x06secret")])
    assert response(message).answers == ("\\# 7",)


def test_a_label_of_any_octets_is_a_name() -> None:
    message = p.dns_response(records=[(b"\xc0\x0c", p.CNAME, b"\x04\xff\xfe.\xfd\x00")])
    assert (response(message).cnames, response(message).notes) == (("\\255\\254\\046\\253",), ())


def test_names_unknown_types_and_codes_by_number() -> None:
    found = response(p.dns_response(qtype=65_000, flags=0x818F))
    assert (found.qtype, found.rcode) == ("TYPE65000", "RCODE15")


def test_knows_failures() -> None:
    assert response(p.dns_response(flags=0x8183)).rcode == "NXDOMAIN"
    assert response(p.dns_response(flags=0x8182)).rcode == "SERVFAIL"


@pytest.mark.parametrize(
    "bad",
    [
        (b"\xc0\x0c", p.A, b""),
        (b"\xc0\x0c", p.A, b"\xc0\x00\x02"),
        (b"\xc0\x0c", p.CNAME, b"\x03www\xc0"),
        (b"\xc0\x0c", p.CNAME, p.encode_name("x.example.com") + b"junk"),
        (b"\xc0\x0c", p.CNAME, b"\x80x\x00"),
    ],
    ids=["empty", "short address", "half a pointer", "data behind the name", "reserved label"],
)
def test_one_bad_record_keeps_the_good_ones(bad: p.Record) -> None:
    found = response(p.dns_response(records=[p.a_record("192.0.2.1"), bad, p.a_record("192.0.2.2")]))
    assert (found.answers, found.notes) == (("192.0.2.1", "192.0.2.2"), (Reason.BAD_RECORD,))


def test_a_message_cut_within_a_record_keeps_those_before() -> None:
    message = p.dns_response(records=[p.a_record("192.0.2.1"), p.a_record("192.0.2.2")])
    found = response(message[:-2])
    assert (found.answers, found.notes) == (("192.0.2.1",), (Reason.BAD_RECORD,))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", Reason.SHORT_MESSAGE),
        (bytes(11), Reason.SHORT_MESSAGE),
        (p.dns_response(flags=0x0100), Reason.QUERY),
        (p.dns_response(flags=0xA980), Reason.OPCODE),
        (p.dns_response(questions=0), Reason.QUESTION_COUNT),
        (p.dns_response(questions=2), Reason.QUESTION_COUNT),
        (p.dns_response(qclass=3), Reason.QUESTION_CLASS),
        (p.dns_response(flags=0x8380), Reason.TRUNCATED_RESPONSE),
        (p.dns_response()[:20], Reason.BAD_QUESTION),
        (p.dns_response(b"\x3f" * 300), Reason.BAD_QUESTION),
        (p.dns_response(b"\xc0\x0c"), Reason.BAD_QUESTION),
    ],
)
def test_counts_what_is_no_response(message: bytes, reason: Reason) -> None:
    assert parse_response(message) is reason


def test_a_truncated_response_is_used_as_far_as_it_answers() -> None:
    assert response(p.dns_response(flags=0x8380, records=[p.a_record("192.0.2.1")])).answers == ("192.0.2.1",)


def test_cuts_answers_at_the_cap_and_says_so() -> None:
    found = response(p.dns_response(records=[p.a_record(f"192.0.2.{i}") for i in range(100)]))
    assert (len(found.answers), found.notes) == (MAX_ANSWERS, (Reason.CUT_ANSWERS,))


@pytest.mark.parametrize(
    "records",
    [
        [p.a_record("192.0.2.1")] * (MAX_RECORDS_DECODED + 1),
        [(b"\xc0\x0c", p.TXT, b"\0")] * (MAX_RECORDS_WALKED + 1),
    ],
    ids=["decoded", "walked"],
)
def test_looks_at_a_bounded_number_of_records(records: list[p.Record]) -> None:
    assert response(p.dns_response(records=records)).notes == (Reason.CUT_ANSWERS,)


def test_escapes_what_is_no_plain_text() -> None:
    assert (
        format_name([b"A.b", b"\x00\xc3", b"a b\\", b"_tcp", b"*", b"!"])
        == "a\\046b.\\000\\195.a\\032b\\092._tcp.\\042.!"
    )
    assert format_name([]) == ""


def test_the_longest_name_fits_the_wire() -> None:
    labels = [b"\x01" * 63] * 3 + [b"\x01" * 61]
    assert len(format_name(labels)) <= MAX_NAME_CHARS


@pytest.mark.parametrize("name", sorted(p.HOSTILE))
def test_vectors_are_what_their_generator_makes(name: str) -> None:
    assert (p.VECTORS / f"{name}.bin").read_bytes() == p.HOSTILE[name]()


@pytest.mark.parametrize("name", ["pointer-chain", "pointer-cycle"])
def test_the_killer_packets_do_kill_dnslib(name: str) -> None:
    with pytest.raises(RecursionError):
        DNSRecord.parse(p.HOSTILE[name]())


@pytest.mark.parametrize("path", sorted(p.VECTORS.glob("*.bin")), ids=lambda path: path.stem)
def test_hostile_messages_are_noted(path: Path) -> None:
    assert response(path.read_bytes()).notes in ((Reason.BAD_RECORD,), (Reason.CUT_ANSWERS,))
