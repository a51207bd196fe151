"""Files of Kubernetes objects: what is read, what is refused and how it is said, and what is written."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from grapevine.kube.manifests import find_files, read_manifests, to_json, to_yaml, write_text
from grapevine.model.errors import PermanentInputError

ONE = "kind: A\nmetadata: {name: a}\n"


def read(path: Path, text: str | bytes) -> list[tuple[str, Any]]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return [(each.place.removeprefix(str(path)), each.resource) for each in read_manifests(path)]


def test_reads_documents_lists_and_json_alike(tmp_path: Path) -> None:
    a = {"kind": "A", "metadata": {"name": "a"}}

    assert [("", a)] == read(tmp_path / "one.yaml", ONE)
    assert [(", document 1", a), (", document 2", a)] == read(tmp_path / "two.yaml", f"---\n{ONE}---\n---\n{ONE}")
    assert [(", item 0", a), (", item 1", a)] == read(
        tmp_path / "l.json", json.dumps({"kind": "List", "items": [a, a]})
    )
    assert [("", a)] == read(tmp_path / "array.json", json.dumps([a]))
    assert [] == read(tmp_path / "empty.yaml", "# nothing\n")


def test_items_of_a_list_of_one_kind_are_of_that_kind(tmp_path: Path) -> None:
    text = "apiVersion: x/v1\nkind: AList\nitems: [{metadata: {name: a}}]\n"

    assert [("", {"apiVersion": "x/v1", "kind": "A", "metadata": {"name": "a"}})] == read(tmp_path / "a.yaml", text)


def test_reads_scalars_as_kubernetes_does(tmp_path: Path) -> None:
    ((_, found),) = read(
        tmp_path / "a.yaml", "{kind: A, a: yes, b: off, c: 2024-01-01, d: true, e: 7, f: null, g: 'x'}"
    )

    assert {"kind": "A", "a": "yes", "b": "off", "c": "2024-01-01", "d": True, "e": 7, "f": None, "g": "x"} == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "line 2: is no YAML"),
        ("{{ .Values.x }}\n", "is no YAML"),
        ("kind: A\nb: *c\n", "line 2: is no YAML"),
        ('{"a": ', "line 2: is no YAML"),
        (b"\xff\xfe\x00", "is no YAML or JSON of Kubernetes objects"),
        ("just text", "is no Kubernetes object"),
        ("[1, 2]", "item 0: is no Kubernetes object"),
        ("1: 2", "is no Kubernetes object"),
        ("kind: A\nx: !!binary aGk=", "holds a bytes"),
        ("kind: A\nx: !!set {a}", "holds a set"),
        ("a: !!python/object:os.system x", "is no YAML"),
        ("[" * 3000 + "]" * 3000, "nested too deep"),
        ("a: &a [*a]", "values, its aliases followed"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "\n".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
            "values, its aliases followed",
        ),
    ],
)
def test_refuses_in_one_line_that_names_the_file(
    tmp_path: Path, text: str | bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grapevine.kube.manifests.MAX_NODES", 20_000)

    with pytest.raises(PermanentInputError) as refused:
        read(tmp_path / "a.yaml", text)

    assert str(refused.value).startswith(str(tmp_path / "a.yaml"))
    assert said in str(refused.value)


@given(st.binary(max_size=60) | st.text("&*[]{}:,-!|>'\"\n a1", max_size=60).map(str.encode))
def test_any_bytes_are_objects_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    found: list[tuple[str, Any]] = []
    with suppress(PermanentInputError):
        found = read(path, content)
    for _, resource in found:
        assert json.loads(to_json(resource)) is not None
        assert yaml.safe_load(to_yaml(resource)) is not None


@pytest.mark.parametrize("content", ['{"kind": "X", "name": "a\\ud800b"}', '{"kind": "X", "a\\ud800b": 1}'])
def test_half_a_character_is_refused_with_the_text_it_is_in(tmp_path: Path, content: str) -> None:
    with pytest.raises(
        PermanentInputError, match=r"any\.yaml: .*half a character, \\ud800 in a\\ud800b.*: take it out"
    ):
        read(tmp_path / "any.yaml", content.encode())


def test_a_character_written_as_two_halves_is_one(tmp_path: Path) -> None:
    ((_, resource),) = read(tmp_path / "any.yaml", rb'{"kind": "X", "name": "\ud83c\udf47"}')

    assert "🍇" == resource["name"]


def test_finds_a_tree_without_what_is_hidden(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/x.yml", "a/y.json", ".git/z.yaml", "a/.hidden.yaml", "a/readme.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(ONE)

    assert ["a/x.yml", "a/y.json", "b.yaml"] == [str(f.relative_to(tmp_path)) for f in find_files(tmp_path)]


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PermanentInputError, match="nowhere: there is no such file or directory"):
        find_files(tmp_path / "nowhere")


def test_yaml_shows_readable_text_and_hides_nothing() -> None:
    assert "name: bücher.example\n" == to_yaml({"name": "bücher.example"})
    for hostile in ("\x1b[31m", "a\u202eb", "a\u2028b", "a\x85b", "\x9b31m"):
        text = to_yaml({"name": hostile})
        assert text.replace("\n", "").isprintable()
        assert {"name": hostile} == yaml.safe_load(text)


def test_json_hides_nothing() -> None:
    assert '{\n  "name": "\\u001b[31m\\u009b\\u202eü"\n}\n' == to_json({"name": "\x1b[31m\x9b\u202eü"})


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(PermanentInputError, match=r"file/a\.yaml cannot be written"):
        write_text(tmp_path / "file" / "a.yaml", "")
