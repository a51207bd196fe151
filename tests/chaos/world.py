"""Workloads whose pods come and go on addresses used before, what they ask for, and so what is true of them.

What is asked is asked once: nothing but the operator's care makes it stand in the map at the end. A pod goes once all
it asked for is durable, for after a crash nobody can know of a pod that is gone; and seconds lie between two pods of
one address, as on a node.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.delivery import Delivery
from tests.support.api import Api, Object
from tests.support.traffic import a_look_up, deploy, expose, owner_reference

NAMESPACES = ("chaos-a", "chaos-b", "chaos-c")
CLIENTS = 7
"""In each namespace."""
SERVERS = 4
"""In each namespace, behind a Service of their name."""
SPARE = 2
"""Addresses more than clients: nearly every new pod has one that another workload had."""
DOMAINS = 170
"""With the servers fewer than `status.observed` holds: what a restart must know has room."""
KINDS = ("Deployment", "StatefulSet", "DaemonSet")
APART_S = 3.0
"""Between the end of a pod and the next one of its address, and between its start and its first look-up."""
DOMAIN = "cluster.local"

Target = tuple[str, str]
"""`kubernetes` and a server as the client's spec names it, or `internet` and a domain."""


@dataclass
class Client:
    """A workload, the pod it has now, and what is true of it."""

    namespace: str
    name: str
    kind: str
    owner: Object
    pod: str = ""
    ip: str = ""
    asks_from_s: float = 0.0
    """Monotonic; before that its pod is too young, or its object was deleted too lately."""
    asked: set[Target] = field(default_factory=set)
    """What it was seen to use, since a person last deleted its object."""
    last_batch: int = 0
    declared: Object | None = None
    """The object of a person's that is about it, as its owner left it; None while Grapevine discovers."""
    is_returning: bool = False
    """Its object was deleted and is not back yet. Meanwhile it asks again: an operator that did not see the object
    go learns it by a write, and forgets with the object what was heard before that."""
    is_resting: bool = False
    """It asks for nothing until all it asked for is durable."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Namespace, kind and name."""
        return self.namespace, self.kind, self.name


class World:
    """The cluster's workloads, in an API server without controllers."""

    def __init__(self, api: Api, delivery: Delivery, rng: random.Random) -> None:
        self._api = api
        self._delivery = delivery
        self._rng = rng
        self._pods = 0
        addresses = CLIENTS * len(NAMESPACES) + SPARE
        self._free: list[tuple[float, str]] = [(0.0, f"10.70.0.{n + 1}") for n in range(addresses)]
        """From when on, and which; those free for longest first."""
        self.look_ups = 0
        self.moves = 0
        """Pods that began on an address another workload had before."""
        self._last_of: dict[str, Client] = {}
        for namespace in NAMESPACES:
            api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for number, namespace in enumerate(NAMESPACES):
            for n in range(SERVERS):
                deploy(api, namespace, f"server-{n}", f"10.71.{number}.{n + 1}")
                expose(api, namespace, f"server-{n}", f"10.96.{70 + number}.{n + 1}", f"server-{n}-1-x")
        self.clients = [self._a_client(namespace, n) for namespace in NAMESPACES for n in range(CLIENTS)]

    def _a_client(self, namespace: str, number: int) -> Client:
        kind, name = KINDS[number % len(KINDS)], f"client-{number}"
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        spec: Object = {"selector": {"matchLabels": labels}, "template": template}
        if kind == "StatefulSet":
            spec["serviceName"] = name
        meta = {"namespace": namespace, "name": name}
        owner = self._api.create({"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec})
        return Client(namespace, name, kind, owner)

    def begin_pod(self, client: Client) -> None:
        """Start a pod of a client that has none, on the address that is free for longest, once there is one."""
        if not self._free or self._free[0][0] > time.monotonic():
            return
        _, client.ip = self._free.pop(0)
        self._pods += 1
        self.moves += self._last_of.get(client.ip, client) is not client
        self._last_of[client.ip] = client
        client.pod = f"{client.name}-{self._pods}"
        meta = {"namespace": client.namespace, "name": client.pod, "labels": {"app": client.name}}
        owner = owner_reference(client.kind, client.name, "apps/v1", client.owner["metadata"]["uid"])
        spec: Object = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**meta, "ownerReferences": [owner]}, "spec": spec}
        stored = self._api.create(pod)
        started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        status = {"phase": "Running", "startTime": started, "podIP": client.ip, "podIPs": [{"ip": client.ip}]}
        self._api.merge_status(stored, status)
        client.asks_from_s = max(client.asks_from_s, time.monotonic() + APART_S)

    def end_pod(self, client: Client) -> None:
        """Delete a client's pod; its address is free a little later."""
        meta = {"namespace": client.namespace, "name": client.pod}
        self._api.delete({"apiVersion": "v1", "kind": "Pod", "metadata": meta})
        self._free.append((time.monotonic() + APART_S, client.ip))
        client.pod = client.ip = ""

    def is_settled(self, client: Client) -> bool:
        """Whether everything it asked for is durable."""
        return self._delivery.is_durable(client.last_batch)

    def may_ask(self, client: Client) -> bool:
        """Whether it has a pod that is old enough."""
        return bool(client.pod) and time.monotonic() >= client.asks_from_s

    def ask(self, client: Client, targets: Sequence[Target] = ()) -> None:
        """Let it look something up that it never asked for, by chance, unless targets are given."""
        asked = list(targets) or [self._new_target(client)]
        now_ms = time.time_ns() // 1_000_000
        names = [self._qname(client, target) for target in asked]
        client.last_batch = self._delivery.send(*(a_look_up(client.ip, name, now_ms) for name in names))
        client.asked.update(asked)
        self.look_ups += len(asked)

    def _new_target(self, client: Client) -> Target:
        """Return a target the client has not asked for; any, where it has asked for all."""
        servers = [
            ("kubernetes", f"server-{n}" if namespace == client.namespace else f"server-{n}.{namespace}")
            for namespace in NAMESPACES
            for n in range(SERVERS)
        ]
        every = [*servers, *(("internet", f"d{n}.example.com") for n in range(DOMAINS))]
        return self._rng.choice([target for target in every if target not in client.asked] or every)

    def _qname(self, client: Client, target: Target) -> str:
        member, name = target
        if member == "internet":
            return name
        server, _, namespace = name.partition(".")
        return f"{server}.{namespace or client.namespace}.svc.{DOMAIN}"


def rendered(target: Target) -> Object:
    """Return a target as a spec has it."""
    member, name = target
    return {"internet": {"domains": [name]}} if member == "internet" else {member: {"name": name, "kind": "Deployment"}}


def read(target: Object) -> Target:
    """Return a target of a spec or status."""
    ((member, fields),) = target.items()
    return member, fields["domains"][0] if member == "internet" else fields["name"]
