"""Recorded objects in a bare API server: the state of a cluster without the controllers that made it.

What a bare API server does differently, and what is done about it:

- it gives every object a new uid and creation time: owner references are pointed at the owners' new uids;
- it drops a status on creation: each status goes through `/status` in a second request;
- it generates a Job's selector unless told otherwise: `manualSelector` keeps the recorded one, so pods still match;
- it makes a few objects itself (the first namespaces, the Service `kubernetes`): those that exist are left as they are.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from tests.support.api import Api, ApiError, Object
from tests.support.eventually import eventually

SHOP = Path(__file__).parents[1] / "data" / "shop"
CRD = Path(__file__).parents[2] / "crds" / "clientintents.yaml"

OWNERS_FIRST = (
    "Namespace",
    "Node",
    "CronJob",
    "Job",
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Service",
)
"""Kinds that must exist before others refer to them, in order; every other kind follows."""

SERVER_SIDE = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink")
ON_DELETION = ("deletionTimestamp", "deletionGracePeriodSeconds")

Event = Object
"""One row of a watch: `{"type": "ADDED" | "MODIFIED" | "DELETED", "object": {…}}`."""


@dataclass(slots=True)
class Loaded:
    """What of a recording is in the API server."""

    uids: dict[str, str] = field(default_factory=dict)
    """Recorded uid → the one the API server gave."""


def shop_objects() -> list[Object]:
    """Return the recorded shop's objects at the end of the recording."""
    items: list[Object] = json.loads((SHOP / "cluster.json").read_text())["items"]
    return items


def shop_pod_events() -> list[Event]:
    """Return the recorded shop's pod events, oldest first."""
    return [json.loads(line) for line in (SHOP / "pod-events.jsonl").read_text().splitlines()]


def load_cluster(api: Api, objects: Iterable[Object] | None = None, *, without: Sequence[str] = ("Pod",)) -> Loaded:
    """Create `objects` (the shop's by default) with their status, owners first, and return what became of them.

    Kinds in `without` are left out: pods come with their history from `replay_pod_events`.
    """
    wanted = [obj for obj in (shop_objects() if objects is None else objects) if obj["kind"] not in without]
    rank = {kind: place for place, kind in enumerate(OWNERS_FIRST)}
    loaded = Loaded()
    for obj in sorted(wanted, key=lambda each: rank.get(each["kind"], len(rank))):
        _create(api, obj, loaded)
    return loaded


def replay_pod_events(
    api: Api, events: Iterable[Event] | None = None, *, loaded: Loaded | None = None
) -> Iterator[Event]:
    """Make each event (the shop's by default) happen in the API server, and yield it once it has.

    Nothing happens unless the iterator is advanced: a test stops or looks around between any two events, and
    `for _ in replay_pod_events(api): pass` plays all. Pods are scheduled by a Binding, end without grace, and keep the
    times their status had. `loaded` is the result of `load_cluster`, for the owners' uids.
    """
    loaded = Loaded() if loaded is None else loaded
    scheduled: dict[str, bool] = {}
    for event in shop_pod_events() if events is None else events:
        pod = event["object"]
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        if event["type"] == "DELETED":
            api.delete(pod)
        elif uid not in scheduled:
            _create(api, pod, loaded)
            scheduled[uid] = bool(node)
        else:
            if node and not scheduled[uid]:
                _bind(api, pod, node)
                scheduled[uid] = True
            _set_status(api, pod)
        yield event


def load_shop(api: Api) -> None:
    """Make the CRD, the shop's cluster and its whole history."""
    install_crd(api)
    loaded = load_cluster(api)
    for _ in replay_pod_events(api, loaded=loaded):
        pass


def install_crd(api: Api, crd: Object | None = None) -> None:
    """Create or update the CRD of ClientIntents (ours by default) and wait until every version of it is served."""
    crd = yaml.safe_load(CRD.read_text()) if crd is None else crd
    api.apply(crd, manager="tests", force=True)
    versions = [f"{crd['spec']['group']}/{version['name']}" for version in crd["spec"]["versions"]]
    eventually(lambda: all(_serves_clientintents(api, version) for version in versions))


def _serves_clientintents(api: Api, api_version: str) -> bool:
    try:
        api.list(api_version, "ClientIntents")
    except (ApiError, LookupError):
        return False
    return True


def _create(api: Api, recorded: Object, loaded: Loaded) -> None:
    obj = _creatable(recorded, loaded)
    try:
        stored = api.create(obj)
    except ApiError as refused:
        try:  # whatever the reason (409, or 422 for the address of the Service `kubernetes`), one that exists stays
            stored = api.request("GET", api.path_of(obj))
        except ApiError:
            raise refused from None
    else:
        if recorded.get("status"):
            _set_status(api, recorded)
    if "uid" in recorded["metadata"]:
        loaded.uids[recorded["metadata"]["uid"]] = stored["metadata"]["uid"]


def _creatable(recorded: Object, loaded: Loaded) -> Object:
    """Return the object as a client may send it: without what the server owns, owned by objects that are there."""
    dropped = (*SERVER_SIDE, *ON_DELETION, "finalizers")
    meta = {key: value for key, value in recorded["metadata"].items() if key not in dropped}
    if owners := meta.get("ownerReferences"):
        meta["ownerReferences"] = [{**owner, "uid": loaded.uids.get(owner["uid"], owner["uid"])} for owner in owners]
    obj = {**recorded, "metadata": meta}
    obj.pop("status", None)
    if recorded["kind"] == "Job":
        obj["spec"] = {**recorded["spec"], "manualSelector": True}
    return obj


def _set_status(api: Api, recorded: Object) -> None:
    """Replace the stored object's status by the recorded one."""
    stored = api.request("GET", api.path_of(recorded))
    api.replace_status({**stored, "status": recorded.get("status", {})})


def _bind(api: Api, pod: Object, node: str) -> None:
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod["metadata"]["name"]},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }
    api.request("POST", api.path_of(pod, "binding"), binding)
