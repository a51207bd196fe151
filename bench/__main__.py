"""`python -m bench [NAME …] [--record]`: measure, print, and with `--record` write docs/reference/benchmarks.md."""

import argparse
import importlib
import sys

from bench.figures import PAGE, describe_machine, record

PARTS = {
    "capture": "Capture, from a file",
    "frames": "Capture, the way of a frame without a kernel",
    "dnstap": "Capture, dnstap from a socket, a log a line",
    "live": "Capture, on a node under load",
    "plan": "Plan, in memory",
    "layout": "The map, as it is drawn",
    "api": "The map, asked by the API",
    "page": "The map, in a browser",
    "otlp": "Telemetry, to a collector on loopback",
    "operator": "Operator, on a real API server",
    "writes": "Operator, what it asks of the API server",
}


def main() -> int:
    """Measure the parts asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the bounds of the design.")
    parser.add_argument("parts", nargs="*", metavar="NAME", help=f"some of: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--record", action="store_true", help=f"write the figures to {PAGE.name}")
    parser.add_argument("--python", metavar="PATH", help="interpreter that runs capture in `live`")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    print(describe_machine(), end="\n\n")
    for name in args.parts or PARTS:
        measured = importlib.import_module(f"bench.{name}")
        is_named = args.python and name == "live"
        figures = measured.run(measured.Options(python=args.python)) if is_named else measured.run()
        print(PARTS[name], *(f"  {label.ljust(72)} {figure}" for label, figure in figures), sep="\n", end="\n\n")
        if args.record:
            record(name, PARTS[name], figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
