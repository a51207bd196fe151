"""The images as they leave the build."""

import json
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grapevine import __version__

pytestmark = [pytest.mark.cluster, pytest.mark.root]

INTERPRETER = "opt/grapevine/bin/python3"
NET_RAW_EFFECTIVE = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
MAX_MB = {"capture": 60, "operator": 220}


def members(archive: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the files of every layer."""
    with tarfile.open(archive) as image:
        for layer in json.load(image.extractfile("manifest.json") or _missing())[0]["Layers"]:
            with tarfile.open(fileobj=image.extractfile(layer)) as files:
                yield from files


def config_of(archive: Path) -> dict[str, Any]:
    with tarfile.open(archive) as image:
        manifest = json.load(image.extractfile("manifest.json") or _missing())[0]
        config: dict[str, Any] = json.load(image.extractfile(manifest["Config"]) or _missing())
    settings: dict[str, Any] = config["config"]
    return settings


def _missing() -> Any:
    raise AssertionError("no docker archive")


def capability(archive: Path) -> bytes | None:
    """Return the interpreter's attribute `security.capability`."""
    (interpreter,) = (member for member in members(archive) if member.name.lstrip("./") == INTERPRETER)
    text = interpreter.pax_headers.get("SCHILY.xattr.security.capability")
    return None if text is None else text.encode("utf-8", "surrogateescape")


def test_the_interpreter_of_capture_alone_may_open_packet_sockets(image_archives: dict[str, Path]) -> None:
    assert NET_RAW_EFFECTIVE == capability(image_archives["capture"])
    assert capability(image_archives["operator"]) is None


@pytest.mark.parametrize("target", ["capture", "operator"])
def test_an_image_holds_no_shell_nothing_setuid_and_nothing_writable(
    image_archives: dict[str, Path], target: str
) -> None:
    found = list(members(image_archives[target]))

    programs = [f.name for f in found if f.isfile() and f.mode & 0o111 and "/bin/" in f"/{f.name}"]
    assert {"python3", "grapevine"} == {Path(name).name for name in programs}
    assert not [f.name for f in found if f.mode & 0o6000]
    assert not [f.name for f in found if not f.issym() and f.mode & 0o002]


@pytest.mark.parametrize("target", ["capture", "operator"])
def test_an_image_says_what_it_is_and_runs_as_nobody(image_archives: dict[str, Path], target: str) -> None:
    config = config_of(image_archives[target])

    assert "65532:65532" == config["User"]
    assert ["/opt/grapevine/bin/grapevine"] == config["Entrypoint"]
    labels = config["Labels"]
    assert (__version__, "Apache-2.0") == tuple(
        labels[f"org.opencontainers.image.{name}"] for name in ("version", "licenses")
    )


@pytest.mark.parametrize("target", ["capture", "operator"])
def test_an_image_stays_small(image_archives: dict[str, Path], target: str) -> None:
    assert image_archives[target].stat().st_size / 1e6 < MAX_MB[target]
