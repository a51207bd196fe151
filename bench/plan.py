"""Resolver, graph and plan without any I/O: what the operator's own rules cost."""

import asyncio
import time
import tracemalloc

from tests.support.steady import SteadyCluster

from bench.cluster import DOMAIN, TARGETS, WORKLOADS, observations, records
from grapevine.graph.store import GraphStore
from grapevine.intents.build import build_intents
from grapevine.intents.read import read_intents
from grapevine.model.intents import ActualIntents, DesiredIntents
from grapevine.model.write_policy import WritePolicy
from grapevine.reconcile.plan import ApplyStatus, Circumstances, Create, next_change
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.resolve import Resolver, Unresolved
from grapevine.settings import GraphSettings

_AROUND = Circumstances(WritePolicy.UPSERT_ONLY, is_fresh=True, is_unwanted=False, now_ms=0, refresh_ms=300_000)


def run() -> list[tuple[str, str]]:
    """Measure 1,000 workloads with 20 targets each."""
    index = ClusterIndex(DOMAIN)
    began = time.process_time()
    index.apply(records(), 0)
    index_s = time.process_time() - began
    resolver, graph = Resolver(index, cluster_domain=DOMAIN), GraphStore(DOMAIN, GraphSettings())
    seen = observations()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for observation in seen:
        found = resolver.resolve(observation)
        assert not isinstance(found, Unresolved), found
        graph.add(found, index.target_of)
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    began = time.process_time()
    for observation in seen:
        found = resolver.resolve(observation)
        assert not isinstance(found, Unresolved)
        graph.add(found, index.target_of)
    again_s = time.process_time() - began
    plan_s, changes = _plan(graph)
    equal_s, none = _plan(graph, is_written=True)
    assert (changes, none) == (WORKLOADS, 0)
    return [
        ("records of 10,000 pods into the index", f"{index_s:.2f} s CPU"),
        ("resolve + graph, one known look-up", f"{again_s / len(seen) * 1e6:.1f} µs CPU"),
        (
            f"graph of {WORKLOADS * TARGETS:,} edges",
            f"{size / 2**20:.1f} MiB, {size / WORKLOADS / TARGETS:.0f} B an edge",
        ),
        (f"plan of {WORKLOADS:,} workloads × {TARGETS} targets, all new", f"{plan_s:.2f} s CPU"),
        ("the same, nothing to change", f"{equal_s:.2f} s CPU"),
        ("API writes in an hour of the same, nothing changing but times", f"{asyncio.run(_steady_hour()):,}"),
    ]


async def _steady_hour() -> int:
    """Return the writes of an hour in which every workload is looked at each minute."""
    cluster = SteadyCluster(WORKLOADS, TARGETS)
    await cluster.pass_by(1, every_ms=1)
    return (await cluster.pass_by(3_600_000, every_ms=60_000)).total()


def _plan(graph: GraphStore, *, is_written: bool = False) -> tuple[float, int]:
    """Return the CPU seconds of planning every client, and how many changes that gave."""
    changes = 0
    desired = {client: _desired(graph, client) for client in graph.clients}
    actuals = {client: _written(intents) for client, intents in desired.items()} if is_written else {}
    began = time.process_time()
    for client in graph.clients:
        objects = [actuals[client]] if client in actuals else []
        change = next_change(_desired(graph, client), objects, _AROUND, is_taken=lambda _: False)
        changes += change is not None
    return time.process_time() - began, changes


def _desired(graph: GraphStore, client: object) -> DesiredIntents:
    return build_intents(client, graph.edges(client), graph.dead(client))  # type: ignore[arg-type]


def _written(desired: DesiredIntents) -> ActualIntents:
    """Return the object as it stands once everything has been written."""
    created = next_change(desired, [], _AROUND, is_taken=lambda _: False)
    assert isinstance(created, Create)
    actual = read_intents({**created.resource, "metadata": {**created.resource["metadata"], "uid": "u"}})
    status = next_change(desired, [actual], _AROUND, is_taken=lambda _: False)
    assert isinstance(status, ApplyStatus)
    return read_intents(
        {**created.resource, **status.resource, "metadata": {**created.resource["metadata"], "uid": "u"}}
    )
