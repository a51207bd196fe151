"""Writing ClientIntents through a real API server."""

import pytest
from tests.support.api import Api, Object
from tests.support.controlplane import ControlPlane

from grapevine.intents import resource as names
from grapevine.kube.intents_list import list_intents
from grapevine.kube.intents_writer import ApiIntentsWriter
from grapevine.kube.session import Session
from grapevine.model.errors import PermanentInputError, RetryableError

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("clientintents_crd")]


def intents(namespace: str, *targets: str, uid: str = "") -> Object:
    meta: Object = {"namespace": namespace, "name": "cart", "labels": {names.ORIGIN_LABEL: names.ORIGIN_DISCOVERED}}
    if uid:
        meta["uid"] = uid
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": meta,
        "spec": {
            "workload": {"name": "cart", "kind": "Deployment"},
            "targets": [{"kubernetes": {"name": target, "kind": "Deployment"}} for target in targets],
        },
    }


def status(namespace: str, uid: str) -> Object:
    meta = {"namespace": namespace, "name": "cart", "uid": uid}
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": meta, "status": {"upToDate": True}}


async def test_creates_once_then_applies_by_uid(control_plane: ControlPlane, api: Api, namespace: str) -> None:
    async with await Session.open(str(control_plane.kubeconfig())) as session:
        writer = ApiIntentsWriter(session)
        created = await writer.create(intents(namespace, "payment"))
        with pytest.raises(RetryableError, match="is there already"):
            await writer.create(intents(namespace, "other"))
        applied = await writer.apply(intents(namespace, "ledger", uid=created.uid))
        await writer.apply_status(status(namespace, created.uid))

    stored = api.get(names.API_VERSION, names.KIND, namespace, "cart")
    assert created.uid == applied.uid == stored["metadata"]["uid"]
    assert applied.spec_digest != created.spec_digest
    assert stored["spec"]["targets"] == [{"kubernetes": {"kind": "Deployment", "name": "ledger"}}]
    assert stored["status"]["upToDate"] is True
    fields = {
        (entry["manager"], entry["operation"], entry.get("subresource", ""))
        for entry in stored["metadata"]["managedFields"]
    }
    assert fields == {("grapevine", "Apply", ""), ("grapevine", "Apply", "status")}


async def test_an_object_made_anew_is_not_written_to(control_plane: ControlPlane, api: Api, namespace: str) -> None:
    async with await Session.open(str(control_plane.kubeconfig())) as session:
        writer = ApiIntentsWriter(session)
        old = await writer.create(intents(namespace, "payment"))
        api.delete(intents(namespace))
        with pytest.raises(RetryableError):
            await writer.apply(intents(namespace, "ledger", uid=old.uid))
        with pytest.raises(RetryableError):
            await writer.apply_status(status(namespace, old.uid))
        api.create(intents(namespace, "payment"))
        with pytest.raises(RetryableError):
            await writer.apply(intents(namespace, "ledger", uid=old.uid))
        with pytest.raises(RetryableError):
            await writer.apply_status(status(namespace, old.uid))


async def test_what_the_schema_refuses_is_permanent(control_plane: ControlPlane, namespace: str) -> None:
    wrong = intents(namespace)
    wrong["spec"]["targets"] = [{}]

    async with await Session.open(str(control_plane.kubeconfig())) as session:
        with pytest.raises(PermanentInputError, match="422"):
            await ApiIntentsWriter(session).create(wrong)


async def test_what_rbac_refuses_is_permanent_and_names_the_rule(
    control_plane: ControlPlane, api: Api, namespace: str
) -> None:
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": "nobody"}})
    kubeconfig = control_plane.service_account_kubeconfig(namespace, "nobody")

    async with await Session.open(str(kubeconfig)) as session:
        with pytest.raises(PermanentInputError, match=r"resources: \[clientintents/status\], verbs: \[patch\]"):
            await ApiIntentsWriter(session).apply_status(status(namespace, "u"))


async def test_lists_all_pages(
    control_plane: ControlPlane, api: Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grapevine.kube.intents_list.PAGE_SIZE", 2)
    for number in range(5):
        api.create(intents(namespace) | {"metadata": {"namespace": namespace, "name": f"i{number}"}})

    async with await Session.open(str(control_plane.kubeconfig())) as session:
        found = await list_intents(session)

    assert [each["metadata"]["name"] for each in found if each["metadata"]["namespace"] == namespace] == [
        f"i{number}" for number in range(5)
    ]
