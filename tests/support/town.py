"""A small cluster with a Service of every kind, as objects for an API server, and the packets of its pods' look-ups.

The pods of namespace `town` that ask are called after the test that they ask in; `homes` are those that are asked for.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from tests.support import packets as p
from tests.support.api import Object

RAN_MS = 1_795_383_000_000
"""2026-11-22T21:30:00Z: when the packets were heard, half an hour after the pods began."""
STARTED = "2026-11-22T21:00:00Z"
DNS, DNS_POD, DNS_POD_V6 = "10.96.0.10", "10.244.9.53", "fd00:244:9::53"
STRANGER = "10.244.9.66"
"""A pod that is no DNS server, and answers."""


def deployment(name: str, namespace: str = "town", kind: str = "Deployment") -> list[Object]:
    """Return a Deployment and its ReplicaSet `<name>-1`; another kind alone."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": _pod_spec()}
    spec: Object = {"selector": {"matchLabels": labels}, "template": template}
    if kind == "StatefulSet":
        spec["serviceName"] = name
    owner = _object("apps/v1", kind, namespace, name, spec=spec)
    if kind != "Deployment":
        return [owner]
    replica_set = _object("apps/v1", "ReplicaSet", namespace, f"{name}-1", spec=spec)
    replica_set["metadata"]["ownerReferences"] = [_owned_by(owner)]
    return [owner, replica_set]


def pod(name: str, *ips: str, namespace: str = "town", owner: tuple[str, str] | None = None, **metadata: Any) -> Object:
    """Return a running pod; `owner` is kind and name of its controller."""
    api_version = {"Job": "batch/v1", "Rollout": "argoproj.io/v1alpha1"}
    made = _object("v1", "Pod", namespace, name, spec={**_pod_spec(), "nodeName": "n1"})
    made["metadata"] |= metadata
    if owner:
        kind, of = owner
        made["metadata"]["ownerReferences"] = [
            _owned_by(_object(api_version.get(kind, "apps/v1"), kind, namespace, of)) | {"controller": True}
        ]
    made["status"] = {
        "phase": "Running",
        "startTime": STARTED,
        "podIP": ips[0],
        "podIPs": [{"ip": ip} for ip in ips],
    }
    return made


def workload(name: str, *ips: str, namespace: str = "town") -> list[Object]:
    """Return a Deployment with one pod of these addresses."""
    return [
        *deployment(name, namespace),
        pod(f"{name}-1-a", *ips, namespace=namespace, owner=("ReplicaSet", f"{name}-1")),
    ]


def service(name: str, cluster_ip: str = "None", *, namespace: str = "town", **spec: Any) -> Object:
    """Return a Service on port 80, headless unless it has an address."""
    ports = [{"name": "http", "port": 80}]
    return _object("v1", "Service", namespace, name, spec={"clusterIP": cluster_ip, "ports": ports, **spec})


def external_name(name: str, target: str, *, namespace: str = "town") -> Object:
    """Return an ExternalName Service."""
    return _object("v1", "Service", namespace, name, spec={"type": "ExternalName", "externalName": target})


def endpoints(of: str, *pods: Object, namespace: str = "town", bare: Sequence[str] = (), number: int = 1) -> Object:
    """Return a slice of a Service with these pods, or bare addresses, behind it."""
    listed: list[Object] = [
        {
            "addresses": [each["status"]["podIP"]],
            "targetRef": {"kind": "Pod", "namespace": each["metadata"]["namespace"], "name": each["metadata"]["name"]},
            **({"hostname": host} if (host := each["spec"].get("hostname")) else {}),
        }
        for each in pods
    ]
    made = _object("discovery.k8s.io/v1", "EndpointSlice", namespace, f"{of}-{number}")
    made["metadata"]["labels"] = {"kubernetes.io/service-name": of}
    listed += [{"addresses": [ip]} for ip in bare]
    return {**made, "addressType": "IPv4", "endpoints": listed, "ports": [{"name": "http", "port": 8080}]}


def namespace(name: str) -> Object:
    """Return a Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def dns_server() -> list[Object]:
    """Return the cluster's DNS: a Service in kube-system and one pod behind it."""
    made = pod("coredns", DNS_POD, DNS_POD_V6, namespace="kube-system")
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    return [
        made,
        service("kube-dns", DNS, namespace="kube-system", ports=ports),
        endpoints("kube-dns", made, namespace="kube-system"),
    ]


def answer(
    client: str,
    name: str,
    *answers: str,
    qtype: int = p.A,
    cnames: Iterable[str] = (),
    rcode: int = 0,
    server: str = DNS,
) -> bytes:
    """Return the packet of an answer from the cluster's DNS; addresses, or complete names for SRV."""
    records = [p.cname_record(target) for target in cnames]
    for each in answers:
        is_srv = qtype == p.SRV
        records.append((b"\xc0\x0c", p.SRV, bytes(6) + p.encode_name(each)) if is_srv else p.a_record(each))
    return datagram(client, p.dns_response(name, qtype, records, flags=0x8180 | rcode), server=server)


def nxdomain(client: str, name: str, *, qtype: int = p.A) -> bytes:
    """Return the packet of a name that does not exist."""
    return answer(client, name, qtype=qtype, rcode=3)


def datagram(client: str, message: bytes, *, server: str = DNS) -> bytes:
    """Return a DNS message as a UDP packet to the client."""
    ip = p.ipv6 if ":" in client else p.ipv4
    return ip(p.udp(message), src=server, dst=client)


def segment(client: str, message: bytes, *, server: str = DNS) -> bytes:
    """Return a DNS message as a whole TCP segment to the client."""
    body = p.tcp(len(message).to_bytes(2, "big") + message, flags=p.ACK | p.PSH)
    return (
        p.ipv6(body, src=server, dst=client, header=6)
        if ":" in client
        else p.ipv4(body, src=server, dst=client, proto=6)
    )


def syn(client: str, address: str, port: int = 80, *, number: int = 0) -> bytes:
    """Return the packet that opens a connection."""
    body = p.tcp(b"", seq=number, flags=p.SYN, src_port=40_000 + number, dst_port=port)
    return p.ipv4(body, src=client, dst=address, proto=6)


def capture_of(packets: Iterable[bytes]) -> bytes:
    """Return a capture file of the packets, a millisecond between two."""
    return p.pcap((RAN_MS + n, p.cooked_v2(packet)) for n, packet in enumerate(packets))


def _pod_spec() -> Object:
    return {"containers": [{"name": "main", "image": "example.com/app:1"}]}


def _object(api_version: str, kind: str, namespace: str, name: str, **parts: Any) -> Object:
    metadata = {"namespace": namespace, "name": name, "uid": f"{kind}-{namespace}-{name}"}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **parts}


def _owned_by(owner: Object) -> Object:
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
    }
