"""What the shop's `batch/worker` might do: frames of look-ups and connections, true and forged, as a capture file.

It asks kube-dns for one domain and connects there; connects to a Service by its address and to a stranger, without a
look-up; a pod of another namespace answers it for a Service of the cluster; the kubelet probes.
"""

from tests.support import packets as p

SHOP_RAN_MS = 1_795_383_000_000
"""2026-11-22T21:30:00Z, when the shop's pods were all there."""
WORKER, DEBUG, NODE, KUBE_DNS, CART = "10.244.0.48", "10.244.0.46", "10.88.0.1", "10.96.0.10", "10.96.20.250"
STRANGER = "203.0.113.9"
ANSWERS = [
    (KUBE_DNS, "api.example.com", "192.0.2.7"),
    (DEBUG, "redis.orders.svc.cluster.local", DEBUG),
]
DIALS = [(WORKER, "192.0.2.7", 443), (WORKER, CART, 80), (WORKER, STRANGER, 22), (NODE, "10.244.0.38", 8080)]
OBSERVED = [
    ({"kubernetes": {"name": "cart.orders", "kind": "Deployment"}}, ["connection"], 90, [80], ["tcp"]),
    ({"internet": {"domains": ["api.example.com"]}}, ["connection", "dns"], 95, [443], ["tcp"]),
]
"""Target, evidence, confidence, ports and protocols that its status is to hold."""


def worker_capture() -> bytes:
    """Return the capture file."""
    responses = [
        p.ipv4(p.udp(p.dns_response(name, records=[p.a_record(ip)])), src=server, dst=WORKER)
        for server, name, ip in ANSWERS
    ]
    syns = [
        p.ipv4(p.tcp(b"", seq=n, flags=p.SYN, src_port=40_000 + n, dst_port=port), src=client, dst=dst, proto=6)
        for n, (client, dst, port) in enumerate(DIALS)
    ]
    frames = [p.cooked_v2(packet) for packet in (*responses, *syns)]
    return p.pcap((SHOP_RAN_MS + n, frame) for n, frame in enumerate(frames))
