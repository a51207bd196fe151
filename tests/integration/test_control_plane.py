"""The test bed itself: what other integration tests take for granted."""

from itertools import islice

import pytest
from tests.support.api import Api, ApiError, Object
from tests.support.controlplane import ControlPlane
from tests.support.kubectl import Kubectl, KubectlError
from tests.support.objects import load_cluster, replay_pod_events, shop_objects, shop_pod_events

pytestmark = pytest.mark.integration


def _by_name(objects: list[Object]) -> dict[tuple[str, str, str], Object]:
    return {(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): obj for obj in objects}


def _kinds(objects: list[Object]) -> list[tuple[str, str]]:
    return sorted({(obj["apiVersion"], obj["kind"]) for obj in objects})


def test_shop_is_as_recorded(fresh_control_plane: ControlPlane) -> None:
    recorded = _by_name(shop_objects())
    with fresh_control_plane.api() as api:
        loaded = load_cluster(api)
        events = list(replay_pod_events(api, loaded=loaded))
        stored: dict[tuple[str, str, str], Object] = {}
        for api_version, kind in _kinds(shop_objects()):
            stored |= _by_name(
                [{"apiVersion": api_version, "kind": kind, **obj} for obj in api.list(api_version, kind)]
            )

    assert len(shop_pod_events()) == len(events)
    assert recorded.keys() <= stored.keys()
    assert {key for key in recorded if key[0] == "Pod"} == {key for key in stored if key[0] == "Pod"}
    for key, expected in recorded.items():
        status = expected.get("status", {})  # the server fills in a Node's empty nodeInfo
        assert status == {field: stored[key]["status"].get(field) for field in status}, key
    uids = {obj["metadata"]["uid"] for obj in stored.values()}
    owners = [owner for obj in stored.values() for owner in obj["metadata"].get("ownerReferences", [])]
    assert {owner["uid"] for owner in owners} <= uids, "every owner is there, by its new uid"


def test_replay_stops_where_the_test_stops(fresh_control_plane: ControlPlane) -> None:
    with fresh_control_plane.api() as api:
        load_cluster(api)
        played = list(islice(replay_pod_events(api), 3))

        pods = {pod["metadata"]["name"]: pod["spec"].get("nodeName") for pod in api.list("v1", "Pod")}
    assert [event["type"] for event in played] == ["ADDED", "ADDED", "MODIFIED"]
    assert pods == {"coredns-66c8cb6657-lfl4c": "node1", "web-5586d847f9-kc2wz": "node1"}


def test_api_server_comes_back_with_its_state(fresh_control_plane: ControlPlane) -> None:
    with fresh_control_plane.api() as api:
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}})
        fresh_control_plane.stop_apiserver()
        with pytest.raises(OSError, match="refused"):
            api.get("v1", "Namespace", "", "kept")

        fresh_control_plane.start_apiserver()

        assert api.get("v1", "Namespace", "", "kept")["metadata"]["name"] == "kept"


def test_service_account_may_do_nothing_until_bound(control_plane: ControlPlane, api: Api, namespace: str) -> None:
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader", "namespace": namespace}})
    kubeconfig = control_plane.service_account_kubeconfig(namespace, "reader")
    kubectl = Kubectl(control_plane.binaries.kubectl, kubeconfig, cache=control_plane.directory / "kubectl-cache")

    assert f"system:serviceaccount:{namespace}:reader" in kubectl.run("auth", "whoami")
    with pytest.raises(KubectlError, match="forbidden"):
        kubectl.run("get", "pods", "-n", namespace)


def test_refusal_carries_the_servers_words(api: Api, namespace: str) -> None:
    with pytest.raises(ApiError) as refused:
        api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "Bad_Name", "namespace": namespace}})

    assert refused.value.status == 422
    assert "Bad_Name" in refused.value.message
