"""Debian's Prometheus: promtool, and a server on loopback that scrapes what a test points it at."""

import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.support.eventually import eventually
from tests.support.missing import give_up

_START_TIMEOUT_S = 60.0
_REASON = "needs prometheus: apt-get install prometheus"

Sample = tuple[dict[str, str], float]
"""Labels, and the value."""


class QueryError(Exception):
    """Prometheus does not take a query; the text is what it says."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running one."""

    url: str

    def instant(self, query: str, at_s: float | None = None) -> list[Sample]:
        """Return what a query says at a time, in seconds since 1970; now, if none is given.

        Raises:
            QueryError: It is none.
        """
        when = {} if at_s is None else {"time": f"{at_s}"}
        return [
            (dict(each["metric"]), float(each["value"][1])) for each in self._ask("query", {"query": query, **when})
        ]

    def range(self, query: str, *, start_s: float, end_s: float, step_s: float) -> list[dict[str, str]]:
        """Return the labels of the series a query gives over a time.

        Raises:
            QueryError: It is none.
        """
        span = {"start": f"{start_s}", "end": f"{end_s}", "step": f"{step_s}"}
        return [dict(each["metric"]) for each in self._ask("query_range", {"query": query, **span})]

    def label_values(self, label: str) -> list[str]:
        """Return the values of a label."""
        values: list[str] = self._get(f"/api/v1/label/{label}/values")
        return values

    def _ask(self, what: str, fields: Mapping[str, str]) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self._get(f"/api/v1/{what}?{urllib.parse.urlencode(fields)}")["result"]
        return result

    def _get(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as reply:
                return json.loads(reply.read())["data"]
        except urllib.error.HTTPError as error:
            raise QueryError(error.read().decode(errors="replace")) from error


def promtool(*arguments: str | Path) -> str:
    """Run promtool and return what it printed; fails the test where it ends with an error, skips it where it lacks."""
    program = shutil.which("promtool") or give_up(_REASON)
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def running_prometheus(directory: Path, targets: Mapping[str, str]) -> Iterator[Prometheus]:
    """Run one that scrapes `HOST:PORT` every second, by job; skips the test where it is not installed."""
    program = shutil.which("prometheus") or give_up(_REASON)
    scrapes = [{"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()]
    config = directory / "prometheus.yaml"
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": scrapes}))
    port = _free_port()
    command = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    log = directory / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=directory)
    try:
        eventually(lambda: _is_ready(process, port, log), timeout_s=_START_TIMEOUT_S)
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"prometheus ended with code {process.returncode}:\n{log.read_text()[-2000:]}")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port
