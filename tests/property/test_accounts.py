"""The account closes: every look-up and connection taken in is an edge's, or counted by exactly one reason."""

import asyncio
import json
from dataclasses import asdict, replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import (
    T0,
    a_batch,
    a_deployment,
    a_dial,
    a_pod,
    a_pod_of,
    a_service,
    a_slice,
    an_observation,
)
from tests.support.fake_writer import FakeWriter

from grapevine.model.observation import Observation
from grapevine.pipeline import Pipeline
from grapevine.resolver.records import NodeRecord, Record, RecordGone
from grapevine.settings import GraphSettings, OperatorSettings, ReconcileSettings, ResolverSettings

DOMAIN = "svc.cluster.local"
PODS = [f"10.0.0.{n}" for n in range(1, 7)]
STRANGERS = ["10.0.0.99", "192.168.0.1", "203.0.113.7"]
NAMES = [
    *(f"{service}.shop.{DOMAIN}" for service in ("web", "cart", "both", "late", "nobody")),
    *(f"{name}{suffix}" for name in ("a.example.com", "gone.example.com") for suffix in ("", f".shop.{DOMAIN}")),
    "b.example.com",
    *(f"{name}.corp.example" for name in ("a.example.com", f"cart.shop.{DOMAIN}", "db")),
    "metadata.google.internal",
    "10-0-0-2.shop.pod.cluster.local",
    "10-0-0-99.shop.pod.cluster.local",
    "*.flood.example.com",
    "localhost",
    "7.113.0.203.in-addr.arpa",
    "no host name",
]
LATE: list[Record] = [
    *a_deployment("late"),
    a_pod_of("late", 1, PODS[5]),
    a_service("late"),
    a_slice("late", "late-1-1"),
]
SHOP: list[Record] = [
    *a_deployment("web"),
    a_pod_of("web", 1, PODS[0]),
    a_service("web"),
    a_slice("web", "web-1-1"),
    *a_deployment("cart"),
    a_pod_of("cart", 1, PODS[1]),
    a_service("cart", cluster_ips=("10.96.0.1",)),
    a_slice("cart", "cart-1-1"),
    a_pod("bare", ips=(PODS[2],)),
    a_service("both", cluster_ips=("10.96.0.2",)),
    a_slice("both", "cart-1-1", "web-1-1"),
    a_pod("own", ips=(PODS[3],), namespace="grapevine-system"),
    NodeRecord("n1", ("192.168.0.1",)),
]  # fmt: skip
SMALL = OperatorSettings(
    resolver=ResolverSettings(own_namespace="grapevine-system", max_parked=6),
    graph=GraphSettings(max_clients=3, max_destinations=2, max_domains=1, max_failures=1, max_client_addresses=3),
    reconcile=ReconcileSettings(coalesce_ms=0, refresh_ms=1, refresh_share_ms=0, writes_per_s=0),
)

moments = st.integers(0, 60).map(lambda n: T0 + n * 1_000)
lookups = st.builds(
    lambda name, ip, at_ms, count, rcode, qtype, answered: an_observation(
        name, client_ip=ip, first_ms=at_ms, count=count, rcode=rcode, qtype=qtype, answers=("192.0.2.1",) * answered
    ),
    st.sampled_from(NAMES), st.sampled_from(PODS + STRANGERS), moments, st.integers(1, 5),
    st.sampled_from(["NOERROR", "NXDOMAIN"]), st.sampled_from(["A", "AAAA", "TXT"]), st.integers(0, 1),
)  # fmt: skip
dials = st.builds(
    lambda ip, to, port, at_ms, count: a_dial(to, port, client_ip=ip, first_ms=at_ms, count=count),
    st.sampled_from(PODS + STRANGERS), st.sampled_from([*PODS, *STRANGERS, "10.96.0.1", "10.96.0.2", "192.0.2.1"]),
    st.sampled_from([53, 80]), moments, st.integers(1, 5),
)  # fmt: skip
batches = st.lists(st.lists(st.one_of(lookups, dials), max_size=12), max_size=8)


async def take_in(pipeline: Pipeline, seen: list[list[Observation]], random: Random) -> None:
    """Take batches in, with what a cluster does in between; the account closes after each."""
    for seq, each in enumerate(seen, 1):
        await pipeline.intake.process(a_batch(*each, seq=seq))
        assert_closed(pipeline)
        match random.randrange(5):
            case 0:
                pipeline.on_records(LATE)
                await pipeline.intake.retry_parked()
            case 1:
                pipeline.on_records([RecordGone(a_pod_of("late", 1, PODS[5]), T0 + 30_000)])
            case 2:
                await pipeline.intake.settle_parked(only_due=False)
            case 3:  # the Service's one owner becomes another, or nobody
                pipeline.on_records([a_slice("cart", random.choice(["cart-1-1", "web-1-1", "bare"]))])
        assert_closed(pipeline)


def assert_closed(pipeline: Pipeline) -> None:
    accounts = pipeline.intake.accounts()
    assert json.dumps([asdict(account) for account in accounts.values()])
    assert {name: account.missing for name, account in accounts.items()} == {"lookups": 0, "connections": 0}, accounts


@settings(max_examples=60)
@given(batches, batches, st.randoms(use_true_random=False))
def test_the_account_closes_whatever_comes_and_over_a_restart(
    before: list[list[Observation]], after: list[list[Observation]], random: Random
) -> None:
    asyncio.run(over_a_restart(before, after, random))


async def over_a_restart(before: list[list[Observation]], after: list[list[Observation]], random: Random) -> None:
    writer = FakeWriter()
    first = Pipeline(SMALL, writer, lambda: T0 + 100_000)
    first.on_records(SHOP)
    await take_in(first, before, random)
    task = asyncio.create_task(first.run())
    await first.flush(10)
    task.cancel()
    await asyncio.wait([task])
    assert_closed(first)
    assert sum(each.count for batch in before for each in batch) == sum(
        account.taken_in for account in first.intake.accounts().values()
    )

    second = Pipeline(replace(SMALL, graph=GraphSettings()), writer, lambda: T0 + 100_000)
    second.on_records(SHOP)
    second.restore(writer.objects.values())
    assert_closed(second)
    await take_in(second, [*before, *after], random)
