"""The parts together against a real API server: the watch on ClientIntents, start, readiness, end."""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.api import Api, Object
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually

from grapevine import app
from grapevine.handlers.watch import IntentsWatch
from grapevine.kube.session import Session
from grapevine.model.errors import RetryableError
from grapevine.settings import OperatorSettings

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("clientintents_crd")]


def intents(namespace: str, name: str) -> Object:
    return {
        "apiVersion": "k8s.otterize.com/v2beta1",
        "kind": "ClientIntents",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"workload": {"name": name}, "targets": []},
    }


async def test_the_watch_tells_of_objects_and_leaves_no_trace_in_them(
    control_plane: ControlPlane, api: Api, namespace: str
) -> None:
    told: list[tuple[str | None, str]] = []

    def on_intents(event_type: str | None, resource: Mapping[str, Any]) -> None:
        if resource["metadata"]["namespace"] == namespace:
            told.append((event_type, resource["metadata"]["name"]))

    async def until(event: tuple[str | None, str]) -> None:
        async with asyncio.timeout(20):
            while event not in told:  # noqa: ASYNC110 - what is awaited happens behind a socket
                await asyncio.sleep(0.02)

    api.create(intents(namespace, "before"))
    async with await Session.open(str(control_plane.kubeconfig())) as session:
        watching = asyncio.create_task(IntentsWatch(on_intents, session.credentials).run())
        await until((None, "before"))
        api.create(intents(namespace, "later"))
        await until(("ADDED", "later"))
        api.delete(intents(namespace, "before"))
        await until(("DELETED", "before"))
        watching.cancel()
        await asyncio.wait([watching], timeout=10)
        assert watching.cancelled()

    metadata = api.get("k8s.otterize.com/v2beta1", "ClientIntents", namespace, "later")["metadata"]
    assert "annotations" not in metadata
    assert "finalizers" not in metadata


def start(kubeconfig: Path, health_port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "grapevine.cli.main", "operator", "--kubeconfig", str(kubeconfig)]
    command += ["--listen", "127.0.0.1:0", "--health", f"127.0.0.1:{health_port}"]
    command += ["--api", "127.0.0.1:0"]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {"GRAPEVINE_LOG_FORMAT": "json"}
    )


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_operator_gets_ready_and_ends_in_order_when_told(
    control_plane: ControlPlane, number: signal.Signals, unused_tcp_port: int
) -> None:
    with start(control_plane.kubeconfig(), unused_tcp_port) as process:
        try:
            eventually(lambda: is_ready(unused_tcp_port), timeout_s=30)
            with urllib.request.urlopen(f"http://127.0.0.1:{unused_tcp_port}/metrics", timeout=5) as answer:
                assert b'grapevine_informer_synced{kind="Pod"} 1.0' in answer.read()
            process.send_signal(number)
            _, log = process.communicate(timeout=30)
        finally:
            process.kill()

    assert process.returncode == 0, log
    assert '"message": "stopped"' in log
    assert "Traceback" not in log, log
    assert '"level": "warning"' not in log


async def test_a_service_account_without_rights_ends_with_the_rule(
    control_plane: ControlPlane, api: Api, namespace: str, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": "nobody"}})
    kubeconfig = str(control_plane.service_account_kubeconfig(namespace, "nobody"))
    monkeypatch.setattr(app, "SYNC_TIMEOUT_S", 1.0)
    settings = OperatorSettings(kubeconfig=kubeconfig, health_host="127.0.0.1", health_port=unused_tcp_port)

    with pytest.raises(RetryableError, match=r"not synced after 1 s: .*resources: \[pods\], verbs: \[list\]"):
        await app._run_until_told(settings)


async def test_the_end_of_a_part_is_the_end_of_the_operator(
    control_plane: ControlPlane, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(self: IntentsWatch) -> None:
        raise ZeroDivisionError("by design")

    monkeypatch.setattr(IntentsWatch, "run", fail)
    settings = OperatorSettings(
        kubeconfig=str(control_plane.kubeconfig()),
        listen_host="127.0.0.1",
        listen_port=0,
        health_host="127.0.0.1",
        health_port=unused_tcp_port,
        api_port=0,
    )

    assert await app._run_until_told(settings) == 1

    assert "a part failed" in caplog.text
    assert "ZeroDivisionError: by design" in caplog.text
    assert not is_ready(unused_tcp_port)
