"""`grapevine export` on files: bytes, layout, and whose objects it takes."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from tests.support.golden import GOLDEN, check_golden, check_golden_tree, read_tree
from tests.support.objects import SHOP

from grapevine.cli.main import main

SHOP_FILES = str(GOLDEN / "shop")
OTTERIZE = SHOP.parent / "otterize"


def exported(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    assert 0 == main(["export", *flags])
    return capsys.readouterr().out


def test_writes_a_stream_that_declares_what_was_discovered(capsys: pytest.CaptureFixture[str]) -> None:
    printed = exported(capsys, "-f", SHOP_FILES, "-n", "orders,tools")

    check_golden("cli/export.yaml", printed)
    assert all("labels" not in each["metadata"] for each in yaml.safe_load_all(printed))


def test_json_is_an_array_as_the_reference_writes_it(capsys: pytest.CaptureFixture[str]) -> None:
    check_golden("cli/export.json", exported(capsys, "-f", SHOP_FILES, "-n", "orders", "--format", "json"))


def test_writes_one_file_a_workload_and_a_kustomization(tmp_path: Path) -> None:
    assert 0 == main(["export", "-f", SHOP_FILES, "-n", "orders,tools", "-o", f"{tmp_path}/out/"])

    check_golden_tree("cli/export", tmp_path / "out")


def test_with_origin_the_files_of_a_run_come_out_as_they_are(tmp_path: Path) -> None:
    assert 0 == main(["export", "-f", SHOP_FILES, "--keep-origin", "-o", str(tmp_path), "--output-type", "dir"])

    found = read_tree(tmp_path)
    assert sorted(read_tree(GOLDEN / "shop")) == yaml.safe_load(found.pop("kustomization.yaml"))["resources"]
    assert read_tree(GOLDEN / "shop") == found


def test_the_same_again_gives_the_same_bytes_in_whatever_order_it_was_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once = exported(capsys, "-f", SHOP_FILES)
    objects = list(yaml.safe_load_all(once))[::-1]
    (tmp_path / "shuffled.json").write_text(json.dumps(objects, sort_keys=True))

    assert once == exported(capsys, "-f", str(tmp_path))


@pytest.mark.parametrize("version", ["v2beta1", "v2alpha1"])
def test_keeps_every_field_of_a_person_s_objects_in_both_versions(
    version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = OTTERIZE / f"clientintents-{version}.yaml"

    printed = exported(capsys, "-f", str(file), "-n", "shop", "--output-version", version)

    written = sorted(yaml.safe_load_all(file.read_text()), key=lambda each: each["metadata"]["name"])
    for each in written:
        each["metadata"]["namespace"] = "shop"
    assert written == list(yaml.safe_load_all(printed))


def test_cuts_objects_to_one_server_and_says_that_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["export", "-f", SHOP_FILES, "--server", "redis.orders", "-n", "batch"])

    printed = capsys.readouterr()
    targets = [each["spec"]["targets"] for each in yaml.safe_load_all(printed.out)]
    assert [[{"kubernetes": {"name": "redis.orders", "kind": "StatefulSet"}}]] * 2 == targets
    assert "objects without all of their targets: to read, not to apply" in printed.err


def test_other_files_are_left_alone_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(GOLDEN / "shop", tmp_path / "out")

    assert 0 == main(["export", "-f", SHOP_FILES, "-n", "orders", "-o", str(tmp_path / "out")])

    assert "11 other files stay in" in capsys.readouterr().err
    kustomization = yaml.safe_load((tmp_path / "out" / "kustomization.yaml").read_text())
    assert ["orders/cart.yaml", "orders/checkout.yaml"] == kustomization["resources"]
    assert (tmp_path / "out" / "storefront" / "web.yaml").exists()


def test_a_kustomization_of_somebody_else_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [a.yaml]\n")

    assert 2 == main(["export", "-f", SHOP_FILES, "-o", str(tmp_path)])

    assert "kustomization.yaml was not written by `grapevine export`" in capsys.readouterr().err
    assert {"kustomization.yaml": "resources: [a.yaml]\n"} == read_tree(tmp_path)


@pytest.mark.parametrize("name", ["../../escape", "UPPER", "a/b", "\x1b[31m"])
def test_a_name_that_makes_no_file_writes_none(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resource = yaml.safe_load((GOLDEN / "shop/orders/cart.yaml").read_text())
    resource["metadata"]["name"] = name
    (tmp_path / "in.json").write_text(json.dumps(resource))

    assert 2 == main(["export", "-f", str(tmp_path / "in.json"), "-o", f"{tmp_path}/out/"])

    assert "that is no name the API server takes" in capsys.readouterr().err
    assert ["in.json"] == list(read_tree(tmp_path))


def test_an_output_type_without_an_output_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["export", "-f", SHOP_FILES, "--output-type", "dir"])
    assert "grapevine: --output-type needs -o PATH\n" == capsys.readouterr().err
