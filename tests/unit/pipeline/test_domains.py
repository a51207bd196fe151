"""Names outside the cluster: their groups, and what is over the bound of one client."""

from typing import Any

from tests.support.builders import T0, a_batch, a_dial, an_observation
from tests.support.fake_writer import FakeWriter
from tests.unit.pipeline.test_pipeline import SETTINGS, Rig

from grapevine.model.observation import Observation
from grapevine.settings import GraphSettings, OperatorSettings, ResolverSettings

FEW = OperatorSettings(graph=GraphSettings(max_domains=2), reconcile=SETTINGS.reconcile)
GROUPED = OperatorSettings(
    resolver=ResolverSettings(domain_rules=("*.s3.example.com",)), graph=FEW.graph, reconcile=SETTINGS.reconcile
)


def asked(*names: str) -> list[Observation]:
    return [an_observation(name, answers=("192.0.2.1",), first_ms=T0 + 1_000 + n) for n, name in enumerate(names)]


async def heard(settings: OperatorSettings, *batches: list[Observation]) -> tuple[FakeWriter, Rig]:
    """Return what each batch, taken in by a process of its own, left in the end."""
    writer = FakeWriter()
    rig = Rig(writer, settings)
    for number, observations in enumerate(batches):
        rig = Rig(writer, settings)
        async with rig.running() as pipeline:
            pipeline.offer(a_batch(*observations, stream=f"s{number}"))
            assert await pipeline.flush(5)
            assert {account.missing for account in pipeline.intake.accounts().values()} == {0}
    return writer, rig


def only(writer: FakeWriter) -> Any:
    (resource,) = writer.objects.values()
    return resource


def domains(writer: FakeWriter) -> list[str]:
    return [domain for target in only(writer)["spec"]["targets"] for domain in target["internet"]["domains"]]


async def test_what_is_over_the_bound_is_counted_in_the_status_and_widens_nothing() -> None:
    writer, rig = await heard(FEW, asked("a.example", "b.example", "c.example", "d.example", "c.example"))

    assert domains(writer) == ["a.example", "b.example"]
    assert (only(writer)["status"]["summary"]["overflow"], only(writer)["status"]["truncated"]) == (3, True)
    noise = {n.reason: (n.count, n.names) for n in rig.pipeline.explainer.explain("shop", "web", "", "x").noise}
    assert noise["domains-full"] == (3, ("c.example", "d.example"))


async def test_services_have_room_though_domains_have_none() -> None:
    writer, _ = await heard(FEW, asked("a.example", "b.example", "cart.shop.svc.cluster.local"))

    assert only(writer)["spec"]["targets"][0] == {"kubernetes": {"name": "cart", "kind": "Deployment"}}
    assert "overflow" not in only(writer)["status"]["summary"]


async def test_a_restart_keeps_what_was_over_the_bound() -> None:
    writer, _ = await heard(FEW, asked("a.example", "b.example", "c.example"), asked("a.example"))

    assert (only(writer)["status"]["summary"]["overflow"], only(writer)["status"]["truncated"]) == (1, True)


async def test_a_group_is_one_target_and_keeps_the_names_that_were_asked_for() -> None:
    writer, _ = await heard(GROUPED, asked("one.s3.example.com", "two.s3.example.com"))

    (item,) = only(writer)["status"]["observed"]
    assert domains(writer) == ["*.s3.example.com"]
    assert item["names"] == ["one.s3.example.com", "two.s3.example.com"]


async def test_a_group_has_room_for_all_of_its_names() -> None:
    names = [f"b{n}.s3.example.com" for n in range(5)]
    dial = a_dial("192.0.2.1", 443, first_ms=T0 + 2_000)
    writer, _ = await heard(GROUPED, [*asked(*names), dial])

    assert domains(writer) == ["*.s3.example.com"]
    (item,) = only(writer)["status"]["observed"]
    assert (item["count"], item["names"]) == (5, ["*.s3.example.com", "b0.s3.example.com", "b1.s3.example.com"])
    assert "overflow" not in only(writer)["status"]["summary"]


async def test_a_rule_that_comes_later_groups_what_was_there() -> None:
    writer, _ = await heard(FEW, asked("one.s3.example.com"))
    rig = Rig(writer, GROUPED)
    async with rig.running() as pipeline:
        assert await pipeline.flush(5)

    assert domains(writer) == ["*.s3.example.com"]
