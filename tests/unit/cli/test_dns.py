"""`grapevine dns enable` on a Corefile in a file: no cluster is asked."""

from pathlib import Path

import pytest

from grapevine.cli.main import main

COREFILE = ".:53 {\n    errors\n    reload\n}\n"


@pytest.fixture
def corefile(tmp_path: Path) -> Path:
    path = tmp_path / "Corefile"
    path.write_text(COREFILE)
    return path


def enable(*words: str) -> int:
    return main(["dns", "enable", *words])


def test_prints_the_difference_and_changes_nothing(corefile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert enable("--dry-run", "--corefile", str(corefile), "--address", "10.96.0.50") == 0
    out = capsys.readouterr().out
    assert out.startswith("--- a/Corefile\n+++ b/Corefile\n@@ -1,4 +1,5 @@\n")
    assert "\n .:53 {\n+    dnstap tcp://10.96.0.50:6000 full\n     errors\n" in out
    assert corefile.read_text() == COREFILE


def test_writes_an_ipv6_address_as_coredns_reads_it(corefile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert enable("--dry-run", "--corefile", str(corefile), "--address", "FD00::50") == 0
    assert "+    dnstap tcp://[fd00::50]:6000 full\n" in capsys.readouterr().out


def test_says_that_an_address_is_all_a_file_needs(corefile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert enable("--dry-run", "--corefile", str(corefile), "--kubeconfig", str(corefile.parent / "none")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "there is no such file" in line
    assert line.endswith("No cluster is asked with --address IP")


def test_says_when_there_is_nothing_to_do(corefile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corefile.write_text(".:53 {\n    dnstap tcp://10.96.0.50:6000 full\n    import custom/*.override\n}\n")
    assert enable("--dry-run", "--corefile", str(corefile), "--address", "10.96.0.50") == 0
    out, err = capsys.readouterr()
    assert out == "Every server block already has `dnstap tcp://10.96.0.50:6000 full`: nothing to do.\n"
    assert err.startswith("grapevine: what `import custom/*.override` brings is not looked into;")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "add --dry-run"),
        (["--dry-run", "--address", "grapevine-dnstap.grapevine-system.svc"], "CoreDNS cannot look up names"),
        (["--dry-run", "--address", "10.96.0.50", "--corefile", "missing"], "missing: cannot be read"),
        (["--dry-run", "--kubeconfig", "none", "--corefile", "missing"], "missing: cannot be read"),
        (["--dry-run", "--kubeconfig", "none"], "No cluster is asked with --corefile FILE and --address IP"),
        (["--dry-run", "--kubeconfig", "none", "--address", "::1"], "No cluster is asked with --corefile FILE"),
    ],
)
def test_says_what_is_wrong_in_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert enable(*words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
