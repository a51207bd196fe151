from pathlib import Path

import pytest
from bench import figures


def test_a_part_measured_again_takes_its_place_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "PAGE", tmp_path / "benchmarks.md")
    figures.record("one", "First", [("speed", "1 µs")])
    figures.record("two", "Second", [("speed", "2 µs")])
    figures.record("one", "First", [("speed", "3 µs")])
    text = figures.PAGE.read_text(encoding="utf-8")
    assert ["First (`one`)", "Second (`two`)"] == [
        line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")
    ]
    assert ["| speed | 3 µs |", "| speed | 2 µs |"] == [
        line for line in text.splitlines() if line.startswith("| speed")
    ]
    assert 2 == text.count(", Python ")
