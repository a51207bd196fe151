"""The run: everything at random for a while, by a seed, then calm, and the comparison with the truth."""

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.audit import Writes, audit_flags, read_writes
from tests.chaos.delivery import Delivery, delivering
from tests.chaos.people import GRACE_S, INTENTS, People, changed
from tests.chaos.world import Client, World, read, rendered
from tests.support.api import ApiError, Object
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.manifests import rights
from tests.support.objects import install_crd
from tests.support.processes import Operator

_API_RESTARTS = (0.1, 0.45)
"""Parts of the time after which the API server goes, or up to a quarter later."""
CALM_S = 300.0
"""Generous: what is left over at the end is written within seconds, after a back-off of a minute at most."""
_TICK_S = 0.1
_AGAIN_S = 3.0
"""Between two tries of a client that waits for its object to come back."""
_SUPERVISED_S = 1.0
"""Before an operator that ended by itself is started again."""
_BY_PEOPLE = 0.2
"""Share of turns that are a person's."""
_RESTS = 0.3
"""Share of look-ups after which a workload asks for nothing until they are durable."""
_MOVES = 0.7
"""Share of rests that end with another pod; the others end with the object deleted."""
_MAY_DELETE: tuple[Object, ...] = (
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "grapevine-operator-sync"},
        "rules": [{"apiGroups": ["k8s.otterize.com"], "resources": ["clientintents"], "verbs": ["delete"]}],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "grapevine-operator-sync"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "grapevine-operator-sync"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "grapevine-system", "name": "grapevine-operator"}],
    },
)
"""What docs/reference/operator.md grants for the write policy `sync`."""


@dataclass(frozen=True)
class Outcome:
    """What happened, and what was wrong at the end."""

    seconds: float
    kills: int
    api_restarts: int
    ended_itself: int
    """Ends of the operator that nobody asked for, and starts in vain while the API server was away."""
    look_ups: int
    edges: int
    moves: int
    deeds: dict[str, int]
    writes: Writes
    settled_s: float
    """From the end of the chaos to the truth."""
    wrong: list[str]
    """Differences from the truth, and objects that are not as their owners left them."""

    def faults(self) -> list[str]:
        """Return everything that must not be."""
        return [*self.wrong, *self.writes.violations]


