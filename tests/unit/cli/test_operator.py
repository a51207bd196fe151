"""`grapevine operator`: flags, environment, and what it says when it cannot start."""

import subprocess
import sys
from pathlib import Path

import pytest

from grapevine.cli.main import main
from grapevine.export.settings import TelemetrySettings
from grapevine.settings import OperatorSettings


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[OperatorSettings]:
    """The settings the operator was run with, instead of running it."""
    settings: list[OperatorSettings] = []
    monkeypatch.setattr("grapevine.app.run_operator", lambda each, _: settings.append(each) or 0)
    monkeypatch.setattr("grapevine.cli.logs.configure", lambda level, style: None)
    return settings


def test_telemetry_is_sent_where_the_flag_or_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    sent_to: list[str] = []

    def run(_: OperatorSettings, telemetry: TelemetrySettings | None) -> int:
        sent_to.append(telemetry.traces.url if telemetry and telemetry.traces else "")
        return 0

    monkeypatch.setattr("grapevine.app.run_operator", run)
    monkeypatch.setattr("grapevine.cli.logs.configure", lambda level, style: None)
    main(["operator"])
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    main(["operator"])
    main(["operator", "--otlp", "http://other:4318"])

    assert ["", "http://collector:4318/v1/traces", "http://other:4318/v1/traces"] == sent_to


def test_a_flag_wins_over_its_variable(started: list[OperatorSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPEVINE_LISTEN", "127.0.0.1:1")
    monkeypatch.setenv("GRAPEVINE_HEALTH", "127.0.0.1:2")
    monkeypatch.setenv("GRAPEVINE_CLUSTER_DOMAIN", "corp.example")

    assert main(["operator", "--listen", "[::1]:3", "--kubeconfig", "k"]) == 0

    (settings,) = started
    assert (settings.listen_host, settings.listen_port) == ("::1", 3)
    assert (settings.health_host, settings.health_port) == ("127.0.0.1", 2)
    assert (settings.resolver.cluster_domain, settings.kubeconfig) == ("corp.example", "k")


@pytest.mark.parametrize("flag", ["--listen", "--health"])
def test_an_address_that_is_none_is_refused(
    flag: str, started: list[OperatorSettings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["operator", flag, "nowhere"]) == 2
    assert capsys.readouterr().err.startswith(f"grapevine: {flag}: 'nowhere' is no address")
    assert started == []


def test_help_tells_what_it_needs_and_how_to_try(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["operator", "--help"])

    printed = capsys.readouterr().out
    for word in ("kubectl apply -f crds/clientintents.yaml", "examples:", "GRAPEVINE_LISTEN", "--log-format"):
        assert word in printed


def test_an_unreachable_api_server_is_one_line_and_code_2(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        '{"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}], '
        '"users": [{"name": "u", "user": {}}], '
        '"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"}'
    )
    command = [sys.executable, "-m", "grapevine.cli.main", "operator", "--kubeconfig", str(kubeconfig)]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("grapevine: GET /version: https://127.0.0.1:1 is unreachable: ")
    assert str(kubeconfig) in ended.stderr
