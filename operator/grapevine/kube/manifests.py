"""Kubernetes objects as files: documents in, documents out. Any kind; what they mean is for others to say.

Read as kubectl does: YAML with several documents, JSON, Lists; dates stay text, and `yes`, `no`, `on` and `off` do too.
Files may come from anywhere, so size, number and nesting are bounded.
"""

import contextlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from grapevine.model.errors import PermanentInputError
from grapevine.model.visible import visible

STDIN = Path("-")
SUFFIXES = (".yaml", ".yml", ".json")
MAX_FILE_BYTES = 64 << 20
"""Of one file; 10,000 large objects take half of it."""
MAX_FILES = 20_000
"""Of one directory; one a workload."""
MAX_NODES = 5_000_000
"""Values in one file with aliases followed: a kilobyte of YAML can stand for a terabyte."""

_HALF = re.compile("[\ud800-\udfff]")
"""Surrogates: Python pairs those that belong together. Source: Unicode Standard, 3.8."""
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})


class _Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: numbers, `true`, `false` and `null`; all else is text."""


def _construct_bool(loader: _Loader, node: yaml.ScalarNode) -> bool | str:
    text = _construct_text(loader, node)
    return text in _TRUE if text in _TRUE | _FALSE else text


def _construct_text(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:bool", _construct_bool)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _construct_text)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file."""

    file: Path
    place: str
    """Where it stands, for messages: the file, and the number of its document where there are several."""
    resource: Mapping[str, Any]


def find_files(path: Path) -> list[Path]:
    """Return the files of a path, itself where it is one or `-`; a directory's whole tree without hidden entries.

    Raises:
        PermanentInputError: there is no such path, it cannot be read, or it holds more than MAX_FILES.
    """
    if path == STDIN or path.is_file():
        return [path]
    if not path.is_dir():
        raise PermanentInputError(f"{path}: there is no such file or directory")
    try:
        found = sorted(
            file
            for file in path.rglob("*")
            if file.suffix in SUFFIXES and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
    except OSError as error:
        raise PermanentInputError(f"{error.filename or path}: cannot be read: {error.strerror}") from error
    if len(found) > MAX_FILES:
        raise PermanentInputError(f"{path}: {len(found):,} files, and at most {MAX_FILES:,} are read: name parts of it")
    return [file for file in found if file.is_file()]


def read_manifests(file: Path) -> Iterator[Manifest]:
    """Yield the objects of one file in its order, those of Lists one by one; empty documents are passed over.

    Raises:
        PermanentInputError: it cannot be read, is no YAML or JSON, holds something that is no object, or is too large.
    """
    documents = _documents(file)
    for number, document in enumerate(documents, 1):
        place = str(file) if len(documents) == 1 else f"{file}, document {number}"
        listed = _items(document)
        for index, resource in enumerate(listed):
            where = place if len(listed) == 1 else f"{place}, item {index}"
            if not isinstance(resource, dict) or not all(isinstance(key, str) for key in resource):
                raise PermanentInputError(f"{where}: is no Kubernetes object")
            yield Manifest(file, where, resource)


def to_yaml(content: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return one YAML document, its keys in the object's order.

    Text stays readable where that is safe: an object with characters a terminal acts upon, or a person cannot see, is
    written in ASCII.
    """
    plain = dict(content) if isinstance(content, Mapping) else list(content)
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    return text if text == visible(text, keep="\n") else yaml.safe_dump(plain, sort_keys=False)


def to_json(content: object) -> str:
    """Return indented JSON with a newline at its end; what a terminal acts upon is escaped."""
    return visible(json.dumps(content, indent=2, ensure_ascii=False), keep="\n") + "\n"


def write_text(file: Path, text: str) -> None:
    """Write a file, as a whole or not at all; its directory is made where it is missing.

    Raises:
        PermanentInputError: it cannot be written.
    """
    write_bytes(file, text.encode())


def write_bytes(file: Path, content: bytes) -> None:
    """Write a file of anything, as a whole or not at all; its directory is made where it is missing.

    Raises:
        PermanentInputError: it cannot be written.
    """
    unfinished = file.with_name(file.name + ".new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(file)
    except OSError as error:
        raise PermanentInputError(f"{file} cannot be written: {error.strerror}") from error


def require_directory(file: Path) -> None:
    """Make sure that a file's directory is there, where making one would be a person's typing error.

    Raises:
        PermanentInputError: it is not.
    """
    if not file.parent.is_dir():
        raise PermanentInputError(f"{file} cannot be written: there is no directory {file.parent}: make it first")


def _documents(file: Path) -> list[Any]:
    content = read_bytes(file)
    try:
        documents = _parse(content.decode("utf-8-sig"))
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise PermanentInputError(f"{file}{line}: is no YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise PermanentInputError(f"{file}: is no YAML or JSON of Kubernetes objects: {reason}") from error
    _check(file, documents)
    return documents


def _parse(text: str) -> list[Any]:
    if text.lstrip()[:1] in ("{", "["):
        with contextlib.suppress(ValueError):  # JSON is YAML but for tabs, and ten times as fast to read
            return [json.loads(text)]
    return [each for each in yaml.load_all(text, _Loader) if each is not None]


def read_bytes(file: Path) -> bytes:
    """Return what a file, or stdin for `-`, holds.

    Raises:
        PermanentInputError: it cannot be read, or is over MAX_FILE_BYTES.
    """
    try:
        if file == STDIN:
            content = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with file.open("rb") as stream:
                content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PermanentInputError(f"{file}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise PermanentInputError(f"{file}: is over {MAX_FILE_BYTES >> 20} MiB: give it in parts")
    return content


def _items(document: object) -> list[Any]:
    """Return the objects of one document: a List's, an array's, or itself."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and str(document.get("kind", "")).endswith("List") and "items" in document:
        shared = {"apiVersion": document.get("apiVersion"), "kind": document["kind"].removesuffix("List")}
        items = document["items"] if isinstance(document["items"], list) else [document["items"]]
        return [shared | item if isinstance(item, dict) and document["kind"] != "List" else item for item in items]
    return [document]


def _check(file: Path, documents: list[Any]) -> None:
    """Refuse what JSON cannot hold, and what grows without end once its aliases are followed."""
    left, pending = MAX_NODES, list(documents)
    while pending:
        value = pending.pop()
        left -= 1
        if isinstance(value, str):
            _check_text(file, value)
        elif isinstance(value, dict):
            for key in value:
                _check_text(file, str(key))
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif not isinstance(value, int | float | None):
            raise PermanentInputError(f"{file}: holds a {type(value).__name__}, which no Kubernetes object has")
        if len(pending) > left:
            raise PermanentInputError(f"{file}: holds more than {MAX_NODES:,} values, its aliases followed")


def _check_text(file: Path, text: str) -> None:
    """Refuse halves of characters: an escape can write one, and no API server, and nothing we write, holds it."""
    if not text.isascii() and (found := _HALF.search(text)):
        raise PermanentInputError(
            f"{file}: holds half a character, {visible(found.group())} in {visible(text[:100])}, "
            "which no Kubernetes object has: take it out"
        )
