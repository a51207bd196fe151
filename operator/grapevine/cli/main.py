"""Entry point `grapevine`: find the command, load that one alone, turn errors into one line and an exit code.

A command's module has `add_parser(subparsers)`, which adds a parser of the command's name, and `run(args)`, which
returns the exit code. Loading one alone keeps `grapevine capture` small: it must not pay for the operator's libraries.

Exit codes: 0 done, 1 a defect (with traceback), 2 wrong input or an unusable environment, 130 interrupted,
141 the reader of our output went away.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn, Protocol, cast

from grapevine import __version__
from grapevine.cli import logs
from grapevine.model.errors import GrapevineError
from grapevine.model.value import value

EXIT_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
_COLUMNS: Final = 80
"""Of help that goes to no terminal."""

_COMPLETE = "__complete"
"""What completion scripts call; no command of a person's."""
_PLUGIN = "kubectl grapevine"
"""How a person calls the script `kubectl-grapevine`, which kubectl finds on PATH."""

_EXTRA = frozenset(
    {
        "aiohttp",
        "google",
        "grpc",
        "kopf",
        "kubernetes",
        "msgspec",
        "opentelemetry",
        "prometheus_client",
        "requests",
        "yaml",
    },
)
"""Top-level modules that only the extra `operator` installs."""

_DESCRIPTION = """\
Grapevine learns from DNS alone which Kubernetes workload talks to which, and keeps
that map in the cluster: one ClientIntents object per workload.
"""

_EXAMPLES = """\
examples:
  # No cluster at hand: a capture and a snapshot of the cluster's objects are enough
  grapevine run --pcap dns.pcap --cluster cluster.json --out intents/

  # In a cluster `kubectl apply -k deploy/` starts both; by hand, on one machine:
  grapevine operator
  sudo grapevine capture --source packet --operator http://127.0.0.1:8080

  # What it found
  kubectl get clientintents -A
  grapevine list
  grapevine export -o intents/
  grapevine diff intents/ cluster:

`grapevine COMMAND --help` tells the rest.
"""


@value
class _Command:
    module: str
    help: str


class _CommandModule(Protocol):
    add_parser: Callable[["argparse._SubParsersAction[argparse.ArgumentParser]"], object]
    run: Callable[[argparse.Namespace], int]


_COMMANDS = {
    "run": _Command("grapevine.cli.run", "map a cluster from files: a capture and a snapshot of its objects"),
    "operator": _Command("grapevine.cli.operator", "run the operator: observations in, ClientIntents out"),
    "capture": _Command("grapevine.cli.capture", "hear DNS responses and send them to the operator"),
    "dns": _Command("grapevine.cli.dns", "print how to have the cluster's DNS report to Grapevine"),
    "list": _Command("grapevine.cli.list", "say who calls whom, from a cluster or from files"),
    "export": _Command("grapevine.cli.export", "write ClientIntents as manifests, from a cluster or from files"),
    "diff": _Command("grapevine.cli.diff", "say what is different between two maps, or since a moment"),
    "visualize": _Command("grapevine.cli.visualize", "draw the map: SVG, PNG, PDF, HTML, DOT, CSV and more"),
    "blast": _Command("grapevine.cli.blast", "say what a workload reaches if taken over, and whom it hits if down"),
    "spof": _Command("grapevine.cli.spof", "rank what is called by how much depends on it"),
    "advise": _Command("grapevine.cli.advise", "say where to begin with tracing"),
    "snapshot": _Command("grapevine.cli.snapshot", "keep the map as it is now in a file"),
    "merge": _Command("grapevine.cli.merge", "join the maps of several clusters in one file"),
    "convert": _Command("grapevine.cli.convert", "bring Otterize's older manifests to v2beta1"),
    "migrate": _Command("grapevine.cli.migrate", "take over ClientIntents from Otterize"),
    "map": _Command("grapevine.cli.map", "open the map in a browser"),
    "explain": _Command("grapevine.cli.explain", "say why a workload reaches a target, or why not"),
    "watch": _Command("grapevine.cli.watch", "say when a workload reaches something for the first time"),
    "promote": _Command("grapevine.cli.promote", "make discovered ClientIntents yours"),
    "doctor": _Command("grapevine.cli.doctor", "say what is not seen, or what is in the way of the first apply"),
    "completion": _Command("grapevine.cli.completion", "print what completes commands and flags in a shell"),
    "version": _Command("grapevine.cli.version", "print the version"),
}


