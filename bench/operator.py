"""`grapevine operator` as a process, on a real kube-apiserver with 10,000 pods.

Loading the API server takes minutes and is not measured; what is, is the operator's own CPU time and memory.
"""

import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.api import Api, Object
from tests.support.controlplane import ControlPlane, find_binaries
from tests.support.objects import install_crd
from tests.support.processes import Operator

from bench.cluster import NAMESPACES, PODS, TARGETS, WORKLOADS, name_of, namespace_of, observations, pod_ip, pod_name
from grapevine.wire import codec, schema
from grapevine.wire.schema import Batch, BatchHeader, Hearing

_BATCH = 1_000
_LOADERS = 4
_DEADLINE_S = 600.0
_SETTLE_S = 40
_IDLE_S = 20
_START = "2026-09-21T13:33:20Z"
_REPLICA_SET = "-5d9c7b8f6d"


def run() -> list[tuple[str, str]]:
    """Measure start, memory, and the way from 20,000 new edges to 1,000 written objects."""
    with tempfile.TemporaryDirectory() as home, ControlPlane(Path(home) / "plane", find_binaries()) as plane:
        with plane.api() as api:
            install_crd(api)
        _load(plane)
        with Operator(plane.kubeconfig(), Path(home) / "operator.log") as operator:
            pods = f"{WORKLOADS * PODS:,} pods"
            figures = [
                (f"start to synced with {pods}", f"{_cpu_s(operator.pid):.1f} s CPU"),
                (f"RSS, {pods}, nothing heard yet", f"{_rss_mib(operator.pid):.0f} MiB"),
            ]
            cpu_s, began = _cpu_s(operator.pid), time.monotonic()
            _send(operator.url)
            took_s, cpu_s = time.monotonic() - began, _cpu_s(operator.pid) - cpu_s
            written = f"{WORKLOADS:,} workloads × {TARGETS} targets"
            metrics = operator.metrics()
            writes = sum(v for k, v in metrics.items() if k.startswith("grapevine_intents_writes_total"))
            figures += [
                (f"{written}, from empty to written and durable", f"{took_s:.1f} s, {cpu_s:.1f} s CPU of the operator"),
                ("API writes for that", f"{writes:,.0f}"),
                (f"RSS with {pods} and {WORKLOADS * TARGETS:,} edges", f"{_rss_mib(operator.pid):.0f} MiB"),
            ]
            time.sleep(_SETTLE_S)
            cpu_s = _cpu_s(operator.pid)
            time.sleep(_IDLE_S)
            idle = f"{(_cpu_s(operator.pid) - cpu_s) / _IDLE_S:.1%} of a core"
            figures.append(("CPU with nothing going on", idle))
    return figures


def _load(plane: ControlPlane) -> None:
    """Create the generated cluster in the API server, with a few connections."""
    local = threading.local()

    def create(objects: Iterable[Object]) -> None:
        if not hasattr(local, "api"):
            local.api = plane.api()
        api: Api = local.api
        for obj in objects:
            api.create(obj)
            if obj["kind"] == "Pod":
                api.merge_status(obj, obj["status"])

    with plane.api() as api:
        for number in range(NAMESPACES):
            name = {"name": f"team-{number:02d}"}
            api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": name})
    with ThreadPoolExecutor(_LOADERS) as pool:
        for done in [pool.submit(create, _workload(w)) for w in range(WORKLOADS)]:
            done.result()


def _workload(w: int) -> list[Object]:
    namespace, name = namespace_of(w), name_of(w)
    meta = {"namespace": namespace, "name": name, "labels": {"app": name}}
    selector = {"matchLabels": {"app": name}}
    service = {"selector": {"app": name}}
    template = {"metadata": {"labels": {"app": name}}, "spec": _pod_spec()}
    spec = {"replicas": PODS, "selector": selector, "template": template}
    owned = {**meta, "name": name + _REPLICA_SET, "ownerReferences": [_owner("Deployment", name, f"d{w}")]}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec},
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": owned, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {**service, "ports": [{"port": 80}]}},
        *(_pod(w, p) for p in range(PODS)),
        _slice(w),
    ]  # fmt: skip


