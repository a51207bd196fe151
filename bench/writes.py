"""What the map costs the API server: requests as it counts them itself, and an hour in which nothing changes.

The hours are virtual: the real loop and plan, a clock that is moved, and a writer in memory. For half an hour after a
write nothing is due again, so that a few minutes on a real server would say less than the truth.
"""

import asyncio
import re
import secrets
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.api import Api
from tests.support.controlplane import ControlPlane, find_binaries
from tests.support.eventually import eventually
from tests.support.objects import install_crd
from tests.support.processes import Operator
from tests.support.steady import SteadyCluster
from tests.support.traffic import Sender, a_look_up, deploy, expose

from bench.cluster import NAMESPACES, TARGETS, WORKLOADS, name_of, namespace_of, observations, pod_ip
from grapevine.model.observation import DnsObservation
from grapevine.model.value import replace

_BATCH = 1_000
_LOADERS = 4
_DEADLINE_S = 600.0
_HOURS = 5
_LOOK_MS = 500_000
"""Every workload is looked at so often; a status that only moves is due every 2,000 s, which is a multiple of it."""
_REQUESTS = re.compile(r"^apiserver_request_total\{(?P<labels>.*)\} (?P<count>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_GROUP = "k8s.otterize.com"
_VERBS = {"APPLY": "apply", "GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
"""What changes an object, and the look before one is made; lists and watches are few, and not the writer's."""


def run() -> list[tuple[str, str]]:
    """Count from empty to written, one changed edge, and an hour."""
    hours = asyncio.run(_quiet_hours())
    with tempfile.TemporaryDirectory() as home, ControlPlane(Path(home) / "plane", find_binaries()) as plane:
        with plane.api() as api:
            install_crd(api)
        _load(plane)
        with Operator(plane.kubeconfig(), Path(home) / "operator.log") as operator, plane.api() as api:
            first = _requests_of(api, operator, *_batches())
            more = a_look_up(pod_ip(0, 0), "one-more.example.com", time.time_ns() // 1_000_000)
            changed = _requests_of(api, operator, (more,))
    written = f"{WORKLOADS:,} workloads × {TARGETS} targets"
    return [
        (f"{written}, from empty to written: requests to the API server", _told(first)),
        ("one more edge of one of them", _told(changed)),
        (f"{written}, {_HOURS} quiet hours (virtual: only times and counts move)", _told(hours)),
        ("of these in an hour, in a second", f"{hours.total() / _HOURS:,.0f}, {hours.total() / _HOURS / 3_600:.2f}"),
    ]


async def _quiet_hours() -> Counter[str]:
    """Return the writes of a steady cluster, by change."""
    cluster = SteadyCluster(WORKLOADS, TARGETS)
    await cluster.pass_by(1, every_ms=1)
    return await cluster.pass_by(_HOURS * 3_600_000, every_ms=_LOOK_MS)


def _load(plane: ControlPlane) -> None:
    """Make the workloads, each with one pod and a Service."""
    local = threading.local()

    def make(workload: int) -> None:
        if not hasattr(local, "api"):
            local.api = plane.api()
        api: Api = local.api
        namespace, name = namespace_of(workload), name_of(workload)
        deploy(api, namespace, name, pod_ip(workload, 0))
        expose(api, namespace, name, f"10.96.{1 + workload // 200}.{workload % 200 + 1}", f"{name}-1-x")

    with plane.api() as api:
        for number in range(NAMESPACES):
            api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace_of(number)}})
    with ThreadPoolExecutor(_LOADERS) as pool:
        for made in [pool.submit(make, workload) for workload in range(WORKLOADS)]:
            made.result()


def _batches() -> list[tuple[DnsObservation, ...]]:
    """Return one look-up of every edge, each workload's by its one pod."""
    seen = [replace(each, client_ip=pod_ip(n // TARGETS, 0)) for n, each in enumerate(observations())]
    return [tuple(seen[n : n + _BATCH]) for n in range(0, len(seen), _BATCH)]


def _requests_of(api: Api, operator: Operator, *batches: tuple[DnsObservation, ...]) -> Counter[str]:
    """Send batches; return the requests until all is durable and nothing is left to write."""
    before = _requests(api)
    sender = Sender(operator.url, node=f"node-{secrets.token_hex(2)}")
    for batch in batches[:-1]:
        sender.send(*batch)
    sender.tell(*batches[-1], timeout_s=_DEADLINE_S)
    eventually(lambda: operator.metrics()["grapevine_intents_pending"] == 0, timeout_s=60)
    return _requests(api) - before


def _requests(api: Api) -> Counter[str]:
    """Return the requests about ClientIntents that the API server has counted, by verb and part of the object."""
    text = api.request("GET", "/metrics")["message"]
    found: Counter[str] = Counter()
    for row in _REQUESTS.finditer(text):
        labels = dict(_LABEL.findall(row["labels"]))
        if labels.get("group") == _GROUP and labels.get("verb") in _VERBS:
            part = f" {labels['subresource']}" if labels.get("subresource") else ""
            found[f"{_VERBS[labels['verb']]}{part}"] += int(float(row["count"]))
    return found


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"
