"""`grapevine version`."""

import argparse
import platform

from grapevine import __version__


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    subparsers.add_parser("version", help="print the version", epilog="example: grapevine version")


def run(args: argparse.Namespace) -> int:
    """Print the version, and the Python it runs on, for bug reports."""
    del args
    print(f"grapevine {__version__} (Python {platform.python_version()}, {platform.system()} {platform.machine()})")
    return 0
