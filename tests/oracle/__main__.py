"""`make oracle N=…`: judge what the pipeline makes of so many look-ups, in worlds where the truth is known."""

import argparse
import sys
import time

from bench.figures import record
from tests.oracle.judge import Verdict, judge
from tests.oracle.world import make_world

WORLD = 20_000
"""Look-ups of one world, about."""
TITLE = "Identity, against an oracle"


def main() -> int:
    """Run worlds until enough was asked; return 1 where an edge was wrong or a loss without a reason."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description="Judge identity by the truth.")
    parser.add_argument("--observations", type=int, default=1_000_000, metavar="N", help="look-ups in all")
    parser.add_argument("--seed", type=int, default=0, metavar="SEED", help="number of the first world")
    parser.add_argument("--record", action="store_true", help="write the figures to docs/reference/benchmarks.md")
    args = parser.parse_args()
    verdict, seed, began_s = Verdict(), args.seed, time.monotonic()
    while verdict.asked < args.observations:
        found = judge(make_world(seed, min(WORLD, args.observations - verdict.asked)), seed)
        for line in found.unjustified[:5]:
            print(f"world {seed}: lost for no reason: {line}", file=sys.stderr)
        if found.wrong:
            print(f"world {seed}: {found.wrong} wrong edges' look-ups", file=sys.stderr)
        verdict.add(found)
        seed += 1
    figures = _figures(verdict, seed - args.seed, time.monotonic() - began_s)
    print(*(f"  {label.ljust(72)} {figure}" for label, figure in figures), sep="\n")
    if args.record:
        record("oracle", TITLE, figures)
    return 1 if verdict.wrong or verdict.unjustified else 0


def _figures(verdict: Verdict, worlds: int, seconds: float) -> list[tuple[str, str]]:
    def share(count: int) -> str:
        return f"{count:,} ({count / verdict.asked:.1%})"

    return [
        (f"`make oracle N={verdict.asked}`: look-ups, in {worlds} worlds", f"{verdict.asked:,} in {seconds:,.0f} s"),
        ("that became an edge of somebody else", f"{verdict.wrong:,}"),
        ("that became an edge of whom it was", share(verdict.told)),
        ("that nothing stood in the way of, and of these lost", f"{share(verdict.calm)}, {len(verdict.unjustified):,}"),
        *((f"lost as `{reason}`", share(count)) for reason, count in verdict.lost.most_common()),
    ]


if __name__ == "__main__":
    sys.exit(main())
