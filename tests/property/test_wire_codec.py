import contextlib

from hypothesis import given
from hypothesis import strategies as st

from grapevine.model.observation import ConnObservation, DnsObservation
from grapevine.wire.codec import decode_batch, decode_reply, encode_batch, encode_reply
from grapevine.wire.schema import Batch, BatchHeader, DnsPod, Hearing, Reply, WireError

integers = st.integers(0, 2**53)
ascii_characters = st.characters(codec="ascii")
names = st.text(ascii_characters, max_size=80)
times = st.tuples(integers, integers).map(sorted)


def observation(when: list[int], count: int, words: list[str], lists: list[tuple[str, ...]]) -> DnsObservation:
    client, resolver, qname, qtype, rcode, transport, source = words
    return DnsObservation(
        when[0], when[1], count, client, resolver, qname, qtype, rcode, lists[0], lists[1], transport, source
    )


lookups = st.builds(
    observation,
    times,
    st.integers(1, 2**53),
    st.lists(st.text(ascii_characters, min_size=1, max_size=8), min_size=7, max_size=7),
    st.lists(st.lists(names, max_size=4).map(tuple), min_size=2, max_size=2),
)
connections = st.builds(
    lambda when, *fields: ConnObservation(when[0], when[1], *fields),
    times,
    st.integers(1, 2**53),
    *[st.text(ascii_characters, min_size=1, max_size=45)] * 2,
    st.integers(1, 65_535),
    *[st.text(ascii_characters, min_size=1, max_size=8)] * 2,
)
observations = st.one_of(lookups, connections)
headers = st.builds(
    BatchHeader,
    stream=st.text(ascii_characters, min_size=1, max_size=128),
    seq=st.integers(1, 2**53),
    oldest=integers,
    node=names,
    clock_ms=integers,
    hearing=st.builds(Hearing, st.lists(st.text(ascii_characters, max_size=32), max_size=3).map(tuple), integers),
    host_ips=st.lists(st.text(ascii_characters, max_size=45), max_size=3).map(tuple),
    counters=st.dictionaries(st.text(ascii_characters, max_size=64), integers, max_size=5),
    wants=st.lists(st.text(ascii_characters, max_size=32), max_size=3).map(tuple),
)
object_names = st.text(ascii_characters, min_size=1, max_size=253)
dns_pods = st.lists(st.builds(DnsPod, object_names, object_names, st.text(ascii_characters, max_size=45)), max_size=3)
batches = st.builds(Batch, headers, st.lists(observations, max_size=5).map(tuple))


@given(batches, st.booleans())
def test_every_batch_comes_back_as_it_went(batch: Batch, deflate: bool) -> None:
    assert decode_batch(encode_batch(batch, deflate=deflate), deflate=deflate) == batch


@given(names, integers, st.text(ascii_characters, max_size=200), st.none() | dns_pods.map(tuple))
def test_every_reply_comes_back_as_it_went(
    instance: str, durable_through: int, reason: str, pods: tuple[DnsPod, ...] | None
) -> None:
    reply = Reply(instance, durable_through, reason, dns_pods=pods)
    assert decode_reply(encode_reply(reply)) == reply


@given(batches, st.booleans(), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=8))
def test_mutated_batches_raise_nothing_but_wire_errors(
    batch: Batch, deflate: bool, mutations: list[tuple[int, int]]
) -> None:
    body = bytearray(encode_batch(batch, deflate=deflate))
    for where, octet in mutations:
        body[where % len(body)] = octet
    with contextlib.suppress(WireError):
        decode_batch(bytes(body), deflate=deflate)


@given(st.binary(max_size=400), st.booleans())
def test_arbitrary_bytes_raise_nothing_but_wire_errors(body: bytes, deflate: bool) -> None:
    with contextlib.suppress(WireError):
        decode_batch(body, deflate=deflate)
    with contextlib.suppress(WireError):
        decode_reply(body)
