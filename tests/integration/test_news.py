"""What is new, as a person hears it: of an operator and a real API server fed with the shop."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.api import Api
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.kubectl import Kubectl
from tests.support.objects import SHOP, load_shop
from tests.support.processes import GRAPEVINE, Operator, run_grapevine, send_capture
from tests.support.webhooks import SECRET, Receiver

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

INTENTS = "k8s.otterize.com/v2beta1"


@pytest.fixture(scope="module")
def plane(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with the shop's history."""
    with ControlPlane(tmp_path_factory.mktemp("news"), control_plane_binaries) as plane:
        with plane.api() as api:
            load_shop(api)
        yield plane


@pytest.fixture
def api(plane: ControlPlane) -> Iterator[Api]:
    """The API server without ClientIntents."""
    with plane.api() as connection:
        for resource in connection.list(INTENTS, "ClientIntents"):
            connection.delete(resource)
        yield connection


def map_the_shop(operator: Operator) -> None:
    """Have the operator take in all of the shop's capture."""
    send_capture(SHOP / "capture.pcap", operator.url)


def named(item: dict[str, Any]) -> tuple[str, str]:
    """Return client and target of an item as a spec names them."""
    client, target = item["client"], item["target"]
    here = target["namespace"] in ("", client["namespace"])
    return f"{client['namespace']}/{client['name']}", target[
        "name"
    ] if here else f"{target['name']}.{target['namespace']}"


def specified(api: Api, namespace: str) -> set[tuple[str, str]]:
    """Return clients of a namespace with the targets that their objects name."""
    found = set()
    for resource in api.list(INTENTS, "ClientIntents", namespace):
        for target in resource["spec"]["targets"]:
            ((_, fields),) = target.items()
            name = fields["domains"][0] if "domains" in fields else fields["name"]
            found.add((f"{namespace}/{resource['spec']['workload']['name']}", name))
    return found


def events_of(api: Api, namespace: str, name: str) -> list[tuple[str, str, str]]:
    """Return type, reason and note of the Events of an object that is there now, sorted."""
    uid = api.get(INTENTS, "ClientIntents", namespace, name)["metadata"]["uid"]
    events = api.list("events.k8s.io/v1", "Event", namespace)
    return sorted((e["type"], e["reason"], e["note"]) for e in events if e["regarding"].get("uid") == uid)


def test_a_watcher_a_webhook_and_events_tell_each_new_edge_once_also_over_a_restart(
    plane: ControlPlane, api: Api, tmp_path: Path
) -> None:
    heard, secret = tmp_path / "heard.jsonl", tmp_path / "secret"
    secret.write_text(SECRET)
    settings = {"park_ms": "500", "learn_s": "0", "webhook_secret_file": str(secret)}
    with (
        Receiver(503).serving() as receiver,
        Operator(plane.kubeconfig(), tmp_path / "operator.log", webhook_url=receiver.url, **settings) as operator,
    ):
        command = [*GRAPEVINE, "watch", "-n", "orders", "-o", "json", f"--operator={operator.api_url}"]
        with heard.open("w") as out, subprocess.Popen(command, stdout=out) as watcher:
            try:
                eventually(lambda: operator.metrics()["grapevine_news_waiting"] == 1, timeout_s=30)
                map_the_shop(operator)
                expected = specified(api, "orders")
                assert expected

                def has_heard_all() -> None:
                    items = [json.loads(line) for line in heard.read_text().splitlines()]
                    assert sorted(expected) == sorted(named(item) for item in items)

                eventually(has_heard_all, timeout_s=30)
                eventually(lambda: operator.metrics()["grapevine_events_waiting"] == 0, timeout_s=60)
                eventually(lambda: operator.metrics()["grapevine_webhook_waiting"] == 0, timeout_s=60)
                operator.kill()
                operator.start()
                eventually(lambda: operator.metrics()["grapevine_news_waiting"] == 1, timeout_s=60)
                map_the_shop(operator)
                counts = operator.metrics()
                has_heard_all()
                told = events_of(api, "orders", "checkout")
            finally:
                watcher.kill()

        assert {v for k, v in counts.items() if k.startswith("grapevine_new_edges_total")} == {0}
        done = run_grapevine("watch", "--once", f"--operator={operator.api_url}")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    sent = [body["data"] for body in receiver.taken]
    assert sorted(expected) == sorted(named(item) for item in sent if item["client"]["namespace"] == "orders")
    assert [item["seq"] for item in sent] == list(range(1, len(sent) + 1))
    new = [note for kind, reason, note in told if (kind, reason) == ("Normal", "NewEdge")]
    assert len(new) == len([client for client, _ in expected if client == "orders/checkout"])
    assert [note for note in new if "reaches orders/Deployment/cart" in note]


def test_events_are_what_kubectl_describe_shows(
    plane: ControlPlane, api: Api, control_plane_binaries: Binaries, tmp_path: Path
) -> None:
    targets = [{"kubernetes": {"name": "reccomendations"}}]
    spec = {"workload": {"name": "web", "kind": "Deployment"}, "targets": targets}
    metadata = {"namespace": "storefront", "name": "web"}
    api.create({"apiVersion": INTENTS, "kind": "ClientIntents", "metadata": metadata, "spec": spec})
    with Operator(plane.kubeconfig(), tmp_path / "operator.log", park_ms="500") as operator:
        map_the_shop(operator)
        reasons = ["EnforcementGloballyDisabled", "TargetsDiffer", "KubernetesServiceNotFound"]
        eventually(lambda: reasons == [reason for _, reason, _ in events_of(api, "storefront", "web")], timeout_s=30)

    kubectl = Kubectl(control_plane_binaries.kubectl, plane.kubeconfig(), cache=tmp_path)
    shown = kubectl.run("describe", "clientintents", "-n", "storefront", "web").rpartition("Events:")[2]
    for reason in reasons:
        assert reason in shown
    assert "the spec names what never resolved: reccomendations" in shown
