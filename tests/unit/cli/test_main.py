"""The entry point: commands, errors, exit codes, and what it costs to start."""

import json
import logging
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from types import ModuleType

import pytest

from grapevine import __version__
from grapevine.cli import logs, main
from grapevine.model.errors import PermanentInputError, RetryableError


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root, loud = logging.getLogger(), logging.getLogger("aiohttp.access")
    handlers, level, loud_level = root.handlers[:], root.level, loud.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    loud.setLevel(loud_level)


def command_that(monkeypatch: pytest.MonkeyPatch, raises: BaseException) -> None:
    """Make `grapevine version` raise."""

    def run(args: Namespace) -> int:
        raise raises

    module = ModuleType("grapevine.cli.version")
    module.add_parser = lambda subparsers: subparsers.add_parser("version")  # type: ignore[attr-defined]
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "grapevine.cli.version", module)


def test_prints_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["version"]) == 0
    assert capsys.readouterr().out.startswith(f"grapevine {__version__} (Python ")


def test_help_shows_every_command_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["--help"])

    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for word in ("run", "operator", "capture", "dns", "doctor", "version", "examples:", "kubectl get clientintents -A"):
        assert word in printed


@pytest.mark.parametrize("name", main._COMMANDS)
def test_a_command_says_of_itself_what_the_list_of_all_says(name: str) -> None:
    printed = main._parser(name, main._load(name)).format_help()
    assert main._COMMANDS[name].help in " ".join(printed.split())


@pytest.mark.parametrize("words", [*([name] for name in main._COMMANDS), ["dns", "enable"], ["advise", "tracing"]])
def test_the_help_of_every_command_has_an_example_that_calls_it(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([*words, "--help"])

    assert ended.value.code == 0
    _, mark, examples = capsys.readouterr().out.partition("example")
    assert mark
    assert f"grapevine {' '.join(words)}" in examples


@pytest.mark.parametrize("words", [[], ["nonsense"], ["--log-level", "debug"]])
def test_refuses_words_that_are_no_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(words)

    assert ended.value.code == 2
    assert "usage: grapevine" in capsys.readouterr().err


@pytest.mark.parametrize("error", [PermanentInputError("a.pcap:\nno capture"), RetryableError("a.pcap: no capture")])
def test_our_errors_are_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_that(monkeypatch, error)

    assert main.main(["version"]) == 2
    assert capsys.readouterr().err == "grapevine: a.pcap: no capture\n"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command_that(monkeypatch, ModuleNotFoundError("No module named 'kopf'", name="kopf"))

    assert main.main(["version"]) == 2
    assert "pip install 'grapevine-operator[operator]'" in capsys.readouterr().err


def test_a_defect_is_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    command_that(monkeypatch, ModuleNotFoundError("No module named 'grapevine.nope'", name="grapevine.nope"))

    with pytest.raises(ModuleNotFoundError):
        main.main(["version"])


def test_an_interrupt_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command_that(monkeypatch, KeyboardInterrupt())

    assert main.main(["version"]) == 130
    assert capsys.readouterr().err == ""


def test_a_closed_pipe_is_quiet() -> None:
    script = "import sys; from grapevine.cli.main import main; sys.exit(main(['version']))"
    with subprocess.Popen(
        [sys.executable, "-c", f"import time; time.sleep(0.3); {script}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_starting_loads_neither_asyncio_nor_ssl() -> None:
    script = (
        "import sys; from grapevine.cli.main import main; main(['version']); "
        "print(sorted({'asyncio', 'ssl', 'kopf', 'aiohttp', 'msgspec', 'http'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert printed.stdout.splitlines()[-1] == "[]"


def record(**extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": "grapevine.kube.informer", "levelno": 20, "levelname": "INFO", "msg": "synced"}
    )
    vars(made).update(created=0.0, msecs=7.0, **extra)
    return made


def test_json_log_lines_carry_the_fields() -> None:
    line = json.loads(logs.JsonFormatter().format(record(kind="Pod", objects=3)))

    assert line == {
        "time": "1970-01-01T00:00:00.007Z",
        "level": "info",
        "logger": "grapevine.kube.informer",
        "message": "synced",
        "kind": "Pod",
        "objects": 3,
    }


def test_text_log_lines_carry_the_fields() -> None:
    line = logs.TextFormatter().format(record(kind="Pod"))

    assert line == "1970-01-01T00:00:00.007Z INFO kube.informer: synced kind='Pod'"


def test_a_log_level_from_the_environment_is_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRAPEVINE_LOG_LEVEL", "loud")

    assert main.main(["version"]) == 2
    assert "GRAPEVINE_LOG_LEVEL is 'loud'" in capsys.readouterr().err
