"""`python -m bench.soak [capture] [chaos]`: what only time shows; both by default."""

import argparse
import random
import sys

from tests.support.controlplane import ControlPlaneError
from tests.support.coredns import CoreDnsError
from tests.support.node import NodeError

from bench import soak_capture, soak_chaos
from bench.figures import record

PARTS = ("capture", "chaos")


def main() -> int:
    """Soak as the flags say; return 1 where a bound was broken or something was wrong at the end."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Show what only time shows.")
    parser.add_argument("parts", nargs="*", metavar="NAME", help=f"some of: {', '.join(PARTS)} (default: both)")
    parser.add_argument("--minutes", type=float, metavar="N", help="of each (capture 30, chaos 10)")
    parser.add_argument("--seed", type=int, metavar="N", help="of chaos (any)")
    parser.add_argument("--record", action="store_true", help="write the figures to benchmarks.md")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    seed = random.randrange(1_000_000) if args.seed is None else args.seed
    failed = [_soak(part, args.minutes, seed, is_recorded=args.record) for part in args.parts or PARTS]
    return 1 if any(failed) else 0


def _soak(part: str, minutes: float | None, seed: int, *, is_recorded: bool) -> bool:
    """Soak one part, print its figures and what is wrong, and return whether anything is."""
    try:
        if part == "capture":
            name, title = "soak", soak_capture.TITLE
            figures, faults = soak_capture.run(minutes or soak_capture.MINUTES)
        else:
            name, title = part, soak_chaos.TITLE
            print(f"chaos: seed {seed}", flush=True)
            figures, faults = soak_chaos.run(minutes or soak_chaos.MINUTES, seed)
    except (NodeError, CoreDnsError, ControlPlaneError) as error:
        print(f"{part}: skipped: {error}")
        return False
    print(*(f"{label}: {figure}" for label, figure in figures), sep="\n")
    if is_recorded:
        record(name, title, figures)
    print(*(f"not right: {line}" for line in faults), sep="\n", end="")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
