"""`grapevine visualize` and `snapshot` on the recorded shop: every format, and what bad input ends in."""

import importlib
import json
import sys
from pathlib import Path

import pytest
from tests.support.golden import check_golden
from tests.support.maps import HOSTILE
from tests.support.missing import give_up
from tests.support.objects import SHOP

from grapevine.cli.main import main

PICTURE = Path(__file__).parents[3] / "docs" / "images" / "shop.svg"
FILES = {"pcap": SHOP / "capture.pcap", "cluster": SHOP / "cluster.json", "pod-events": SHOP / "pod-events.jsonl"}
TITLE = "Who calls whom in the recorded shop"
PDF, PNG = b"%PDF-", b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("visualize")
    flags = [word for name, path in FILES.items() for word in (f"--{name}", str(path))]
    file = directory / "shop.json"
    assert 0 == main(["run", *flags, "--out", str(directory / "intents"), "--snapshot", str(file)])
    return str(file)


def drawn(shop: str, file: Path, *flags: str) -> bytes:
    assert 0 == main(["visualize", "-f", shop, "-o", str(file), *flags])
    return file.read_bytes()


def test_the_picture_in_the_readme_is_what_the_command_draws(shop: str, tmp_path: Path) -> None:
    assert PICTURE.read_bytes() == drawn(shop, tmp_path / "map.svg", "--title", TITLE)


@pytest.mark.parametrize("form", ["dot", "mmd", "d2", "graphml", "csv"])
def test_the_shop_in_every_text_format(form: str, shop: str, tmp_path: Path) -> None:
    check_golden(f"cli/visualize.{form}", drawn(shop, tmp_path / f"map.{form}").decode().replace("\r\n", "\n"))


@pytest.mark.parametrize(("form", "begins"), [("png", PNG), ("pdf", PDF)])
def test_pictures_for_slides_and_paper(form: str, begins: bytes, shop: str, tmp_path: Path) -> None:
    try:
        importlib.import_module("cairosvg")
    except OSError:
        give_up("needs the system's libcairo: apt-get install libcairo2")

    content = drawn(shop, tmp_path / f"map.{form}", "--theme", "dark", "--scale", "1")

    assert content.startswith(begins)
    assert len(content) > 10_000


def test_a_part_is_drawn_to_stdout(shop: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert 0 == main(["visualize", "-f", shop, "-o", "-", "--format", "csv", "--focus", "orders/cart", "--external"])
    assert 1 == capfdbinary.readouterr().out.count(b"\r\n"), "nothing the cart calls or is called by is outside"

    assert 0 == main(
        ["visualize", "-f", shop, "-o", "-", "--format", "csv", "--focus", "orders/checkout", "--external"]
    )
    assert b"www.example.org" in capfdbinary.readouterr().out


def test_names_nobody_should_trust_are_drawn(tmp_path: Path) -> None:
    targets = [{"internet": {"domains": [name.encode("utf-8", "replace").decode()]}} for name in HOSTILE]
    item = {
        "apiVersion": "k8s.otterize.com/v2beta1",
        "kind": "ClientIntents",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"workload": {"name": "web"}, "targets": targets},
    }
    file = tmp_path / "intents.json"
    file.write_text(json.dumps(item))

    svg = drawn(str(file), tmp_path / "map.svg", "--expand", "--title", "<b>&").decode()

    assert "<script" not in svg
    assert "&lt;script&gt;" in svg
    assert "&lt;b&gt;&amp;" in svg
    assert "\x1b" not in svg


def test_nothing_seen_is_a_picture_that_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "none.json"
    file.write_text('{"kind": "List", "apiVersion": "v1", "items": []}')

    assert b"nothing was seen" in drawn(str(file), tmp_path / "map.svg")
    assert "No connections found." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["-o", "map.gif"], "ends in none of svg, png"),
        (["-o", "-", "--depth", "0"], "--depth: 0 is not between 1 and 100"),
        (["-o", "-", "--min-confidence", "101"], "--min-confidence: 101 is no percent"),
        (["-o", "-", "--since", "soon"], "--since: 'soon' is no span of time"),
        (["-o", "-", "--scale", "99"], "--scale: 99.0 is not between"),
        (["-o", "-", "--focus", "nobody"], "--focus: nothing in the map is called 'nobody'"),
    ],
)
def test_says_what_is_wrong_with_a_flag(
    flags: list[str], said: str, shop: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main(["visualize", "-f", shop, *flags])
    assert said in capsys.readouterr().err


def test_without_the_library_it_is_said_what_to_install(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cairosvg", None)

    assert 2 == main(["visualize", "-f", shop, "-o", str(tmp_path / "map.png")])
    assert "pip install 'grapevine-operator[picture]'" in capsys.readouterr().err


def test_a_snapshot_of_a_snapshot_is_the_same(shop: str, tmp_path: Path) -> None:
    file = tmp_path / "again.json"

    assert 0 == main(["snapshot", "-f", shop, "-o", str(file)])

    assert json.loads(Path(shop).read_text()) == json.loads(file.read_text())
    assert 13 == len(json.loads(file.read_text())["items"])


def test_a_snapshot_makes_no_directory(shop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mistyped" / "again.json"

    assert 2 == main(["snapshot", "-f", shop, "-o", str(file)])
    assert f"there is no directory {file.parent}: make it first" in capsys.readouterr().err
    assert not file.parent.exists()
