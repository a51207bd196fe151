"""A pod that comes to the running shop, and what the map must say of it."""

import time

from tests.cluster.installation import wait_for_map
from tests.cluster.node import Node, Object
from tests.cluster.shop import pod
from tests.support.truth import Intents

NAMESPACE = "tools"
START_TIMEOUT_S = 180.0
"""Until a pod runs. After an outage of the API server, scheduler and kubelet come back to it within a minute or so."""

_ASKS = ("http://web.storefront", "dns://www.example.org", "http://redis.orders:8080")


def apply_newcomer(node: Node, name: str, *, once: bool = False) -> None:
    """Have a pod ask for three things, every five seconds or once in its life."""
    node.apply(pod(NAMESPACE, name, *_ASKS, once=once))


def edges_of(name: str) -> Intents:
    """Return what the map must say of a newcomer."""
    targets = {
        ("kubernetes", "web.storefront", "Deployment"),
        ("kubernetes", "redis.orders", "StatefulSet"),
        ("internet", "www.example.org", ""),
    }
    return {(NAMESPACE, "Pod", name): frozenset(targets)}


def time_to_edges_s(node: Node, name: str) -> float:
    """Return how many seconds after a newcomer runs the map says so."""
    wait_running(node, name)
    running_s = time.monotonic()
    wait_for_map(node, edges_of(name))
    return time.monotonic() - running_s


def wait_running(node: Node, name: str) -> Object:
    """Wait until a pod runs, or has run, and return it."""
    return node.wait_for_pod(NAMESPACE, name, phases=("Running", "Succeeded"), timeout_s=START_TIMEOUT_S)


def wait_over(node: Node, name: str) -> Object:
    """Wait until a pod that asks once has done so, and return it."""
    return node.wait_for_pod(NAMESPACE, name, phases=("Succeeded",), timeout_s=START_TIMEOUT_S)
