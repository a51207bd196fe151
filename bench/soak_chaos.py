"""The operator in a cluster where nothing holds still: is its map true at the end? `make soak ARGS=chaos`.

Killed every twenty seconds, the API server restarted twice, objects edited, deleted and applied again at random,
addresses used again (tests/chaos).
"""

import tempfile
from pathlib import Path
from typing import Final

from tests.chaos.run import Outcome, run_chaos
from tests.support.controlplane import find_binaries

TITLE: Final = "The operator's map, after chaos"
MINUTES: Final = 10.0
KILL_EVERY_S: Final = 20.0


def run(minutes: float, seed: int) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the figures by label, and what must not be.

    Raises:
        ControlPlaneError: It cannot be measured here.
    """
    with tempfile.TemporaryDirectory() as home:
        outcome = run_chaos(find_binaries(), Path(home), seconds=minutes * 60, kill_every_s=KILL_EVERY_S, seed=seed)
    return _figures(outcome, minutes, seed), outcome.faults()


def _figures(outcome: Outcome, minutes: float, seed: int) -> list[tuple[str, str]]:
    writes = outcome.writes
    return [
        (
            f"chaos: {minutes:g} min, seed {seed}: operator killed, API server restarted",
            f"{outcome.kills} and {outcome.api_restarts} times",
        ),
        ("look-ups, each asked for once", f"{outcome.look_ups:,}"),
        ("pods on an address another workload had before", f"{outcome.moves:,}"),
        ("deeds of people and GitOps", ", ".join(f"{name} {count:,}" for name, count in outcome.deeds.items())),
        ("API writes of the operator, by the audit log", ", ".join(f"{k} {v:,}" for k, v in writes.by_verb.items())),
        ("of these to what was not its own", f"{len(writes.violations):,}"),
        ("edges at the end, and differences from the truth", f"{outcome.edges:,}, {len(outcome.wrong):,}"),
        ("from the last deed to the truth", f"{outcome.settled_s:.0f} s"),
    ]
