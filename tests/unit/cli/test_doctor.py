"""`grapevine doctor`: what it prints and how it ends; what it finds is in test_preflight and tests/integration."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from grapevine.cli import doctor, preflight
from grapevine.cli.main import main
from grapevine.cli.operator_api import Reply
from grapevine.kube import preflight as reading
from grapevine.kube.cluster_facts import ClusterFacts, Unread
from grapevine.kube.session import Session
from grapevine.model.finding import Finding, Level

UNREAD = Unread("it", "403")
FACTS = ClusterFacts(*[UNREAD] * 9)
OK = Finding("Kubernetes", Level.OK, "v1.37.2")
LONG = "kubectl patch crd clientintents.k8s.otterize.com --subresource=status --type=merge -p '{}' " + "# a remedy " * 5


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Finding]:
    """The findings of every look; no cluster is asked."""
    findings = [OK]

    async def read(_: Session) -> ClusterFacts:
        return replace(FACTS, groups=frozenset())

    monkeypatch.setattr(reading, "read_cluster", read)
    monkeypatch.setattr(preflight, "judge", lambda _: findings)
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return findings


@pytest.mark.parametrize(
    ("levels", "code", "last"),
    [
        ([], 0, "Nothing stands in the way: kubectl apply -k deploy/"),
        ([Level.NOTE, Level.WARNING], 0, "Nothing stands in the way: kubectl apply -k deploy/"),
        (
            [Level.UNKNOWN],
            2,
            "1 could not be looked at; nothing else stands in the way of: kubectl apply -k deploy/",
        ),
        ([Level.UNKNOWN, Level.BLOCKER], 1, "Do not apply yet: 1 in the way. Then: kubectl apply -k deploy/"),
    ],
)
def test_ends_with_what_to_do_and_a_code_that_says_it(
    levels: list[Level], code: int, last: str, found: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    found += [Finding("CRD", level, "found") for level in levels]

    assert main(["doctor", "--preflight"]) == code
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_a_command_to_copy_is_one_line(found: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    found.append(Finding("CRD", Level.BLOCKER, "found", "means " * 30, LONG))
    main(["doctor", "--preflight"])
    lines = capsys.readouterr().out.splitlines()

    assert lines[2] == "ok       Kubernetes  v1.37.2"
    assert lines[3] == "blocker  CRD         found"
    assert max(len(line) for line in lines[3:6]) <= 110
    assert f"{' ' * 21}→ {LONG}" in lines


def test_json_has_the_same(found: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--preflight", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "server": "http://127.0.0.1:1",
        "findings": [{"check": "Kubernetes", "level": "ok", "found": "v1.37.2", "means": "", "remedy": ""}],
        "apply": "kubectl apply -k deploy/",
    }


def test_without_an_operator_it_says_how_to_reach_one(capsys: pytest.CaptureFixture[str], unused_tcp_port: int) -> None:
    assert main(["doctor", "--operator", f"http://127.0.0.1:{unused_tcp_port}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no operator answers" in line
    assert "without --operator its pod is found" in line


@pytest.mark.parametrize(
    ("levels", "code", "last"),
    [
        ([Level.OK], 0, "Nothing wants anything done."),
        ([Level.OK, Level.WARNING], 0, "1 of 2 want something done."),
        ([Level.OK, Level.UNKNOWN], 2, "Nothing wants anything done."),
        ([Level.BLOCKER, Level.UNKNOWN], 1, "1 of 2 want something done."),
    ],
)
def test_prints_what_a_running_operator_found(
    levels: list[Level], code: int, last: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = [asdict(Finding("ClockSkew", level, "clocks are off")) for level in levels]
    monkeypatch.setattr(doctor, "ask", lambda *_: Reply("pod", {"version": "1", "findings": findings}))

    assert main(["doctor"]) == code
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_an_answer_of_another_version_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "ask", lambda *_: Reply("pod", {"findings": [{"level": "dreadful"}]}))

    assert main(["doctor"]) == 2
    assert "no operator of this version" in capsys.readouterr().err
