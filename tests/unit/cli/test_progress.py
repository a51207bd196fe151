"""What takes long says so, on a terminal alone."""

import threading

import pytest

from grapevine.cli import progress


class Screen:
    """Standard error, a terminal or not, that knows when something was written."""

    def __init__(self, *, is_terminal: bool) -> None:
        self.text = ""
        self.written = threading.Event()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        self.written.set()


def test_a_terminal_is_told_of_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(is_terminal=True)
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(progress, "PATIENCE_S", 0)

    with progress.told_when_slow("list"):
        assert screen.written.wait(30)

    assert "grapevine: list is still at work; Ctrl-C ends it\n" == screen.text


def test_a_file_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(is_terminal=False)
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(progress, "PATIENCE_S", 0)
    before = threading.active_count()

    with progress.told_when_slow("list"):
        assert before == threading.active_count()

    assert "" == screen.text


def test_what_is_quick_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(is_terminal=True)
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(progress, "PATIENCE_S", 600)

    with progress.told_when_slow("list"):
        pass

    assert "" == screen.text
