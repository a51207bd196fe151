"""A sender of observations and the workloads they are about, as a test on a real API server makes them."""

import itertools
import secrets
import time
import urllib.request

from tests.support.api import Api, Object
from tests.support.builders import T0
from tests.support.eventually import eventually

from grapevine.model.observation import DnsObservation, Observation
from grapevine.wire.codec import decode_reply, encode_batch
from grapevine.wire.schema import CONTENT_TYPE, PATH, Batch, BatchHeader, Hearing

RESOLVER_IP = "10.96.0.10"


class Sender:
    """Capture's end of the wire: sends what the test says was heard, and waits until it is durable."""

    def __init__(self, url: str, *, node: str = "n1", source: str = "packet") -> None:
        self._url = url + PATH
        self._node = node
        self._source = source
        self._stream = secrets.token_hex(8)
        self._numbers = itertools.count(1)

    def tell(self, *observations: Observation, timeout_s: float = 60) -> None:
        """Send one batch, and return once all of it, and all before it, stands in written objects."""
        number = self.send(*observations)
        eventually(lambda: self._post(0, number) >= number, timeout_s=timeout_s)

    def send(self, *observations: Observation) -> int:
        """Send one batch, and return its number."""
        number = next(self._numbers)
        self._post(number, number, observations)
        return number

    def _post(self, seq: int, oldest: int, observations: tuple[Observation, ...] = ()) -> int:
        now_ms = time.time_ns() // 1_000_000
        header = BatchHeader(self._stream, seq, oldest, self._node, now_ms, Hearing((self._source,), T0))
        body = encode_batch(Batch(header, observations))
        request = urllib.request.Request(self._url, body, {"Content-Type": CONTENT_TYPE})
        with urllib.request.urlopen(request, timeout=10) as reply:
            return decode_reply(reply.read()).durable_through


def a_look_up(
    client_ip: str, qname: str, at_ms: int, *answers: str, rcode: str = "NOERROR", count: int = 1
) -> DnsObservation:
    """Return a look-up that was answered with `answers`, an address by default."""
    found = (answers or ("192.0.2.1",)) if rcode == "NOERROR" else ()
    return DnsObservation(
        at_ms, at_ms, count, client_ip, RESOLVER_IP, qname, "A", rcode, tuple(sorted(found)), (), "udp", "packet"
    )


def deploy(api: Api, namespace: str, name: str, ip: str, *, kind: str = "Deployment", **metadata: Object) -> Object:
    """Make a workload with one running pod at an address, and return the workload."""
    labels = {"app": name}
    spec: Object = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    }
    if kind == "StatefulSet":
        spec["serviceName"] = name
    root = api.create(_object("apps/v1", kind, namespace, name, spec, **metadata))
    owner = root
    if kind == "Deployment":
        owner = api.create(_object("apps/v1", "ReplicaSet", namespace, f"{name}-1", spec, **_owned(root)))
    pod_name = f"{name}-0" if kind == "StatefulSet" else f"{name}-1-x"
    run_pod(api, namespace, pod_name, ip, **_owned(owner), labels=labels)
    return root


def run_pod(api: Api, namespace: str, name: str, ip: str, **metadata: object) -> None:
    """Make a pod that has run at an address since before every test."""
    spec: Object = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"}
    pod = api.create(_object("v1", "Pod", namespace, name, spec, **metadata))
    started = {"phase": "Running", "startTime": "2023-11-14T22:13:20Z"}
    api.merge_status(pod, {**started, "podIP": ip, "podIPs": [{"ip": ip}]})


def owner_reference(kind: str, name: str, api_version: str = "example.com/v1", uid: str = "none") -> Object:
    """Return the reference to a controller."""
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True}


def expose(api: Api, namespace: str, name: str, cluster_ip: str, *pods: str) -> None:
    """Make a Service with these pods behind it."""
    spec: Object = {"clusterIP": cluster_ip, "ports": [{"port": 80}], "selector": {"app": name}}
    api.create(_object("v1", "Service", namespace, name, spec))
    api.create(
        {
            **_object("discovery.k8s.io/v1", "EndpointSlice", namespace, name, {}),
            "metadata": {"namespace": namespace, "name": name, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": [f"10.99.0.{n}"], "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod}}
                for n, pod in enumerate(pods, 1)
            ],
            "ports": [{"port": 80}],
        }
    )


def _object(api_version: str, kind: str, namespace: str, name: str, spec: Object, **metadata: object) -> Object:
    made: Object = {"apiVersion": api_version, "kind": kind, "metadata": {"namespace": namespace, "name": name}}
    made["metadata"] |= metadata
    return {**made, "spec": spec} if spec else made


def _owned(owner: Object) -> Object:
    meta = owner["metadata"]
    return {"ownerReferences": [owner_reference(owner["kind"], meta["name"], owner["apiVersion"], meta["uid"])]}
