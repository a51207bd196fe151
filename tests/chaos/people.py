"""People and their tools, who write ClientIntents beside the operator, and what must be as they left it at the end."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable

from tests.chaos.world import Client, World, rendered
from tests.support.api import MERGE, Api, ApiError, Object

INTENTS = "k8s.otterize.com/v2beta1"
GITOPS = "argocd-controller"
GRACE_S = 1
"""For which a deleted object stays away, of the operator's settings."""
_AFTER_DELETION_S = GRACE_S + 3.0
_ORIGIN = "grapevine.dev/origin"


class People:
    """Does things to objects, by chance."""

    def __init__(self, api: Api, world: World, rng: random.Random) -> None:
        self._api = api
        self._world = world
        self._rng = rng
        self.done: Counter[str] = Counter()
        self.complaints: list[str] = []
        """What a tool found changed that it had applied."""
        self.bystanders = [api.create(each) for each in _bystanders()]
        """Objects nobody touches, not even people."""

    def act(self) -> None:
        """Do one thing to one client's object, if it can be done now."""
        client = self._rng.choice(self._world.clients)
        chance = self._rng.random()
        if client.is_returning:
            return
        if client.declared is not None:
            self._do(self._give_back if chance < 0.2 else self._apply_again, client, client.declared)
        elif chance < 0.1:
            self._do(self._declare, client, {})
        elif chance < 0.3 and (found := self.discovered(client)) is not None:
            self._do(self._edit if chance < 0.2 else self._promote, client, found)

    def delete(self, client: Client) -> None:
        """Delete the discovered object of a client of which everything is written: what comes later is new."""
        if client.declared is None and (found := self.discovered(client)) is not None:
            self._do(self._delete, client, found)

    def _do(self, deed: Callable[[Client, Object], bool], client: Client, found: Object) -> None:
        self.done[deed.__name__.strip("_").replace("_", " ")] += deed(client, found)

    def discovered(self, client: Client) -> Object | None:
        """Return the discovered object of a client's own name, None where there is none."""
        try:
            found = self._api.get(INTENTS, "ClientIntents", client.namespace, client.name)
        except ApiError as error:
            if error.status != 404:
                raise
            return None
        return found if found["metadata"].get("labels", {}).get(_ORIGIN) == "discovered" else None

    def _edit(self, client: Client, found: Object) -> bool:
        targets = [*found["spec"]["targets"], {"kafka": {"name": "broker.queues"}}]
        return self._take_over(client, found, {"spec": {"targets": targets}})

    def _promote(self, client: Client, found: Object) -> bool:
        return self._take_over(client, found, {"metadata": {"labels": {_ORIGIN: None}}})

    def _take_over(self, client: Client, found: Object, change: Object) -> bool:
        """Change an object as `kubectl edit` does: for the version that was seen."""
        version = {"resourceVersion": found["metadata"]["resourceVersion"]}
        change = {**change, "metadata": {**change.get("metadata", {}), **version}}
        try:
            client.declared = self._api.request("PATCH", self._api.path_of(found), change, content_type=MERGE)
        except ApiError as error:
            if error.status in (404, 409):
                return False
            raise
        return True

    def _delete(self, client: Client, found: Object) -> bool:
        self._api.delete(found)
        client.asked.clear()
        self._await(client)
        return True

    def _declare(self, client: Client, _: Object) -> bool:
        """Apply a manifest about the client, as a GitOps tool does."""
        meta = {"namespace": client.namespace, "name": f"{client.name}-declared"}
        spec = {"workload": {"name": client.name, "kind": client.kind}, "targets": [{"service": {"name": "theirs"}}]}
        manifest = {"apiVersion": INTENTS, "kind": "ClientIntents", "metadata": meta, "spec": spec}
        client.declared = self._api.apply(manifest, manager=GITOPS, force=True)
        return True

    def _give_back(self, client: Client, declared: Object) -> bool:
        """Delete a person's object, so that the client is Grapevine's to discover again."""
        if not self._world.is_settled(client):
            return False
        self._api.delete(declared)
        client.declared = None
        self._await(client)
        return True

    def _await(self, client: Client) -> None:
        """Leave the client alone until its object is back."""
        client.is_returning, client.is_resting = True, False
        client.asks_from_s = max(client.asks_from_s, time.monotonic() + _AFTER_DELETION_S)

    def _apply_again(self, _: Client, before: Object) -> bool:
        """Apply what is there, and see whether that changes anything."""
        owned = {key: before["metadata"][key] for key in ("namespace", "name")}
        manifest = {"apiVersion": INTENTS, "kind": "ClientIntents", "metadata": owned, "spec": before["spec"]}
        after = self._api.apply(manifest, manager=GITOPS, force=True)
        if (difference := changed(before, after)) is not None:
            self.complaints.append(difference)
        return True


def changed(before: Object, now: Object) -> str | None:
    """Return what of a person's object is not as it was; its status is the operator's, and is none of it."""
    kept = ("uid", "generation", "labels", "annotations", "finalizers", "ownerReferences")
    old = {key: before["metadata"].get(key) for key in kept} | {"spec": before["spec"]}
    new = {key: now["metadata"].get(key) for key in kept} | {"spec": now["spec"]}
    if old == new:
        return None
    return f"{before['metadata']['namespace']}/{before['metadata']['name']}: {json.dumps(old)} became {json.dumps(new)}"


def _bystanders() -> list[Object]:
    """Return objects that look as if they were Grapevine's, or stand in its way, and are not its."""

    def intents(name: str, workload: str, **metadata: object) -> Object:
        meta = {"namespace": "chaos-a", "name": name, **metadata}
        spec = {"workload": {"name": workload}, "targets": [rendered(("internet", "theirs.example.com"))]}
        return {"apiVersion": INTENTS, "kind": "ClientIntents", "metadata": meta, "spec": spec}

    return [
        intents("theirs", "nobody", annotations={"note": "theirs"}),
        intents("looks-discovered", "nobody-either", labels={_ORIGIN: "discovered"}),
        intents("client-1", "of-another-name", finalizers=["example.com/theirs"]),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "chaos-a", "name": "client-0"}, "data": {}},
    ]
