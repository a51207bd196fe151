"""What a cluster costs the API server: writes counted, with a clock of the test's own."""

from collections import Counter

from tests.support.steady import SteadyCluster

MINUTE, HOUR = 60_000, 3_600_000


async def test_a_steady_cluster_of_a_thousand_workloads_costs_less_than_a_write_a_second() -> None:
    cluster = SteadyCluster(1_000, 3)
    await cluster.pass_by(1, every_ms=1)

    writes = await cluster.pass_by(HOUR, every_ms=12 * MINUTE)

    assert set(writes) == {"ApplyStatus"}
    assert writes.total() < 3_600


async def test_a_small_cluster_is_kept_within_five_minutes_or_a_round() -> None:
    cluster = SteadyCluster(10, 3)
    await cluster.pass_by(1, every_ms=1)

    assert (await cluster.pass_by(HOUR, every_ms=30_000)) == Counter(ApplyStatus=10 * 12)


async def test_one_changed_edge_is_one_spec_and_one_status() -> None:
    cluster = SteadyCluster(50, 3)
    first = await cluster.pass_by(1, every_ms=1)
    cluster.more[cluster.clients[7]] += 1

    assert first == Counter(Create=50, ApplyStatus=50)
    assert await cluster.pass_by(1, every_ms=1) == Counter(ApplySpec=1, ApplyStatus=1)
