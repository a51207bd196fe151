"""The whole path on real parts: capture and operator as processes, a real API server, kubectl at the end."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.api import Api, Object
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.objects import SHOP, install_crd, load_cluster, load_shop, replay_pod_events
from tests.support.processes import Operator, run_grapevine, send_capture, start_capture
from tests.support.truth import intents_of, shop_truth
from tests.support.worker import OBSERVED, worker_capture

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

PCAP = SHOP / "capture.pcap"
GROUP_VERSION = "k8s.otterize.com/v2beta1"
KILLS = 50


@pytest.fixture(scope="module")
def shop(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with the CRD and the shop as it was at the end, its history replayed; shared by this module."""
    with ControlPlane(tmp_path_factory.mktemp("shop"), control_plane_binaries) as plane:
        with plane.api() as api:
            load_shop(api)
        yield plane


@pytest.fixture
def api(shop: ControlPlane) -> Iterator[Api]:
    """The shop's API server, with no ClientIntents."""
    with shop.api() as connection:
        for resource in connection.list(GROUP_VERSION, "ClientIntents"):
            connection.delete(resource)
        yield connection


@pytest.fixture
def operator(shop: ControlPlane, api: Api, tmp_path: Path) -> Iterator[Operator]:
    """A running operator that waits half a second, not five, for pods that were gone before it came."""
    with Operator(shop.kubeconfig(), tmp_path / "operator.log", park_ms="500") as process:
        yield process


def send(operator: Operator, pcap: Path = PCAP) -> str:
    """Send a capture, the shop's, until all of it is durable; return what capture printed."""
    return send_capture(pcap, operator.url)


def objects(api: Api) -> list[Object]:
    return api.list(GROUP_VERSION, "ClientIntents")


def test_maps_the_shop_while_its_pods_come_and_go(fresh_control_plane: ControlPlane, tmp_path: Path) -> None:
    with fresh_control_plane.api() as api:
        install_crd(api)
        loaded = load_cluster(api)
        with Operator(fresh_control_plane.kubeconfig(), tmp_path / "operator.log") as operator:
            for _ in replay_pod_events(api, loaded=loaded):
                pass
            send(operator)

            assert shop_truth() == intents_of(objects(api))


def test_fills_the_columns_of_kubectl(shop: ControlPlane, operator: Operator) -> None:
    send(operator)

    rows = eventually(lambda: _rows_with_status(shop), timeout_s=30)

    assert len(shop_truth()) == len(rows)
    assert ["NAMESPACE", "NAME", "WORKLOAD", "KIND", "TARGETS", "UNDECLARED", "MODE", "READY", "LAST-SEEN", "AGE"] == [
        *rows[0]
    ]
    web = next(row for row in rows if row["NAME"] == "web")
    assert ("storefront", "web", "Deployment", "3", "0", "Observe", "True") == tuple(
        web[c] for c in ("NAMESPACE", "WORKLOAD", "KIND", "TARGETS", "UNDECLARED", "MODE", "READY")
    )
    assert all(row["LAST-SEEN"] and row["AGE"] for row in rows)


def _rows_with_status(shop: ControlPlane) -> list[dict[str, str]]:
    rows = shop.kubectl().table("clientintents", "-A")
    assert rows
    assert all(row["READY"] for row in rows)
    return rows


def test_reports_the_dead_dependency_and_the_host_network_client_not_as_edges(api: Api, operator: Operator) -> None:
    send(operator)

    web = next(o for o in objects(api) if o["metadata"]["name"] == "web")
    dead = [item for item in web["status"]["observed"] if item["state"] == "dead"]
    assert ["reccomendations"] == [name for item in dead for name in item["names"]]
    assert 1 == web["status"]["summary"]["dead"]
    resolved = next(c for c in web["status"]["conditions"] if c["type"] == "Resolved")
    assert ("False", "DeadDependency") == (resolved["status"], resolved["reason"])
    unresolved = operator.metrics()
    assert unresolved['grapevine_lookups_unresolved_total{reason="host-network"}'] > 0
    assert "hostnet" not in {o["metadata"]["name"] for o in objects(api)}


def test_the_same_capture_again_changes_no_spec_no_object_and_no_count(api: Api, operator: Operator) -> None:
    send(operator)
    before = _stable(objects(api))

    send(operator)

    assert before == _stable(objects(api))


def test_a13_a_restart_restores_the_map_and_empties_no_object(api: Api, operator: Operator) -> None:
    send(operator)
    assert 0 == operator.stop()
    before = _stable(objects(api))

    operator.start()
    explained = run_grapevine("explain", "storefront/web", "orders/cart", f"--operator={operator.api_url}")
    assert before == _stable(objects(api))
    assert explained.stdout.startswith("storefront/web (Deployment) → orders/cart (Deployment)")
    restored = operator.metrics()
    assert restored["grapevine_clients"] == len(shop_truth())
    assert restored['grapevine_lookups_booked{as="edge"}'] > 0

    send(operator)
    assert 0 == operator.stop()

    assert before == _stable(objects(api))
    operator.start()


