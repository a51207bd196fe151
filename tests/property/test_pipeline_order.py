"""Whatever order batches come in, however they are cut, and however often: the same edges, by the same evidence."""

import asyncio
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.builders import T0, a_batch
from tests.support.fake_writer import FakeWriter
from tests.support.objects import SHOP
from tests.support.truth import intents_of, shop_truth

from grapevine.capture.replay import read_batches
from grapevine.kube.snapshot import read_pod_events, read_snapshot
from grapevine.model.observation import ConnObservation, DnsObservation, Observation
from grapevine.pipeline import Pipeline
from grapevine.resolver.records import Record, RecordGone
from grapevine.settings import OperatorSettings, ReconcileSettings
from grapevine.wire.schema import Batch

SETTINGS = OperatorSettings(
    reconcile=ReconcileSettings(coalesce_ms=0, refresh_ms=1, refresh_share_ms=0, writes_per_s=0)
)
NOW = T0 + 10**12
_OVERRIDES = SETTINGS.resolver.override_annotations


@cache
def records() -> tuple[Record | RecordGone, ...]:
    events = read_pod_events(Path(SHOP / "pod-events.jsonl"), _OVERRIDES)
    return (*events, *read_snapshot(Path(SHOP / "cluster.json"), _OVERRIDES))


@cache
def observations() -> tuple[DnsObservation, ...]:
    """The distinct look-ups of the shop: the first of each kind a client made, of each of its addresses."""
    kept: dict[tuple[str, ...], DnsObservation] = {}
    for batch in read_batches(str(SHOP / "capture.pcap"), print):
        for each in batch.observations:
            kept.setdefault((each.client_ip, each.qname, each.qtype, each.rcode), each)
    return tuple(kept.values())


async def mapped(batches: list[Batch]) -> tuple[FakeWriter, Pipeline]:
    writer = FakeWriter()
    pipeline = Pipeline(SETTINGS, writer, lambda: NOW)
    pipeline.on_records(records())
    task = asyncio.create_task(pipeline.run())
    try:
        for batch in batches:
            while pipeline._batches.full():
                await pipeline.drain()
            pipeline.offer(batch)
        assert await pipeline.flush(60, has_all=True)
    finally:
        task.cancel()
        await asyncio.wait([task])
    return writer, pipeline


@cache
def connections() -> tuple[ConnObservation, ...]:
    """A connection to every address a look-up answered with, in its millisecond, and one that nobody looked up."""
    return tuple(
        ConnObservation(each.last_ms, each.last_ms, 1, each.client_ip, address, port, "tcp", "packet")
        for each in observations()
        for address, port in (*((a, 80 + len(a) % 3) for a in each.answers), ("203.0.113.200", 22))
        if each.qtype == "A"
    )


def cut(facts: tuple[Observation, ...], random: Random, size: int) -> list[Batch]:
    """Return the facts shuffled, in batches of that size, shuffled."""
    shuffled = list(facts)
    random.shuffle(shuffled)
    cuts = [shuffled[i : i + size] for i in range(0, len(shuffled), size)]
    batches = [a_batch(*each, seq=n, node="", clock_ms=NOW) for n, each in enumerate(cuts, 1)]
    random.shuffle(batches)
    return batches


def evidence(writer: FakeWriter) -> list[Any]:
    """Return what every status says of its edges, without times and counts."""
    told = ("target", "names", "evidence", "confidence", "ports", "protocols")
    return sorted(
        (*key, *[repr([item.get(field) for field in told]) for item in resource["status"]["observed"]])
        for key, resource in writer.objects.items()
    )


@cache
def evidence_in_order() -> list[Any]:
    facts = sorted((*observations(), *connections()), key=lambda each: each.first_ms)
    writer, pipeline = asyncio.run(
        mapped([a_batch(*facts[n : n + 500], seq=n + 1, clock_ms=NOW) for n in range(0, len(facts), 500)])
    )
    assert {u.address for c in pipeline.graph.clients for u in pipeline.graph.unnamed(c)} == {"203.0.113.200"}
    edges = [item for o in writer.objects.values() for item in o["status"]["observed"] if "target" in item]
    assert {tuple(edge["evidence"]) for edge in edges} == {("connection", "dns")}
    return evidence(writer)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(1, 300))
def test_any_order_and_any_cut_give_the_shops_edges_and_its_one_dead_dependency(random: Random, size: int) -> None:
    batches = cut(observations(), random, size)

    writer, pipeline = asyncio.run(mapped([*batches, *batches[:2]]))

    assert intents_of(writer.objects.values()) == shop_truth()
    assert [d.name for c in pipeline.graph.clients for d in pipeline.graph.dead(c)] == ["reccomendations"]
    assert pipeline.offer(a_batch(seq=0, clock_ms=NOW)) == len(batches)


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(1, 300))
def test_look_ups_and_connections_in_any_order_give_the_same_evidence(random: Random, size: int) -> None:
    batches = cut((*observations(), *connections()), random, size)

    writer, _ = asyncio.run(mapped([*batches, *batches[:2]]))

    assert intents_of(writer.objects.values()) == shop_truth()
    assert evidence(writer) == evidence_in_order()