class Chaos:
    """One cluster, its people, its operator, and what befalls them."""

    def __init__(self, plane: ControlPlane, operator: Operator, delivery: Delivery, seed: int) -> None:
        self._plane = plane
        self._operator = operator
        self._rng = random.Random(seed)
        self._api = plane.api()
        self.world = World(self._api, delivery, self._rng)
        self.people = People(self._api, self.world, self._rng)
        self._delivery = delivery
        self._again_s: dict[tuple[str, str, str], float] = {}
        self.kills = self.ended_itself = self.api_restarts = 0

    def close(self) -> None:
        """Close the connection."""
        self._api.close()

    def rage(self, seconds: float, kill_every_s: float) -> None:
        """Do everything at random for that long, not counting the time the API server takes to start."""
        ends_s = time.monotonic() + seconds
        restarts = [seconds * (part + 0.25 * self._rng.random()) for part in _API_RESTARTS]
        next_kill_s = time.monotonic() + kill_every_s
        while (left_s := ends_s - time.monotonic()) > 0:
            self._supervise()
            if restarts and seconds - left_s >= restarts[0]:
                restarts.pop(0)
                ends_s += self._restart_api_server()
            elif time.monotonic() >= next_kill_s:
                next_kill_s = time.monotonic() + kill_every_s * (0.75 + 0.5 * self._rng.random())
                self._kill()
            else:
                self._live()
            time.sleep(_TICK_S)

    def calm_down(self) -> float:
        """Wait until the cluster says the truth, or time is up; return how long that took."""
        began_s = time.monotonic()

        def is_true() -> bool:
            self._supervise()
            self._ask_again()
            return not self._delivery.sender.left() and not self.wrong()

        with suppress(AssertionError):  # what is wrong is told by `wrong`
            eventually(is_true, timeout_s=CALM_S, every_s=0.5)
        return time.monotonic() - began_s

    def wrong(self) -> list[str]:
        """Return what is not as it must be."""
        found = {
            (o["metadata"]["namespace"], o["metadata"]["name"]): o for o in self._api.list(INTENTS, "ClientIntents")
        }
        wrong = list(self.people.complaints)
        for each in self.people.bystanders:
            name = each["metadata"]["name"]
            if each["kind"] != "ClientIntents":
                wrong += [] if each == self._again(each) else [f"bystander {name} changed"]
                continue
            kept = found.pop((each["metadata"]["namespace"], name), None)
            difference = "gone" if kept is None else changed(each, kept)
            wrong += [] if difference is None else [f"bystander {name}: {difference}"]
        for client in self.world.clients:
            wrong += self._wrong_of(client, found)
        return wrong + [f"{namespace}/{name}: nobody's" for namespace, name in found]

    def _again(self, each: Object) -> Object:
        meta = each["metadata"]
        return self._api.get(each["apiVersion"], each["kind"], meta["namespace"], meta["name"])

    def _wrong_of(self, client: Client, found: dict[tuple[str, str], Object]) -> Iterator[str]:
        workload = {"name": client.name, "kind": client.kind}
        about = [key for key, o in found.items() if key[0] == client.namespace and o["spec"]["workload"] == workload]
        objects = [found.pop(key) for key in about]
        if client.declared is not None:
            if len(objects) != 1:
                yield f"{client.key}: {len(objects)} objects, not its owner's alone"
            elif (difference := changed(client.declared, objects[0])) is not None:
                yield difference
            else:
                observed = objects[0].get("status", {}).get("observed", ())
                yield from self._compare(client, {read(each["target"]) for each in observed})
        elif client.asked and len(objects) != 1:
            yield f"{client.key}: {len(objects)} objects instead of a discovered one"
        elif client.asked:
            yield from self._compare(client, {read(target) for target in objects[0]["spec"]["targets"]})
            if [rendered(read(t)) for t in objects[0]["spec"]["targets"]] != objects[0]["spec"]["targets"]:
                yield f"{client.key}: {objects[0]['spec']['targets']}"
        elif objects:
            yield f"{client.key}: {len(objects)} objects of one that asked for nothing"

    def _compare(self, client: Client, told: set[tuple[str, str]]) -> Iterator[str]:
        if told != client.asked:
            yield f"{client.key}: lacks {sorted(client.asked - told)}, has too much {sorted(told - client.asked)}"

    def _live(self) -> None:
        """Let a workload or a person do something."""
        self._ask_again()
        if self._rng.random() < _BY_PEOPLE:
            self.people.act()
            return
        resting = [client for client in self.world.clients if client.is_resting and self.world.is_settled(client)]
        client = self._rng.choice(resting or self.world.clients)
        if not client.pod:
            self.world.begin_pod(client)
        elif client.is_returning:
            return
        elif resting:
            self._end_something(client)
        elif client.is_resting:
            return
        elif self.world.may_ask(client):
            self.world.ask(client)
            client.is_resting = self._rng.random() < _RESTS

    def _end_something(self, client: Client) -> None:
        """End a client's pod, or have a person delete its object: all that it asked for is durable."""
        client.is_resting = False
        if self._rng.random() < _MOVES:
            self.world.end_pod(client)
        else:
            self.people.delete(client)

    def _ask_again(self) -> None:
        """Let clients whose object was deleted repeat themselves until it is back with all they asked for since."""
        now_s = time.monotonic()
        for client in self.world.clients:
            if not (client.is_returning and client.asked and self.world.may_ask(client)):
                continue
            if now_s < self._again_s.get(client.key, 0.0):
                continue
            self._again_s[client.key] = now_s + _AGAIN_S
            found = self.people.discovered(client)
            if found is not None and {read(target) for target in found["spec"]["targets"]} >= client.asked:
                client.is_returning = False
            else:
                self.world.ask(client, sorted(client.asked))

    def _kill(self) -> None:
        self._operator.kill()
        self._operator.start(wait=False)
        self.kills += 1

    def _supervise(self) -> None:
        """Start the operator again where it ended by itself, as kubelet does."""
        if self._operator.has_ended():
            self.ended_itself += 1
            time.sleep(_SUPERVISED_S)
            self._operator.start(wait=False)

    def _restart_api_server(self) -> float:
        """Take the API server away for a while, look-ups going on, and return how long it then took to start.

        The operator may be killed meanwhile.
        """
        self._plane.stop_apiserver()
        back_s = time.monotonic() + 1 + 4 * self._rng.random()
        if self._rng.random() < 0.5:
            self._kill()
        while time.monotonic() < back_s:
            client = self._rng.choice(self.world.clients)
            if self.world.may_ask(client):
                self.world.ask(client)
            time.sleep(_TICK_S)
        began_s = time.monotonic()
        self._plane.start_apiserver()
        eventually(self._serves_intents, timeout_s=60)
        self.api_restarts += 1
        return time.monotonic() - began_s

    def _serves_intents(self) -> bool:
        try:
            self._api.list(INTENTS, "ClientIntents")
        except ApiError:
            return False
        return True


def run_chaos(binaries: Binaries, directory: Path, *, seconds: float, kill_every_s: float, seed: int) -> Outcome:
    """Make a cluster in a directory, let chaos rage, and return what came of it.

    Raises:
        ControlPlaneError: an API server cannot be started.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with ControlPlane(directory / "plane", binaries, apiserver_flags=audit_flags(directory)) as plane:
        with plane.api() as api:
            install_crd(api)
            for document in (*rights(), *_MAY_DELETE):
                api.apply(document, manager="tests")
        kubeconfig = plane.service_account_kubeconfig("grapevine-system", "grapevine-operator")
        settings = {"park_ms": "500", "write_policy": "sync", "recreate_after_s": str(GRACE_S)}
        operator = Operator(kubeconfig, directory / "operator.log", **settings)
        with operator, delivering(operator.url) as delivery:
            chaos = Chaos(plane, operator, delivery, seed)
            try:
                chaos.rage(seconds, kill_every_s)
                settled_s = chaos.calm_down()
                wrong = chaos.wrong()
            finally:
                chaos.close()
        return Outcome(
            seconds=seconds,
            kills=chaos.kills,
            api_restarts=chaos.api_restarts,
            ended_itself=chaos.ended_itself,
            look_ups=chaos.world.look_ups,
            edges=sum(len(client.asked) for client in chaos.world.clients),
            moves=chaos.world.moves,
            deeds=dict(chaos.people.done),
            writes=read_writes(directory),
            settled_s=settled_s,
            wrong=[*wrong, *(["batches are left that are not durable"] if delivery.sender.left() else [])],
        )