def _stable(resources: list[Object]) -> dict[str, object]:
    return {
        f"{o['metadata']['namespace']}/{o['metadata']['name']}": (
            o["metadata"]["uid"],
            o["metadata"]["generation"],
            [(item.get("target"), item["count"]) for item in o["status"]["observed"]],
        )
        for o in resources
    }


def test_connections_are_evidence_that_a_restart_keeps(api: Api, operator: Operator, tmp_path: Path) -> None:
    pcap = tmp_path / "worker.pcap"
    pcap.write_bytes(worker_capture())
    send(operator, pcap)
    (first,) = objects(api)
    unresolved = operator.metrics()
    assert 0 == operator.stop()
    operator.start()
    send(operator, pcap)
    (second,) = objects(api)

    assert OBSERVED == _evidence(first) == _evidence(second)
    assert first["metadata"]["generation"] == second["metadata"]["generation"]
    assert [target for target, *_ in OBSERVED] == first["spec"]["targets"]
    assert 1 == unresolved['grapevine_lookups_unresolved_total{reason="untrusted-resolver"}']
    assert 1 == unresolved['grapevine_connections_unresolved_total{reason="connection-without-lookup"}']
    assert 1 == unresolved['grapevine_connections_unresolved_total{reason="host-network"}']
    assert 1 == unresolved["grapevine_cluster_dns_services"]


def _evidence(resource: Object) -> list[tuple[object, ...]]:
    told = ("target", "evidence", "confidence", "ports", "protocols")
    return [tuple(item[field] for field in told) for item in resource["status"]["observed"]]


def test_never_touches_the_spec_of_a_persons_object(api: Api, operator: Operator) -> None:
    api.create(
        {
            "apiVersion": GROUP_VERSION,
            "kind": "ClientIntents",
            "metadata": {"name": "web-calls", "namespace": "storefront"},
            "spec": {
                "workload": {"name": "web"},
                "targets": [{"service": {"name": "catalog"}}, {"kubernetes": {"name": "never-called"}}],
            },
        }
    )
    written = next(o for o in objects(api))

    send(operator)

    about_web = [o for o in objects(api) if o["spec"]["workload"]["name"] == "web"]
    assert ["web-calls"] == [o["metadata"]["name"] for o in about_web]
    assert (written["spec"], 1) == (about_web[0]["spec"], about_web[0]["metadata"]["generation"])
    summary = about_web[0]["status"]["summary"]
    assert (2, 1) == (summary["undeclared"], summary["unused"])  # cart.orders and cdn.example.net; never-called
    declared = {str(i["target"]): i["declared"] for i in about_web[0]["status"]["observed"] if "target" in i}
    assert {True, False} == set(declared.values())
    assert "finalizers" not in about_web[0]["metadata"]
    assert not about_web[0]["metadata"].get("annotations")


def test_killed_at_any_moment_of_the_replay_ends_in_the_same_edges(api: Api, operator: Operator) -> None:
    started = time.monotonic()
    send(operator)
    replay_s = time.monotonic() - started
    moments = random.Random(3)
    truth = shop_truth()

    for round_ in range(KILLS):
        for resource in objects(api):
            api.delete(resource)
        operator.kill()
        operator.start()
        capture = start_capture(PCAP, operator.url)
        time.sleep(moments.uniform(0, replay_s))  # the moment is the test's subject, not a way to wait
        operator.kill()
        operator.start(wait=False)

        output, _ = capture.communicate(timeout=180)

        assert capture.returncode == 0, output
        assert truth == intents_of(objects(api)), f"after kill {round_}"


def test_an_api_server_that_is_not_there_ends_in_one_line(shop: ControlPlane, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "nowhere.kubeconfig"
    kubeconfig.write_text(shop.kubeconfig().read_text().replace(shop.server, "https://127.0.0.1:1"))

    done = run_grapevine("operator", "--kubeconfig", kubeconfig)

    assert 2 == done.returncode
    assert 1 == len(done.stderr.strip().splitlines()), done.stderr
    assert "https://127.0.0.1:1" in done.stderr
    assert str(kubeconfig) in done.stderr


def test_a_missing_crd_ends_in_one_line_that_says_what_to_apply(fresh_control_plane: ControlPlane) -> None:
    done = run_grapevine("operator", "--kubeconfig", fresh_control_plane.kubeconfig())

    assert 2 == done.returncode
    assert 1 == len(done.stderr.strip().splitlines()), done.stderr
    assert "kubectl apply -f crds/clientintents.yaml" in done.stderr
