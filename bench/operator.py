"""`grapevine operator` as a process, on a real kube-apiserver with 10,000 pods on 500 nodes, and a rollout of them all.

Loading the API server takes a minute or two and is not measured; what is, is the operator's own CPU time and memory.
Beside it, on the same server, kopf's own index of a part of these pods: all of them would take it far too long.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.support.controlplane import ControlPlane, find_binaries
from tests.support.eventually import eventually
from tests.support.objects import install_crd
from tests.support.processes import Operator

from bench.cluster import (
    NAMESPACES,
    NODES,
    PODS,
    TARGETS,
    WORKLOADS,
    lookups,
    name_of,
    namespace_of,
    observations,
    targets_of,
)
from bench.loading import Rolled, load, roll_out
from bench.posting import Sender
from bench.usage import cpu_s, memory, reset_peak

_SETTLE_S = 20
_IDLE_S = 10
_REPEATS = 10
_LATE_MS = 3_000
"""How long before their pods went the late look-ups of a rollout were made."""
_KOPF_NAMESPACES = (2, 4)
_KOPF_TIMEOUT_S = 60.0
_PODS = WORKLOADS * PODS
_EDGES = WORKLOADS * TARGETS


def run() -> list[tuple[str, str]]:
    """Measure start, the way from look-ups to objects, known look-ups, a rollout, and kopf's index."""
    with tempfile.TemporaryDirectory() as home, ControlPlane(Path(home) / "plane", find_binaries()) as plane:
        with plane.api() as api:
            install_crd(api)
        load(plane)
        kopf = [_kopf(plane, count) for count in _KOPF_NAMESPACES]
        with Operator(plane.kubeconfig(), Path(home) / "operator.log") as operator:
            figures = [*_start(operator), *kopf]
            for part in (_first_look_ups, _known_look_ups, _idle):
                figures += part(operator)
            figures += _rollout(plane, operator)
    return figures


def _start(operator: Operator) -> list[tuple[str, str]]:
    used = memory(operator.pid)
    return [
        (f"start to synced, {_PODS:,} pods on {NODES} nodes", f"{cpu_s(operator.pid):.1f} s CPU"),
        ("RSS then", f"{used.rss_kib / 1024:.0f} MiB, peak {used.peak_kib / 1024:.0f}"),
    ]


def _kopf(plane: ControlPlane, count: int) -> tuple[str, str]:
    """Return what `@kopf.index` costs for the pods of so many of the namespaces."""
    label = f"the same for {_PODS // NAMESPACES * count:,} of these pods, kopf.index"
    command = [sys.executable, "-m", "bench.kopf_index", *(f"team-{n:02d}" for n in range(count))]
    environment = os.environ | {"KUBECONFIG": str(plane.kubeconfig())}
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_KOPF_TIMEOUT_S, env=environment, check=True
        )
    except subprocess.TimeoutExpired:
        return label, f"not done after {time.monotonic() - began:.0f} s"
    found = json.loads(done.stdout)
    return label, f"{found['took_s']:.1f} s, {found['cpu_s']:.1f} s CPU, peak {found['peak_mib']:.0f} MiB"


def _first_look_ups(operator: Operator) -> list[tuple[str, str]]:
    used_s, began = cpu_s(operator.pid), time.monotonic()
    sender = Sender(operator.url)
    sender.post(observations())
    sender.wait_durable()
    took_s, used_s = time.monotonic() - began, cpu_s(operator.pid) - used_s
    metrics = operator.metrics()
    writes = sum(v for k, v in metrics.items() if k.startswith("grapevine_intents_writes_total"))
    return [
        (
            f"{WORKLOADS:,} workloads × {TARGETS} targets, from empty to written and durable",
            f"{took_s:.1f} s, {used_s:.1f} s CPU of the operator",
        ),
        ("API writes for that", f"{writes:,.0f}"),
        (f"RSS with {_PODS:,} pods and {_EDGES:,} edges", f"{memory(operator.pid).rss_kib / 1024:.0f} MiB"),
    ]


