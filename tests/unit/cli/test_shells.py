"""Completion in the shells themselves, and by kubectl's protocol."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.missing import give_up

BIN = Path(sys.executable).parent
DEADLINE_S = 30.0
ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>])|[\r\x00]")
"""What moves a cursor."""


def environment() -> dict[str, str]:
    return {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": "/nonexistent",
        "TERM": "vt100",
        "LC_ALL": "C.UTF-8",
        "PS1": "> ",
        "KUBECONFIG": "/nonexistent/kubeconfig",
    }


def shell(name: str) -> str:
    return shutil.which(name) or give_up(f"{name} is not installed: apt-get install {name}")


class Terminal:
    """A shell at a terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._seen = ""

    def type(self, text: str) -> None:
        """Press keys."""
        self._seen = ""
        os.write(self._descriptor, text.encode())

    def wait_for(self, text: str) -> None:
        """Wait until it is on the screen since the last keys."""
        until_s = time.monotonic() + DEADLINE_S
        while text not in self._seen:
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, until_s - time.monotonic()))
            assert ready, f"{text!r} did not come, but {self._seen!r}"
            self._seen = ESCAPE.sub("", self._seen + os.read(self._descriptor, 4_096).decode(errors="replace"))


@contextmanager
def terminal(*command: str, cwd: Path) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(), cwd=cwd, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(ours)
        finally:
            process.kill()
    os.close(ours)


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("grapevine visu\t", "alize "),
        ("grapevine visualize --the\t", "me "),
        ("grapevine visualize --theme=da\t", "rk "),
        ("grapevine diff clu\t", "ster:"),
        ("grapevine list -f mani\t", "fests"),
    ],
)
def test_bash_completes_the_word_at_the_cursor(tmp_path: Path, typed: str, completed: str) -> None:
    (tmp_path / "manifests").mkdir()
    with terminal(shell("bash"), "--norc", "--noprofile", "-i", cwd=tmp_path) as bash:
        bash.type("bind 'set enable-bracketed-paste off'; source <(grapevine completion bash); echo rea''dy\n")
        bash.wait_for("ready")
        bash.type(typed)
        bash.wait_for(typed.rstrip("\t") + completed)


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("grapevine visu\t", "visualize "),
        ("grapevine visualize --the\t", "--theme "),
        ("grapevine visualize --theme da\t", "dark "),
        ("grapevine list -f mani\t", "manifests"),
    ],
)
def test_zsh_completes_the_word_at_the_cursor(tmp_path: Path, typed: str, completed: str) -> None:
    (tmp_path / "manifests").mkdir()
    with terminal(shell("zsh"), "-f", "-i", cwd=tmp_path) as zsh:
        zsh.type("autoload -Uz compinit && compinit -u -D && source <(grapevine completion zsh) && echo rea''dy\n")
        zsh.wait_for("ready")
        zsh.type(typed)
        zsh.wait_for(completed.removeprefix(typed.rstrip("\t").rpartition(" ")[2]))


def test_fish_offers_candidates_with_what_they_mean(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    lines = ("grapevine visu", "grapevine visualize --theme ", "grapevine list -f mani")
    script = "; ".join(["grapevine completion fish | source", *(f"complete -C '{each}'" for each in lines)])

    done = subprocess.run(
        [shell("fish"), "--no-config", "-c", script],
        capture_output=True, text=True, check=True, cwd=tmp_path, env=environment() | {"HOME": str(tmp_path)},
    )  # fmt: skip

    offered = done.stdout.splitlines()
    assert offered[0].startswith("visualize\tdraw the map")
    assert ["light", "dark"] == offered[1:3]
    assert offered[3].startswith("manifests/")


def test_kubectl_is_answered_in_cobras_words() -> None:
    done = subprocess.run(
        [BIN / "kubectl_complete-grapevine", "visualize", "--theme", ""],
        capture_output=True, text=True, check=True, env=environment(),
    )  # fmt: skip

    assert "light\ndark\n:4\n" == done.stdout
