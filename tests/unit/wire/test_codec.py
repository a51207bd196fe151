import json
import zlib
from dataclasses import replace
from typing import Any

import pytest
from tests.support.packets import a_batch, a_connection, an_observation

from grapevine.wire import schema
from grapevine.wire.codec import decode_batch, decode_reply, encode_batch, encode_reply
from grapevine.wire.schema import Batch, Reply, WireError

BODY = encode_batch(a_batch(observations=2))
HEADER, RECORD = (json.loads(line) for line in BODY.split(b"\n")[:2])
CONNECTION = json.loads(encode_batch(Batch(a_batch().header, (a_connection(),))).split(b"\n")[1])


def body(header: Any, *records: Any) -> bytes:
    return b"\n".join(json.dumps(line).encode() for line in (header, *records)) + b"\n"


@pytest.mark.parametrize("deflate", [False, True])
def test_a_batch_comes_back_as_it_went(deflate: bool) -> None:
    batch = a_batch(observations=3, host_ips=("192.0.2.2", "::1"))
    batch = replace(batch, observations=(*batch.observations, a_connection(), a_connection(dst_ip="fd00::7")))
    assert decode_batch(encode_batch(batch, deflate=deflate), deflate=deflate) == batch


def test_a_batch_is_lines_a_person_can_read() -> None:
    assert BODY.decode().splitlines()[0] == (
        '{"v":1,"stream":"stream","seq":1,"oldest":1,"node":"node-1","clock_ms":1000,'
        '"hearing":{"sources":["packet"],"since_ms":1},"host_ips":[],"counters":{"frames":1}}'
    )
    assert BODY.decode().splitlines()[1] == (
        '{"t":"dns","first_ms":1000,"last_ms":1000,"count":1,"client_ip":"10.244.0.37","resolver_ip":"10.96.0.10",'
        '"qname":"www.example.com","qtype":"A","rcode":"NOERROR","answers":["192.0.2.1"],"cnames":[],'
        '"transport":"udp","source":"pcap"}'
    )
    connection = encode_batch(Batch(a_batch().header, (a_connection(),)))
    assert connection.decode().splitlines()[1] == (
        '{"t":"conn","first_ms":1000,"last_ms":1000,"count":1,"client_ip":"10.244.0.37","dst_ip":"10.96.0.1",'
        '"dst_port":80,"proto":"tcp","source":"packet"}'
    )


def test_a_reply_comes_back_as_it_went() -> None:
    for reply in (Reply("one", 7), Reply("one", 0, "because"), Reply("one", 0, "not me", "[fd00::1]:8443")):
        assert decode_reply(encode_reply(reply)) == reply


def test_unknown_fields_are_ignored() -> None:
    batch = decode_batch(body(HEADER | {"new": 1}, RECORD | {"new": [2]}))
    assert batch.observations == (an_observation(),)
    assert decode_reply(b'{"instance": "i", "durable_through": 1, "new": {}}') == Reply("i", 1)


def test_unknown_and_malformed_records_are_skipped_and_counted() -> None:
    wrong: list[Any] = [
        {"t": "flow", "dst_ip": "192.0.2.1"},
        {"t": ["dns"]},
        {"t": "dns"},
        {"t": "conn", "dst_ip": "192.0.2.1"},
        CONNECTION | {"dst_port": 0},
        CONNECTION | {"dst_port": 65_536},
        CONNECTION | {"dst_ip": ""},
        CONNECTION | {"count": 0},
        RECORD | {"count": 0},
        RECORD | {"count": True},
        RECORD | {"first_ms": 2_000},
        RECORD | {"last_ms": 2**53 + 1},
        RECORD | {"qname": "n" * 1_024},
        RECORD | {"answers": ["a"] * 65},
        RECORD | {"answers": "192.0.2.1"},
        RECORD | {"client_ip": ""},
        RECORD | {"qtype": None},
        [],
        None,
    ]
    batch = decode_batch(body(HEADER, *wrong, RECORD))
    assert batch.observations == (an_observation(),)
    assert batch.skipped == {"unknown-type": 2, "bad-record": len(wrong) - 2}


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (b"", "header is not JSON"),
        (b"\xff\xfe", "header is not JSON"),
        (b"[]", "header is not a JSON object"),
        (b"[" * 100_000, "header is not JSON"),
        (body(HEADER | {"v": 2}), "version 2 is not spoken here"),
        (body({}), "version None is not spoken here"),
        (body(HEADER | {"stream": ""}), "stream"),
        (body(HEADER | {"seq": -1}), "seq"),
        (body(HEADER | {"seq": 1.5}), "seq"),
        (body(HEADER | {"node": "n" * 254}), "node"),
        (body(HEADER | {"hearing": None}), "hearing"),
        (body(HEADER | {"counters": {str(i): i for i in range(257)}}), "counters"),
        (body(HEADER | {"counters": {"frames": "many"}}), "frames"),
        (body(HEADER | {"host_ips": ["192.0.2.1"] * 257}), "host_ips"),
        (body(HEADER | {"seq": 0}, RECORD), "heartbeat"),
        (body(HEADER, *[{}] * 2_001), "exceeds 2000"),
        (b"x" * (schema.MAX_BODY_BYTES + 1), "exceeds 1048576"),
    ],
)
def test_a_body_that_is_no_batch_is_refused_with_the_reason(wrong: bytes, text: str) -> None:
    with pytest.raises(WireError, match=text):
        decode_batch(wrong)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (b"hello", "not deflate"),
        (zlib.compress(BODY)[:-5], "cut short"),
        (zlib.compress(bytes(schema.MAX_DECODED_BYTES + 1)), "inflates to more"),
    ],
)
def test_a_body_that_does_not_inflate_is_refused(wrong: bytes, text: str) -> None:
    with pytest.raises(WireError, match=text):
        decode_batch(wrong, deflate=True)


def test_a_batch_over_the_limit_is_the_callers_mistake() -> None:
    with pytest.raises(WireError, match="exceeds 2000: cut it"):
        encode_batch(a_batch(observations=2_001))


@pytest.mark.parametrize(
    "wrong", [b"", b"<html>", b"{}", b'{"instance": 1, "durable_through": 1}', b'{"instance": "i"}']
)
def test_what_is_no_reply_is_refused(wrong: bytes) -> None:
    with pytest.raises(WireError):
        decode_reply(wrong)


def test_a_full_batch_of_usual_records_fits_a_request() -> None:
    assert len(encode_batch(a_batch(observations=schema.MAX_RECORDS))) < schema.MAX_BODY_BYTES


def test_an_empty_batch_is_its_header_alone() -> None:
    empty = Batch(a_batch().header, ())
    assert encode_batch(empty).count(b"\n") == 1
    assert decode_batch(encode_batch(empty)) == empty
