"""`grapevine completion`: what a shell is told to complete our words. The script asks `grapevine __complete`."""

import argparse
from pathlib import Path

SHELLS = ("bash", "zsh", "fish")
_DIRECTORY = Path(__file__).parent / "shells"

_DESCRIPTION = """\
Print what has a shell complete commands, flags and their values, namespaces and
workloads of the cluster among them. kubectl completes `kubectl grapevine` by itself,
where `kubectl_complete-grapevine` is on PATH beside it.
"""
_EPILOG = """\
examples:
  # In ~/.bashrc
  source <(grapevine completion bash)

  # In ~/.zshrc, below compinit
  source <(grapevine completion zsh)

  # Once
  grapevine completion fish > ~/.config/fish/completions/grapevine.fish
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "completion",
        help="print what completes commands and flags in a shell",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def run(args: argparse.Namespace) -> int:
    """Print the script and return 0."""
    print((_DIRECTORY / f"completion.{args.shell}").read_text(encoding="utf-8"), end="")
    return 0
