"""Whatever order batches come in, however they are cut, and however often: the same edges."""

import asyncio
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.builders import T0, a_batch
from tests.support.fake_writer import FakeWriter
from tests.support.objects import SHOP
from tests.support.truth import intents_of, shop_truth

from grapevine.capture.replay import read_batches
from grapevine.kube.snapshot import read_pod_events, read_snapshot
from grapevine.model.observation import DnsObservation
from grapevine.pipeline import Pipeline
from grapevine.resolver.records import Record, RecordGone
from grapevine.settings import OperatorSettings, ReconcileSettings
from grapevine.wire.schema import Batch

SETTINGS = OperatorSettings(reconcile=ReconcileSettings(coalesce_ms=0, refresh_ms=1))
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
    pipeline = Pipeline(SETTINGS, writer, lambda: T0 + 10**12)
    pipeline.on_records(records())
    task = asyncio.create_task(pipeline.run())
    try:
        for batch in batches:
            while pipeline._batches.full():
                await pipeline.drain()
            pipeline.offer(batch)
        assert await pipeline.flush(60)
    finally:
        task.cancel()
        await asyncio.wait([task])
    return writer, pipeline


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(1, 300))
def test_any_order_and_any_cut_give_the_shops_edges_and_its_one_dead_dependency(random: object, size: int) -> None:
    shuffled = list(observations())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    cuts = [shuffled[i : i + size] for i in range(0, len(shuffled), size)]
    batches = [a_batch(*cut, seq=n, node="") for n, cut in enumerate(cuts, 1)]
    random.shuffle(batches)  # type: ignore[attr-defined]

    writer, pipeline = asyncio.run(mapped([*batches, *batches[:2]]))

    assert intents_of(writer.objects.values()) == shop_truth()
    assert [d.name for c in pipeline.graph.clients for d in pipeline.graph.dead(c)] == ["reccomendations"]
    assert pipeline.offer(a_batch(seq=0)) == len(batches)
