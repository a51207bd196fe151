"""Connections through the whole pipeline: edges, what waits, what is nobody's, what a restart keeps."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import (
    CLIENT_IP,
    a_batch,
    a_deployment,
    a_dial,
    a_pod_of,
    a_service,
    a_slice,
    a_workload,
    an_observation,
)
from tests.support.fake_writer import FakeWriter
from tests.support.loop import until
from tests.unit.pipeline.test_pipeline import SETTINGS, Rig

from grapevine.model.observation import ConnObservation, DnsObservation
from grapevine.resolver.records import NodeRecord, Record
from grapevine.settings import OperatorSettings, ResolverSettings
from grapevine.wire.schema import Batch, DnsPod

NODE = "192.0.2.2"
WEB = a_workload()
SHOP: list[Record] = [
    *a_deployment("web"),
    replace(a_pod_of("web", 1, CLIENT_IP), node="n1"),
    *a_deployment("cart"),
    a_pod_of("cart", 1, "10.0.0.8"),
    a_service("cart", cluster_ips=("10.96.0.1",)),
    a_slice("cart", "cart-1-1"),
    NodeRecord("n1", (NODE,)),
]


def a_rig(writer: FakeWriter | None = None, settings: OperatorSettings = SETTINGS) -> Rig:
    return Rig(writer or FakeWriter(), settings, SHOP)


def observed(rig: Rig) -> list[dict[str, Any]]:
    keys = ("target", "evidence", "confidence", "ports", "protocols", "count")
    status = rig.writer.objects["shop", "web"]["status"]
    return [{key: item[key] for key in keys if key in item} for item in status["observed"]]


def samples(rig: Rig, name: str) -> dict[str, float]:
    (found,) = (m.samples for m in rig.pipeline.metrics() if m.name == name)
    return dict(found)


CART = {"kubernetes": {"name": "cart", "kind": "Deployment"}}


async def test_a_connection_confirms_a_look_up_and_tells_its_port() -> None:
    rig = a_rig()

    await rig.take_in(a_batch(an_observation(), a_dial("10.96.0.1", 80, count=3)))

    assert observed(rig) == [
        {
            "target": CART,
            "evidence": ["connection", "dns"],
            "confidence": 95,
            "ports": [80],
            "protocols": ["tcp"],
            "count": 1,
        }
    ]
    assert rig.targets() == [CART]


@pytest.mark.parametrize("address", ["10.96.0.1", "10.0.0.8"], ids=["ClusterIP", "pod"])
async def test_what_nobody_looked_up_is_an_edge_by_its_connection(address: str) -> None:
    rig = a_rig()

    await rig.take_in(a_batch(a_dial(address, 8080)))

    assert [(o["target"], o["evidence"], o["confidence"]) for o in observed(rig)] == [(CART, ["connection"], 90)]


async def test_an_address_outside_is_named_by_the_look_up_that_comes_after_it() -> None:
    rig = a_rig()

    await rig.take_in(
        a_batch(a_dial("192.0.2.77", 443), seq=1),
        a_batch(an_observation("api.example.com", answers=("192.0.2.77",)), seq=2),
    )

    assert [(o["evidence"], o["ports"]) for o in observed(rig)] == [(["connection", "dns"], [443])]


async def test_what_is_no_edge_is_counted_by_reason() -> None:
    rig = a_rig()

    await rig.take_in(
        a_batch(
            a_dial("198.51.100.1", 443, count=2),
            a_dial(NODE, 10250),
            a_dial("10.96.0.10", 53),
            a_dial("10.0.0.8", 8080, client_ip=NODE),
        )
    )

    assert samples(rig, "grapevine_connections_unresolved") == {
        "connection-without-lookup": 2,
        "to-node": 1,
        "dns-traffic": 1,
        "host-network": 1,
    }
    assert rig.writer.objects == {}
    assert [a.address for a in rig.pipeline.graph.unnamed(WEB)] == [NODE, "198.51.100.1"]
    assert rig.durable() == 1


async def test_a_pod_under_way_is_waited_for() -> None:
    rig = a_rig()
    async with rig.running() as pipeline:
        pipeline.offer(a_batch(a_dial("10.0.0.30", 6379)))
        await until(lambda: samples(rig, "grapevine_observations_parked") == {"": 1})
        pipeline.on_records([*a_deployment("redis"), a_pod_of("redis", 1, "10.0.0.30")])
        assert await pipeline.flush(10, has_all=True)

    assert rig.targets() == [{"kubernetes": {"name": "redis", "kind": "Deployment"}}]


@pytest.mark.parametrize("address", ["64:ff9b::c000:221", NODE, "10.1.1.1"], ids=["public", "node", "looked up"])
async def test_what_can_be_no_pods_address_does_not_wait(address: str) -> None:
    rig = a_rig()
    async with rig.running() as pipeline:
        pipeline.offer(a_batch(an_observation("db.example.com", answers=("10.1.1.1",)), a_dial(address)))
        await pipeline.drain()

        assert samples(rig, "grapevine_observations_parked") == {"": 0}


async def test_a_scan_leaves_room_for_those_who_have_to_wait() -> None:
    rig = a_rig(settings=replace(SETTINGS, resolver=ResolverSettings(max_parked=4)))
    async with rig.running() as pipeline:
        pipeline.offer(a_batch(*[a_dial(f"10.1.1.{n}") for n in range(9)], an_observation(client_ip="10.0.0.99")))
        await pipeline.drain()

        assert samples(rig, "grapevine_observations_parked") == {"": 3}
    assert samples(rig, "grapevine_connections_unresolved") == {"connection-without-lookup": 7}


async def test_a_restart_keeps_evidence_and_ports() -> None:
    first = a_rig()
    await first.take_in(a_batch(an_observation(count=4), a_dial("10.96.0.1", 80), a_dial("10.0.0.8", 8080)))
    before = observed(first)

    second = a_rig(first.writer)
    await second.take_in(a_batch(an_observation("api.example.com"), stream="s2"))

    assert before[0]["ports"] == [80, 8080]
    assert observed(second)[0] == before[0]


async def test_the_spec_stands_still_while_evidence_comes() -> None:
    rig = a_rig()
    await rig.take_in(a_batch(an_observation()))
    generation = rig.writer.objects["shop", "web"]["metadata"]["generation"]

    again = a_rig(rig.writer)
    await again.take_in(a_batch(a_dial("10.96.0.1", 80), a_dial("10.96.0.1", 443), stream="s2"))

    assert again.writer.objects["shop", "web"]["metadata"]["generation"] == generation
    assert observed(again)[0]["ports"] == [80, 443]


def test_the_clusters_dns_can_be_asked_for() -> None:
    dns = [
        a_service("kube-dns", namespace="kube-system", ports=(53,)),
        a_pod_of("coredns", 1, "10.0.0.53", namespace="kube-system"),
        replace(a_pod_of("coredns", 2, "10.0.0.54", namespace="kube-system"), ips=()),
        a_slice("kube-dns", "coredns-1-2", "coredns-1-1", "coredns-1-3", namespace="kube-system"),
    ]

    assert Rig(FakeWriter(), SETTINGS, [*SHOP, *dns]).pipeline.dns_pods() == (
        DnsPod("kube-system", "coredns-1-1", "10.0.0.53"),
        DnsPod("kube-system", "coredns-1-2", ""),
    )


# --- what two nodes heard


def from_node(node: str, *observations: DnsObservation | ConnObservation, seq: int = 1) -> Batch:
    return a_batch(*observations, node=node, stream=f"stream of {node}", seq=seq)


async def test_what_both_nodes_heard_is_counted_once() -> None:
    rig = a_rig()
    heard = (an_observation(), a_dial("10.96.0.1", 80))

    await rig.take_in(from_node("n1", *heard), from_node("n2", *heard))

    assert rig.counts() == [1]
    assert samples(rig, "grapevine_lookups_unresolved") == {"heard-elsewhere": 1}
    assert samples(rig, "grapevine_connections_unresolved") == {"heard-elsewhere": 1}


async def test_what_the_clients_node_did_not_hear_is_taken_from_the_other() -> None:
    rig = a_rig()

    await rig.take_in(from_node("n2", an_observation()))

    assert rig.counts() == [1]


async def test_a_heartbeat_alone_proves_no_hearing() -> None:
    rig = a_rig()

    await rig.take_in(from_node("n1", seq=0), from_node("n2", an_observation()))

    assert rig.counts() == [1]


async def test_what_waited_is_judged_by_where_it_was_heard() -> None:
    rig = Rig(FakeWriter(), SETTINGS, SHOP[3:])
    async with rig.running() as pipeline:
        for batch in (from_node("n1", an_observation()), from_node("n2", an_observation())):
            pipeline.offer(batch)
        await until(lambda: samples(rig, "grapevine_observations_parked") == {"": 2})
        pipeline.on_records(SHOP[:3])
        assert await pipeline.flush(10, has_all=True)

    assert rig.counts() == [1]
