"""What servers tell: at whose time, and whose look-ups."""

from typing import Any

import pytest
from tests.support import packets as p
from tests.support import taps as t

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.sources.tap import Tap, parse_tap
from grapevine.capture.told import Told


def tell(told: Told, now_ms: int, message: bytes = b"", **fields: Any) -> None:
    found = parse_tap(t.tap(t.message(message or p.dns_response(), **fields)), t.pack(p.COREDNS))
    assert isinstance(found, Tap)
    told.tap(found, now_ms)


def test_what_a_server_tells_is_reported_at_its_time() -> None:
    counters = Counters()
    told = Told("dnstap", 1_000, counters)
    for transaction_id, response_ms in ((1, 99_000), (2, 99_400)):
        tell(told, 100_000, p.dns_response(transaction_id=transaction_id), response_ms=response_ms)
    told.flush()
    ((only,),) = told.take()
    assert (only.client_ip, only.resolver_ip, only.source) == (p.CLIENT, p.COREDNS, "dnstap")
    assert (only.first_ms, only.last_ms, only.count) == (99_000, 99_400, 2)
    assert counters.snapshot() == {"messages": 2, "events": 2}


def test_a_look_up_of_the_servers_own_is_not_the_clients() -> None:
    counters = Counters()
    told = Told("dnstap", 1_000, counters)
    tell(told, 10_000, p.dns_response("edge.example.com", flags=0x8183), response_ms=9_500)
    tell(
        told,
        11_000,
        p.dns_response("www.example.net", records=[p.cname_record("edge.example.com")]),
        response_ms=9_500,
    )
    tell(told, 11_000, p.dns_response("www.example.net"), protocol=t.TCP, response_ms=9_500)
    told.flush()
    (cut,) = told.take()
    assert [(o.qname, o.transport) for o in cut] == [("www.example.net", "udp"), ("www.example.net", "tcp")]
    assert counters.snapshot() == {"messages": 3, "events": 2, "folded": 1}


@pytest.mark.parametrize("response_ms", [None, 39_999, 160_001, 2**62], ids=["none", "old", "ahead", "absurd"])
def test_a_servers_clock_that_cannot_be_right_is_not_believed(response_ms: int | None) -> None:
    counters = Counters()
    told = Told("dnstap", 1_000, counters)
    tell(told, 100_000, response_ms=response_ms)
    told.flush()
    ((only,),) = told.take()
    assert (only.first_ms, counters[Reason.TAP_TIME]) == (100_000, 1)
