"""What `make oracle` does for long, done for a moment: no wrong edge, and no loss without a reason, by the truth."""

import pytest
from tests.oracle.judge import judge
from tests.oracle.world import make_world

LOOK_UPS = 3_000


@pytest.mark.parametrize("seed", range(1_000, 1_003))
def test_nobody_is_taken_for_somebody_else_and_nobody_lost_without_a_reason(seed: int) -> None:
    verdict = judge(make_world(seed, LOOK_UPS), seed)

    assert (verdict.wrong, verdict.unjustified) == (0, [])
    assert verdict.told + sum(verdict.lost.values()) == verdict.asked
    assert verdict.calm > verdict.asked / 4