_UNENDING = frozenset({"operator", "capture", "watch", "map", "migrate"})
"""What goes on until it is ended, or says itself what it does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` (the process's arguments by default) and return the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] == [_COMPLETE]:
        return _complete(words[1:])
    chosen = next((word for word in words if word in _COMMANDS), None)
    try:
        module = None if chosen is None else _load(chosen)
        args = _parser(chosen, module).parse_args(words)
        if module is None:  # argparse has refused everything without a command
            return EXIT_INPUT
        logs.configure(args.log_level, args.log_format)
        code = _run(chosen or "", module, args)
        sys.stdout.flush()
    except GrapevineError as error:
        return _complain(str(error))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        return _complain(f"`grapevine {chosen}` needs {error.name}: pip install 'grapevine-operator[operator]'")
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit raises once more
        return EXIT_BROKEN_PIPE
    return code


def _run(chosen: str, module: _CommandModule, args: argparse.Namespace) -> int:
    if chosen in _UNENDING:
        return module.run(args)
    from grapevine.cli.progress import told_when_slow  # it loads threads, which capture does without

    with told_when_slow(chosen):
        return module.run(args)


def complete_for_kubectl() -> int:
    """Run `kubectl_complete-grapevine`, which kubectl calls with the words behind `kubectl grapevine`."""
    return _complete(sys.argv[1:])


def _complete(words: Sequence[str]) -> int:
    """Print what the last of the words may become; return 0, also where that is nothing."""
    from grapevine.cli.complete import complete
    from grapevine.cli.complete_names import outside

    chosen = next((word for word in words[:-1] if word in _COMMANDS), None)
    parser = _parser(chosen, None if chosen is None else _load(chosen))
    print("\n".join(complete(parser, words, outside()).lines()))
    return 0


def _load(command: str) -> _CommandModule:
    return cast(_CommandModule, importlib.import_module(_COMMANDS[command].module))


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Knows the width itself: argparse would load shutil for it, with every compression, 0.4 MiB on each node."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_width() - 2)


def _width() -> int:
    """Return the columns of the terminal as `shutil.get_terminal_size` does: COLUMNS, the terminal's, or 80."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or _COLUMNS  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError):
        return _COLUMNS


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(**{"formatter_class": _Formatter, **options})

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the words, none of which a terminal may act upon, and end."""
        from grapevine.model.visible import visible

        super().error(visible(message))


def _parser(chosen: str | None, module: _CommandModule | None) -> argparse.ArgumentParser:
    """Return the parser, complete for the chosen command, with a line for each of the others."""
    parser: argparse.ArgumentParser = _Parser(
        prog=_PLUGIN if os.path.basename(sys.argv[0]).startswith("kubectl-grapevine") else "grapevine",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
    )
    parser.add_argument("--version", action="version", version=f"grapevine {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in _COMMANDS.items():
        if name == chosen and module is not None:
            module.add_parser(subparsers)
            logs.add_arguments(subparsers.choices[name])
        else:
            subparsers.add_parser(name, help=command.help)
    return parser


def _complain(message: str) -> int:
    from grapevine.model.visible import visible  # it loads Unicode's tables

    print(f"grapevine: {visible(' '.join(message.split()))}", file=sys.stderr)
    return EXIT_INPUT


if __name__ == "__main__":
    sys.exit(main())
