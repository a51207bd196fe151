"""The generated cluster as objects in a real API server, and a rollout of all of it.

Nodes, owners, Services, slices and pods as the controllers and kubelets of a cluster write them; there are none of
those here. A rollout hands addresses on: the new pods of a workload get those of the old pods of the one before it.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.support.api import Api, Object
from tests.support.controlplane import ControlPlane

from bench.cluster import (
    DNS_IP,
    NAMESPACES,
    NODES,
    PODS,
    WORKLOADS,
    cluster_ip,
    name_of,
    namespace_of,
    node_of,
    pod_ip,
    pod_name,
)

_WORKERS = 4
_START = "2026-09-21T13:33:20Z"
_OLD, _NEW = "5d9c7b8f6d", "7f4b9c6d58"


@dataclass(frozen=True, slots=True)
class Rolled:
    """One workload whose rollout is over."""

    workload: int
    ips: tuple[str, ...]
    """Of its new pods."""
    old_ips: tuple[str, ...]
    gone_ms: int
    """When its old pods were deleted."""


def load(plane: ControlPlane) -> None:
    """Create the generated cluster."""
    with plane.api() as api:
        for number in range(NAMESPACES):
            api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"team-{number:02d}"}})
        for number in range(NODES):
            node = api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{number}"}})
            address = f"10.0.{number // 250}.{number % 250 + 1}"
            api.merge_status(node, {"addresses": [{"type": "InternalIP", "address": address}]})
        api.create(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"namespace": "kube-system", "name": "kube-dns"},
                "spec": {"clusterIP": DNS_IP, "ports": [{"port": 53, "protocol": "UDP"}]},
            }
        )
    _in_parallel(plane, _load_part)


def roll_out(plane: ControlPlane, on_rolled: Callable[[Rolled], None]) -> None:
    """Replace every pod; `on_rolled` is called by several threads."""
    _in_parallel(plane, lambda api, part: _roll_part(api, part, on_rolled))


def _in_parallel(plane: ControlPlane, work: Callable[[Api, range], None]) -> None:
    size = WORKLOADS // _WORKERS

    def run(first: int) -> None:
        with plane.api() as api:
            work(api, range(first, first + size))

    with ThreadPoolExecutor(_WORKERS) as pool:
        for done in [pool.submit(run, first) for first in range(0, WORKLOADS, size)]:
            done.result()


def _load_part(api: Api, part: range) -> None:
    for w in part:
        for obj in _workload(w):
            api.create(obj)
        _create_pods(api, w, _OLD, tuple(pod_ip(w, p) for p in range(PODS)), _START)


def _roll_part(api: Api, part: range, on_rolled: Callable[[Rolled], None]) -> None:
    ips = tuple(f"10.128.{part.start // (WORKLOADS // _WORKERS)}.{p + 1}" for p in range(PODS))
    for w in part:
        api.create(_replica_set(w, _NEW))
        _create_pods(api, w, _NEW, ips, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        slice_ = _slice(w, _NEW)
        api.request("PUT", api.path_of(slice_), slice_)
        selector = f"app={name_of(w)},pod-template-hash={_OLD}"
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
        api.request("DELETE", f"/api/v1/namespaces/{namespace_of(w)}/pods?labelSelector={selector}", options)
        old_ips = tuple(pod_ip(w, p) for p in range(PODS))
        on_rolled(Rolled(w, ips, old_ips, time.time_ns() // 1_000_000))
        ips = old_ips


def _create_pods(api: Api, w: int, template: str, ips: tuple[str, ...], start: str) -> None:
    for p, ip in enumerate(ips):
        pod = _pod(w, p, template, ip, start)
        api.create(pod)
        api.replace_status(pod)


def _replica_set(w: int, template: str) -> Object:
    name = name_of(w)
    meta = {"namespace": namespace_of(w), "name": f"{name}-{template}", "labels": {"app": name}}
    owned = {**meta, "ownerReferences": [_owner("Deployment", name, f"d{w}")]}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": owned, "spec": _spec(w)}


def _spec(w: int) -> Object:
    labels = {"app": name_of(w)}
    template = {"metadata": {"labels": labels}, "spec": _pod_spec()}
    return {"replicas": PODS, "selector": {"matchLabels": labels}, "template": template}


def _workload(w: int) -> list[Object]:
    namespace, name = namespace_of(w), name_of(w)
    meta = {"namespace": namespace, "name": name, "labels": {"app": name}}
    service = {"selector": {"app": name}, "clusterIP": cluster_ip(w), "ports": [{"port": 80}]}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": _spec(w)},
        _replica_set(w, _OLD),
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service},
        _slice(w, _OLD),
    ]


def _pod(w: int, p: int, template: str, ip: str, start: str) -> Object:
    labels = {"app": name_of(w), "pod-template-hash": template}
    owner = _owner("ReplicaSet", f"{name_of(w)}-{template}", f"{template}-{w}")
    meta = {
        "namespace": namespace_of(w),
        "name": pod_name(w, p, template),
        "labels": labels,
        "ownerReferences": [owner],
    }
    running = {"name": "app", "image": "app:1", "imageID": "app", "ready": True, "restartCount": 0, "started": True}
    status = {
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "hostIP": "10.0.0.1",
        "startTime": start,
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": start}
            for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ],
        "containerStatuses": [{**running, "state": {"running": {"startedAt": start}}, "lastState": {}}],
    }
    spec = {**_pod_spec(), "nodeName": node_of(w, p)}
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


def _slice(w: int, template: str) -> Object:
    name = name_of(w)
    endpoints = [
        {
            "addresses": [pod_ip(w, p)],
            "conditions": {"ready": True},
            "targetRef": {"kind": "Pod", "namespace": namespace_of(w), "name": pod_name(w, p, template)},
        }
        for p in range(PODS)
    ]
    meta = {"namespace": namespace_of(w), "name": f"{name}-abcde", "labels": {"kubernetes.io/service-name": name}}
    head = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta, "addressType": "IPv4"}
    return {**head, "endpoints": endpoints, "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]}


def _owner(kind: str, name: str, uid: str) -> Object:
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True}
