"""What is read of a dnstap frame."""

import pytest
from tests.support import packets as p
from tests.support import taps as t

from grapevine.capture.counters import Reason
from grapevine.capture.sources.tap import MAX_FIELDS, Tap, parse_tap

PEER = t.pack(p.COREDNS)
RESPONSE = p.dns_response(records=[p.a_record("192.0.2.1")])


def tap(inner: bytes, peer: bytes = PEER) -> Tap:
    found = parse_tap(t.tap(inner), peer)
    assert isinstance(found, Tap), found
    return found


def test_reads_a_client_response() -> None:
    expected = Tap(t.pack(p.CLIENT), 40_000, PEER, "udp", 1_700_000_000_123, RESPONSE)
    assert tap(t.message(RESPONSE, query_ms=1_700_000_000_100, response_ms=1_700_000_000_123)) == expected


@pytest.mark.parametrize(
    ("protocol", "expected"), [(1, "udp"), (2, "tcp"), (3, "tcp"), (4, "tcp"), (5, "udp"), (6, "tcp"), (7, "udp")]
)
def test_knows_what_runs_over_what(protocol: int, expected: str) -> None:
    assert tap(t.message(RESPONSE, protocol=protocol)).transport == expected


def test_takes_the_time_of_the_query_where_the_response_has_none() -> None:
    assert tap(t.message(RESPONSE, query_ms=1_700_000_000_100)).time_ms == 1_700_000_000_100
    assert tap(t.message(RESPONSE)).time_ms == 0


@pytest.mark.parametrize(("client", "octets"), [("::ffff:10.244.0.37", 4), ("fd00::37", 16)])
def test_takes_a_mapped_address_as_what_it_is(client: str, octets: int) -> None:
    assert len(tap(t.message(RESPONSE, client=client)).client) == octets


def test_the_connection_tells_who_the_server_is_and_the_message_only_where_it_cannot() -> None:
    inner = t.message(RESPONSE, resolver="192.0.2.53")
    assert tap(inner).resolver == PEER
    assert tap(inner, b"").resolver == t.pack("192.0.2.53")
    assert tap(t.message(RESPONSE), b"").resolver == bytes(4)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (t.tap(t.message(kind=t.CLIENT_QUERY)), Reason.OTHER_TAP),
        (t.tap(t.message(RESPONSE, kind=t.FORWARDER_RESPONSE)), Reason.OTHER_TAP),
        (t.tap(t.octets(14, RESPONSE) + t.number(1, t.CLIENT_QUERY)), Reason.OTHER_TAP),
        (t.tap(b""), Reason.OTHER_TAP),
        (t.tap(t.message()), Reason.TAP_NOT_FULL),
        (t.tap(t.message(b"")), Reason.TAP_NOT_FULL),
        (b"", Reason.BAD_TAP),
        (t.octets(14, t.message(RESPONSE)) + t.number(15, 2), Reason.BAD_TAP),
        (t.tap(t.number(1, t.CLIENT_RESPONSE) + t.octets(4, b"123") + t.octets(14, RESPONSE)), Reason.BAD_TAP),
        (t.tap(t.number(1, t.CLIENT_RESPONSE) + t.octets(14, RESPONSE)), Reason.BAD_TAP),
        (t.tap(t.message(RESPONSE))[:-20], Reason.BAD_TAP),
        (t.varint(14 << 3 | 2) + t.varint(1 << 63), Reason.BAD_TAP),
        (b"\x80" * 12, Reason.BAD_TAP),
        (t.varint(14 << 3 | 3), Reason.BAD_TAP),
        (t.number(16, 1) * MAX_FIELDS + t.tap(t.message(RESPONSE)), Reason.BAD_TAP),
    ],
)
def test_says_why_a_frame_is_none(frame: bytes, reason: Reason) -> None:
    assert parse_tap(frame, PEER) is reason
