"""What a hostile sender may put into a batch, and what becomes of it."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from tests.support.builders import T0, a_batch, a_dial, a_pod, an_observation
from tests.support.fake_writer import FakeWriter

from grapevine.pipeline import Pipeline
from grapevine.resolver.records import Record
from grapevine.settings import OperatorSettings
from grapevine.wire.codec import decode_batch, encode_batch
from grapevine.wire.schema import Batch


async def written_from(writer: FakeWriter, records: Sequence[Record], batch: Batch) -> None:
    """Take the batch in, write what it tells, and end."""
    pipeline = Pipeline(OperatorSettings(), writer, lambda: T0 + 10_000)
    pipeline.on_records(records)
    task = asyncio.create_task(pipeline.run())
    pipeline.offer(batch)
    try:
        assert await pipeline.flush(10)
    finally:
        task.cancel()
        await asyncio.wait([task])


def tampered(**fields: object) -> bytes:
    """Return a batch of two observations, the first one tampered with."""
    head, first, second, *_ = encode_batch(a_batch(an_observation(), an_observation("d.example.com"))).split(b"\n")
    return b"\n".join([head, json.dumps({**json.loads(first), **fields}).encode(), second, b""])


@pytest.mark.parametrize(
    "fields",
    [
        {"rcode": "\ud800"},
        {"qname": "\ud800.example.com"},
        {"qname": "exämple.com"},
        {"client_ip": "\ud800"},
        {"answers": ["\ud800"]},
    ],
)
async def test_text_that_no_file_can_hold_costs_its_record_alone(fields: dict[str, object]) -> None:
    writer = FakeWriter()
    batch = decode_batch(tampered(**fields))
    await written_from(writer, [a_pod("web")], batch)

    assert (len(batch.observations), dict(batch.skipped)) == (1, {"bad-record": 1})
    assert writer.objects["shop", "web"]["spec"]["targets"] == [{"internet": {"domains": ["d.example.com"]}}]


@pytest.mark.parametrize("qname", ["a b.example.com", "redis:6379.example.com", "x/y.example.com", "a*b.example.com"])
async def test_a_name_the_resource_refuses_poisons_no_object(qname: str) -> None:
    writer = FakeWriter()
    await written_from(writer, [a_pod("web")], decode_batch(tampered(qname=qname)))

    assert writer.objects["shop", "web"]["spec"]["targets"] == [{"internet": {"domains": ["d.example.com"]}}]


async def test_an_address_that_is_none_is_nobodys() -> None:
    writer = FakeWriter()
    await written_from(writer, [a_pod("web")], decode_batch(tampered(client_ip="not an address")))

    assert list(writer.objects) == [("shop", "web")]


@pytest.mark.parametrize(
    "dst_ip", ["not an address", "999.0.0.1", "10.0.0.1/8", "::ffff:10.0.0.1%eth0", "*.example.com"]
)
async def test_a_connection_to_what_is_no_address_makes_no_edge(dst_ip: str) -> None:
    writer = FakeWriter()
    await written_from(writer, [a_pod("web")], a_batch(a_dial(dst_ip), an_observation("d.example.com")))

    assert writer.objects["shop", "web"]["spec"]["targets"] == [{"internet": {"domains": ["d.example.com"]}}]