def _known_look_ups(operator: Operator) -> list[tuple[str, str]]:
    """Return the rate at which look-ups of known edges go from the socket into the graph, on one core."""
    sender = Sender(operator.url)
    bodies = [body for _ in range(_REPEATS) for body in sender.encode(observations())]
    taken_in = 'grapevine_intake_events_total{event="observations"}'
    before, used_s = operator.metrics()[taken_in], cpu_s(operator.pid)
    for body in bodies:
        sender.send(body)
    count = _EDGES * _REPEATS
    eventually(lambda: operator.metrics()[taken_in] - before >= count, timeout_s=120)
    used_s = cpu_s(operator.pid) - used_s
    return [
        (
            f"{count:,} look-ups of known edges, from HTTP to graph, one core",
            f"{count / used_s:,.0f} a second, {used_s / count * 1e6:.0f} µs CPU each",
        )
    ]


def _idle(operator: Operator) -> list[tuple[str, str]]:
    time.sleep(_SETTLE_S)
    used_s = cpu_s(operator.pid)
    time.sleep(_IDLE_S)
    return [("CPU with nothing going on", f"{(cpu_s(operator.pid) - used_s) / _IDLE_S:.1%} of a core")]


def _rollout(plane: ControlPlane, operator: Operator) -> list[tuple[str, str]]:
    """Replace every pod, with look-ups of the new ones at once and of the old ones late, and count wrong edges."""
    sender, lock = Sender(operator.url), threading.Lock()

    def on_rolled(rolled: Rolled) -> None:
        now_ms = time.time_ns() // 1_000_000
        with lock:
            sender.post(
                [
                    *lookups(rolled.workload, rolled.ips, now_ms),
                    *lookups(rolled.workload, rolled.old_ips, rolled.gone_ms - _LATE_MS),
                ]
            )

    reset_peak(operator.pid)
    used_s, began = cpu_s(operator.pid), time.monotonic()
    roll_out(plane, on_rolled)
    over = time.monotonic()
    pods = 'grapevine_informer_objects{kind="Pod"}'
    eventually(lambda: operator.metrics()[pods] == _PODS, timeout_s=120)
    current_s = time.monotonic() - over
    sender.wait_durable()
    used_s = cpu_s(operator.pid) - used_s
    prefix = 'grapevine_lookups_unresolved_total{reason="'
    unresolved = [f"{k[len(prefix) : -2]} {v:.0f}" for k, v in operator.metrics().items() if k.startswith(prefix)]
    wrong, missing = _compare(plane)
    return [
        (
            f"rollout of all {_PODS:,} pods within {over - began:.0f} s, with {2 * _EDGES:,} look-ups",
            f"{used_s:.1f} s CPU, peak RSS {memory(operator.pid).peak_kib / 1024:.0f} MiB",
        ),
        ("current after the last of it", f"{current_s:.1f} s"),
        ("wrong edges, missing edges", f"{wrong}, {missing}"),
        ("look-ups given to nobody, the address in doubt", ", ".join(unresolved) or "none"),
    ]


def _compare(plane: ControlPlane) -> tuple[int, int]:
    """Return how many targets stand in the objects and are none, and the other way round."""
    with plane.api() as api:
        objects = api.list("k8s.otterize.com/v2beta1", "ClientIntents")
    found = {
        (o["metadata"]["namespace"], o["spec"]["workload"]["name"]): {
            text for target in o["spec"]["targets"] for text in _texts(target, o["metadata"]["namespace"])
        }
        for o in objects
    }
    true = {(namespace_of(w), name_of(w)): targets_of(w) for w in range(WORKLOADS)}
    wrong = sum(len(texts - true.get(client, set())) for client, texts in found.items())
    return wrong, sum(len(texts - found.get(client, set())) for client, texts in true.items())


def _texts(target: dict[str, dict[str, object]], namespace: str) -> list[str]:
    (kind, content), *_ = target.items()
    if kind == "internet":
        return [str(domain) for domain in content["domains"]]  # type: ignore[attr-defined]
    name = str(content["name"])
    return [name if "." in name else f"{name}.{namespace}"]
