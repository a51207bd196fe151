"""`grapevine convert` on Otterize's older manifests: golden files, exit codes, and where the output goes."""

import io
from pathlib import Path

import pytest
import yaml
from tests.support.golden import check_golden
from tests.support.objects import SHOP

from grapevine.cli.main import main

OTTERIZE = SHOP.parent / "otterize"


@pytest.mark.parametrize(
    ("version", "code"), [("v1alpha2", 1), ("v1alpha3", 1), ("v1beta1", 0), ("v2alpha1", 0), ("v2beta1", 0)]
)
def test_writes_the_golden_files_and_says_what_is_lost(
    version: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    file = OTTERIZE / f"clientintents-{version}.yaml"

    assert code == main(["convert", str(file)])

    printed = capsys.readouterr()
    check_golden(f"cli/convert/{version}.yaml", printed.out)
    check_golden(f"cli/convert/{version}.stderr", printed.err.replace(str(OTTERIZE), "manifests"))


def test_a_second_time_it_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["convert", str(OTTERIZE / "clientintents-v1alpha3.yaml"), "-o", str(tmp_path / "once.yaml")])
    capsys.readouterr()

    assert 0 == main(["convert", str(tmp_path / "once.yaml")])

    printed = capsys.readouterr()
    assert ((tmp_path / "once.yaml").read_text(), "") == (printed.out, printed.err)


def test_a_directory_keeps_its_names(tmp_path: Path) -> None:
    out = tmp_path / "out"

    assert 1 == main(["convert", str(OTTERIZE), "-o", f"{out}/"])

    versions = ("v1alpha2", "v1alpha3", "v1beta1", "v2alpha1", "v2beta1")
    assert [f"clientintents-{version}.yaml" for version in versions] == sorted(f.name for f in out.iterdir())


def test_reads_stdin_and_writes_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    content = (OTTERIZE / "clientintents-v1beta1.yaml").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))

    assert 0 == main(["convert", "-", "--format", "json"])

    kinds = [each["kind"] for each in yaml.safe_load(capsys.readouterr().out)]
    assert ["ClientIntents", "ProtectedService", "KafkaServerConfig", "ConfigMap"] == kinds


def test_what_cannot_be_understood_names_file_document_and_object_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        "kind: A\n---\napiVersion: k8s.otterize.com/v1alpha3\nkind: ClientIntents\n"
        'metadata: {namespace: shop, name: "\\e[31mweb"}\nspec: {service: {name: web}, calls: [{name: 7}]}\n'
    )

    assert 2 == main(["convert", str(wrong), "-o", str(tmp_path / "out.yaml")])

    expected = f"{wrong}, document 2: ClientIntents shop/\\u001b[31mweb: spec.calls[0].name must be text, not 7"
    assert f"grapevine: {expected}: put it in quotes\n" == capsys.readouterr().err
    assert not (tmp_path / "out.yaml").exists()


def test_two_files_of_one_name_are_not_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.yaml").write_text("kind: A\n")

    assert 2 == main(["convert", str(tmp_path / "a"), str(tmp_path / "b")])
    assert "another file becomes x.yaml as well" in capsys.readouterr().err
