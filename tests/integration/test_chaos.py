"""A minute of chaos; `make soak ARGS=chaos` is ten of them."""

import random
from pathlib import Path

import pytest
from tests.chaos.run import run_chaos
from tests.support.controlplane import Binaries

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_whatever_befalls_it_the_map_ends_as_the_truth_and_nothing_is_touched_that_is_not_ours(
    control_plane_binaries: Binaries, tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")

    outcome = run_chaos(control_plane_binaries, tmp_path, seconds=60, kill_every_s=10, seed=seed)

    print(outcome)
    assert [] == outcome.faults()
    assert 2 == outcome.api_restarts
    assert outcome.kills
    assert outcome.edges