def _pod(w: int, p: int) -> Object:
    labels = {"app": name_of(w), "pod-template-hash": _REPLICA_SET[1:]}
    owner = _owner("ReplicaSet", name_of(w) + _REPLICA_SET, f"r{w}")
    meta = {"namespace": namespace_of(w), "name": pod_name(w, p), "labels": labels, "ownerReferences": [owner]}
    ip = pod_ip(w, p)
    running = {"name": "app", "image": "app:1", "imageID": "app", "ready": True, "restartCount": 0, "started": True}
    status = {
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "hostIP": "10.0.0.1",
        "startTime": _START,
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": _START}
            for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ],
        "containerStatuses": [{**running, "state": {"running": {"startedAt": _START}}, "lastState": {}}],
    }
    spec = {**_pod_spec(), "nodeName": f"node-{w % 500}"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


def _pod_spec() -> Object:
    environment = [{"name": f"SETTING_{n}", "value": "some value of a usual length"} for n in range(30)]
    mounts = [{"name": f"volume-{n}", "mountPath": f"/var/data/{n}"} for n in range(4)]
    app = {
        "name": "app",
        "image": "app:1",
        "ports": [{"containerPort": 8080}],
        "env": environment,
        "volumeMounts": mounts,
    }
    return {"containers": [app], "volumes": [{"name": f"volume-{n}", "emptyDir": {}} for n in range(4)]}


def _slice(w: int) -> Object:
    name = name_of(w)
    endpoints = [
        {
            "addresses": [pod_ip(w, p)],
            "conditions": {"ready": True},
            "targetRef": {"kind": "Pod", "namespace": namespace_of(w), "name": pod_name(w, p)},
        }
        for p in range(PODS)
    ]
    meta = {"namespace": namespace_of(w), "name": f"{name}-abcde", "labels": {"kubernetes.io/service-name": name}}
    head = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta, "addressType": "IPv4"}
    return {**head, "endpoints": endpoints, "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]}


def _owner(kind: str, name: str, uid: str) -> Object:
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True}


def _send(url: str) -> None:
    """Post every edge once, and wait until the operator calls the last batch durable."""
    host, _, port = url.removeprefix("http://").partition(":")
    seen = observations()
    batches = [tuple(seen[n : n + _BATCH]) for n in range(0, len(seen), _BATCH)]
    for seq, chunk in enumerate(batches, 1):
        _post(host, int(port), seq, chunk)
    deadline = time.monotonic() + _DEADLINE_S
    while _post(host, int(port), schema.HEARTBEAT_SEQ, ()) < len(batches):
        if time.monotonic() > deadline:
            raise TimeoutError("the operator did not make everything durable")
        time.sleep(0.1)


def _post(host: str, port: int, seq: int, chunk: tuple[object, ...]) -> int:
    """Send one batch and return what is durable; a busy operator is asked again."""
    header = BatchHeader("bench", seq, 1, "node-0", time.time_ns() // 1_000_000, Hearing(("packet",), 0))
    body = codec.encode_batch(Batch(header, chunk))  # type: ignore[arg-type]
    head = f"POST {schema.PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: {schema.CONTENT_TYPE}\r\n"
    head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    while True:
        with socket.create_connection((host, port), 10) as connection:
            connection.sendall(head.encode() + body)
            with connection.makefile("rb") as reader:
                answer = reader.read()
        status, _, reply = answer.partition(b"\r\n\r\n")
        code = int(status.split()[1])
        if code == schema.STATUS_ACCEPTED:
            return codec.decode_reply(reply).durable_through
        if code != schema.STATUS_BUSY:
            raise RuntimeError(answer.decode(errors="replace"))
        time.sleep(0.2)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024
