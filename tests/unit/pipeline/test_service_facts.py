"""What a status says of the Service an edge leads through: its port, and the workloads behind it with their share."""

from typing import Any

from tests.support.builders import (
    T0,
    a_batch,
    a_deployment,
    a_dial,
    a_pod_of,
    a_service,
    a_slice,
    an_observation,
)
from tests.support.fake_writer import FakeWriter
from tests.unit.pipeline.test_pipeline import SHOP, Rig

from grapevine.model.observation import Observation
from grapevine.resolver.records import Record, ServiceRecord

CANARY: list[Record] = [
    *SHOP,
    *a_deployment("canary"),
    a_pod_of("cart", 2, "10.0.0.18"),
    a_pod_of("cart", 3, "10.0.0.28"),
    a_pod_of("canary", 1, "10.0.0.38"),
    a_service("pay", headless=True),
    a_slice("pay", "cart-1-1", "cart-1-2", "cart-1-3", "canary-1-1"),
    a_service("both"),
    a_slice("both", "cart-1-1", "canary-1-1"),
]
PODS = ("10.0.0.18", "10.0.0.28", "10.0.0.38", "10.0.0.8")
CART, OTHER = {"name": "cart", "kind": "Deployment"}, {"name": "canary", "kind": "Deployment"}


async def observed(writer: FakeWriter, *observations: Observation, records: list[Record] = CANARY) -> dict[str, Any]:
    """Return the items of the one status by the name of their target."""
    rig = Rig(writer, records=records)
    async with rig.running() as pipeline:
        pipeline.offer(a_batch(*observations, stream=f"s{len(writer.objects)}"))
        assert await pipeline.flush(5)
    (resource,) = writer.objects.values()
    items = resource["status"]["observed"]
    return {next(iter(item["target"].values()))["name"]: item for item in items}


def look_up(service: str, *answers: str, first_ms: int = T0 + 1_000) -> Observation:
    return an_observation(f"{service}.shop.svc.cluster.local", answers=answers, first_ms=first_ms)


async def test_answers_tell_the_share_of_each_owner_of_a_headless_service() -> None:
    item = (await observed(FakeWriter(), look_up("pay", *PODS)))["pay"]

    assert item["owners"] == [OTHER | {"answers": 1, "share": 25}, CART | {"answers": 3, "share": 75}]


async def test_connections_to_the_pods_tell_better_and_are_edges_of_their_own() -> None:
    dials = [a_dial(ip, 80, first_ms=T0 + 2_000 + n) for n, ip in enumerate(("10.0.0.38", "10.0.0.38", "10.0.0.8"))]
    found = await observed(FakeWriter(), look_up("pay", *PODS), *dials)

    assert [owner["share"] for owner in found["pay"]["owners"]] == [67, 33]
    assert {name: item["evidence"] for name, item in found.items()} == {
        "pay": ["dns"],
        "cart": ["connection"],
        "canary": ["connection"],
    }


async def test_a_cluster_ip_tells_the_owners_and_no_share() -> None:
    item = (await observed(FakeWriter(), look_up("both", "10.96.0.2")))["both"]

    assert item["owners"] == [OTHER, CART]


async def test_one_owner_is_the_target_and_nothing_to_list() -> None:
    item = (await observed(FakeWriter(), look_up("cart", "10.96.0.1")))["cart"]

    assert item["target"] == {"kubernetes": CART}
    assert "owners" not in item


async def test_a_restart_keeps_the_share_and_counts_nothing_twice() -> None:
    writer = FakeWriter()
    first = await observed(writer, look_up("pay", *PODS))
    again = await observed(writer, look_up("pay", *PODS))
    later = await observed(writer, look_up("pay", "10.0.0.38", first_ms=T0 + 3_000))

    assert first["pay"]["owners"] == again["pay"]["owners"]
    assert later["pay"]["owners"] == [OTHER | {"answers": 2, "share": 40}, CART | {"answers": 3, "share": 60}]


async def test_an_owner_that_joins_is_written() -> None:
    writer = FakeWriter()
    rig = Rig(writer, records=CANARY)
    async with rig.running() as pipeline:
        pipeline.offer(a_batch(look_up("both", "10.96.0.2")))
        assert await pipeline.flush(5)
        pipeline.on_records([*a_deployment("third"), a_pod_of("third", 1, "10.0.0.48")])
        pipeline.on_records([a_slice("both", "third-1-1", name="both-2")])
        assert await pipeline.flush(5)

    (resource,) = writer.objects.values()
    assert [owner["name"] for owner in resource["status"]["observed"][0]["owners"]] == ["canary", "cart", "third"]


async def test_the_services_only_port_is_told_and_follows_the_service() -> None:
    writer = FakeWriter()
    rig = Rig(writer)
    ports = []
    async with rig.running() as pipeline:
        pipeline.offer(a_batch(look_up("cart", "10.96.0.1")))
        for change in (a_service("cart"), a_service("cart", ports=(81,)), a_service("cart", ports=(81, 82))):
            pipeline.on_records([change])
            assert await pipeline.flush(5)
            (resource,) = writer.objects.values()
            ports.append(resource["status"]["observed"][0].get("servicePorts"))

    assert ports == [[80], [81], None]


async def test_an_srv_name_tells_which_port() -> None:
    service = ServiceRecord("shop", "cart", False, "", (80, 443), ("10.96.0.1",), ("_http._tcp", "_https._tcp"))
    name = "_https._tcp.cart.shop.svc.cluster.local"
    srv = an_observation(name, qtype="SRV", answers=("cart.shop.svc.cluster.local",))

    item = (await observed(FakeWriter(), srv, records=[*SHOP, service]))["cart"]

    assert (item["servicePorts"], "ports" in item) == ([443], False)
    assert item["names"] == [name]
