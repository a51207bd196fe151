"""`grapevine explain` and `doctor` as a person runs them, of an operator and an API server fed with the shop."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.controlplane import ControlPlane
from tests.support.objects import SHOP
from tests.support.processes import Operator, run_grapevine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture
def operator(heard_shop: Operator) -> Operator:
    return heard_shop


def explain(operator: Operator, client: str, target: str) -> tuple[int, dict[str, Any]]:
    done = run_grapevine("explain", client, target, f"--operator={operator.api_url}", "-o", "json")
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize(
    ("client", "target", "found"),
    [
        ("orders/checkout", "cart", ("workload", "orders", "Deployment", "cart")),
        ("orders/checkout", "payment.payments", ("service", "payments", "", "payment")),
        ("orders/checkout", "www.example.org", ("internet", "", "", "www.example.org")),
        ("tools/api-user", "default/kubernetes", ("service", "default", "", "kubernetes")),
        ("storefront/web", "storefront/DaemonSet/catalog", ("workload", "storefront", "DaemonSet", "catalog")),
    ],
)
def test_an_edge_to_every_kind_of_target_says_what_it_stands_on(
    operator: Operator, client: str, target: str, found: tuple[str, ...]
) -> None:
    code, answer = explain(operator, client, target)

    assert (code, answer["verdict"]) == (0, "edge")
    (edge,) = answer["edges"]
    assert tuple(edge["target"].values()) == found
    assert edge["confidence"] == 75
    for name in edge["names"]:
        assert name["lookups"]["count"] > 0
        assert name["pods"]
        assert all(pod.startswith(client.partition("/")[2]) for pod in name["pods"])
        assert name["resolvers"]
        assert name["answers"]
        assert name["sources"] == ["pcap"]


def test_a_service_with_two_owners_names_both(operator: Operator) -> None:
    _, answer = explain(operator, "orders/checkout", "payments/payment")

    owners = [owner["workload"]["name"] for owner in answer["edges"][0]["owners"]]
    assert owners == ["payment", "payment-canary"]


@pytest.mark.parametrize(
    ("client", "target", "verdict"),
    [
        ("storefront/web", "reccomendations", "dead"),
        ("storefront/web", "payments/payment", "not-seen"),
        ("storefront/nobody", "payments/payment", "client-unknown"),
        ("orders/redis", "cart", "client-quiet"),
    ],
)
def test_what_is_no_edge_says_what_is_known(operator: Operator, client: str, target: str, verdict: str) -> None:
    code, answer = explain(operator, client, target)

    assert (code, answer["verdict"]) == (1, verdict)


def test_noise_of_the_client_is_counted(operator: Operator) -> None:
    _, answer = explain(operator, "orders/checkout", "cart")

    counts = {noise["reason"]: noise["count"] for noise in answer["noise"]}
    assert counts["search-list"] > 0
    assert counts["nodata-twin"] > 0


def test_a_file_explains_the_same_edge_in_the_same_words(operator: Operator, tmp_path: Path) -> None:
    live = run_grapevine("explain", "orders/checkout", "payments/payment", f"--operator={operator.api_url}")
    files = (f"--pcap={SHOP / 'capture.pcap'}", f"--cluster={SHOP / 'cluster.json'}")
    events = f"--pod-events={SHOP / 'pod-events.jsonl'}"
    question = ("--explain", "orders/checkout", "payments/payment")
    done = run_grapevine("run", *files, events, f"--out={tmp_path}", *question)

    assert live.returncode == 0
    assert live.stdout in done.stdout


def test_the_doctor_says_what_is_known_of_a_cluster_without_nodes_or_a_live_capture(operator: Operator) -> None:
    done = run_grapevine("doctor", f"--operator={operator.api_url}", "-o", "json")
    levels = {finding["check"]: finding["level"] for finding in json.loads(done.stdout)["findings"]}
    samples = operator.metrics()

    assert levels["ObjectsUnread"] == "ok"
    assert levels["ClientIPMasked"] == "ok"
    assert levels["ResolverUnknown"] == "ok"
    for code, level in levels.items():
        assert samples[f'grapevine_findings{{code="{code}"}}'] == float(level in ("warning", "blocker"))


def test_the_doctor_calls_an_operator_that_hears_nothing_blocked(
    control_plane: ControlPlane, clientintents_crd: object, tmp_path: Path
) -> None:
    del clientintents_crd
    with Operator(control_plane.kubeconfig(), tmp_path / "operator.log") as deaf:
        done = run_grapevine("doctor", f"--operator={deaf.api_url}")

    assert done.returncode == 1
    assert "blocker  SourceSilent     no capture process is heard" in done.stdout


def test_the_map_of_the_operator_is_the_shop(operator: Operator) -> None:
    def asked(path: str) -> Any:
        with urllib.request.urlopen(f"{operator.api_url}/api/v1/{path}", timeout=30) as answer:
            return answer.read()

    graph = json.loads(asked("graph"))
    assert (21, 14, 5) == (
        graph["calls"],
        sum(node["kind"] not in ("Service", "Domain") for node in graph["nodes"]),
        sum(node["kind"] == "Domain" for node in graph["nodes"]),
    )
    down = json.loads(asked("blast?workload=orders/redis&cause=down"))
    assert 9 == down["total"]
    assert yaml.safe_load(asked("intents?client=storefront/Deployment/web"))["spec"]["workload"]["name"] == "web"
    with urllib.request.urlopen(f"{operator.api_url}/api/v1/changes", timeout=30) as stream:
        assert b"event: change\n" == stream.readline()
