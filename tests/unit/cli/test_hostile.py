"""Names in files and words of the command line are anybody's: no command fails of them, no terminal acts on them."""

import json
import unicodedata
from pathlib import Path

import pytest
from tests.support.maps import HOSTILE

from grapevine.cli.main import main

LONGEST = ".".join((*("x" * 63 for _ in range(3)), "x" * 61))
"""A DNS name of 253 characters, in labels of 63."""
NAMES = [
    name
    for name in (*HOSTILE, LONGEST, "\u05d0\u05d1.example", "xn--bcher-kva.example")
    if name and "\ud800" not in name
]
HALF = "half a character, \\ud800 in "


def resource(number: int, name: str) -> dict[str, object]:
    targets = [{"kubernetes": {"name": name}}, {"service": {"name": name}}, {"internet": {"domains": [name]}}]
    metadata = {"name": f"c{number}", "namespace": "shop", "labels": {"l": name}, "annotations": {"a": name}}
    spec = {"workload": {"name": name, "kind": "Deployment"}, "targets": targets}
    return {"apiVersion": "k8s.otterize.com/v2beta1", "kind": "ClientIntents", "metadata": metadata, "spec": spec}


def written(path: Path, names: list[str]) -> str:
    items = [resource(number, name) for number, name in enumerate(names)]
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return str(path)


@pytest.fixture
def whole(tmp_path: Path) -> str:
    return written(tmp_path / "whole.json", NAMES)


def unseen(text: str) -> list[str]:
    return [
        each
        for each in text.replace("\r\n", "\n")
        if each != "\n" and unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    ]


@pytest.mark.parametrize(
    "words",
    [
        *(f"list -o {form}" for form in ("text", "table", "wide", "json", "yaml", "name")),
        *(f"export --format {form}" for form in ("json", "yaml")),
        *(f"visualize -o - --format {form}" for form in ("svg", "dot", "mmd", "d2", "graphml", "csv")),
        "spof",
        "spof -o json",
        "advise tracing",
        "advise tracing -o json",
        "blast <script>alert(1)</script>",
        "blast <script>alert(1)</script> -o json",
        "blast no\udcffthing",
        "list --client \x1b[31m",
    ],
)
def test_commands_show_what_is_written_and_nothing_acts(
    words: str, whole: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(" "), "-f", whole]) in (0, 2)

    shown = capsys.readouterr()
    assert [] == unseen(shown.out + shown.err)


@pytest.mark.parametrize("form", ["text", "json"])
def test_differences_of_such_names_are_text_too(
    form: str, whole: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = written(tmp_path / "part.json", NAMES[::2])

    assert 1 == main(["diff", whole, part, "-o", form])
    assert [] == unseen("".join(capsys.readouterr()))


def test_what_was_written_is_read_again(whole: str, tmp_path: Path) -> None:
    again = str(tmp_path / "again.json")

    assert 0 == main(["snapshot", "-f", whole, "-o", again])
    assert 0 == main(["diff", whole, again])
    assert 0 == main(["export", "-f", whole, "-o", f"{tmp_path}/out/"])
    assert 0 == main(["diff", whole, f"{tmp_path}/out"])


@pytest.mark.parametrize("words", ["list", "visualize -o -", "spof", "export"])
def test_half_a_character_is_refused_and_not_a_defect(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main([*words.split(), "-f", written(tmp_path / "half.json", ["\ud800half"])])
    assert HALF in capsys.readouterr().err


@pytest.mark.parametrize("words", [["a\x1b[31m"], ["list", "\x1b[31m\u202e"], ["list", "-o", "\x1b"]])
def test_what_argparse_refuses_is_shown_as_text(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(words)

    assert [] == unseen(capsys.readouterr().err)
