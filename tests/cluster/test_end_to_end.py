"""The user's first touch, on a real node: `kubectl apply -k deploy/`, and `kubectl get clientintents` is true.

Tests run in any order on one node; each leaves Grapevine installed and the shop running.
"""

import itertools
import json
import os
import signal
import time
from collections.abc import Iterator

import pytest
from tests.cluster.installation import INTENTS, install, seen, start_shop, uninstall, wait_ready
from tests.cluster.node import Node, Object, process_of
from tests.cluster.shop import pod
from tests.support.eventually import eventually
from tests.support.kubectl import KubectlError
from tests.support.truth import intents_of, shop_truth

pytestmark = [pytest.mark.cluster, pytest.mark.root, pytest.mark.timeout(900)]

OUTAGE_S = 60.0

CAPTURE = ("/opt/grapevine/bin/grapevine", "capture", "--source", "packet")
OPERATOR = ("/opt/grapevine/bin/grapevine", "operator")


@pytest.fixture(scope="module")
def installed(node: Node) -> Node:
    """The node with Grapevine as the README installs it, ready."""
    install(node)
    return node


@pytest.fixture(scope="module")
def shop_seen_s(installed: Node) -> float:
    """Seconds from the running of the shop's pods until every edge of `truth.yaml` but the CronJob's was visible."""
    start_shop(installed)
    eventually(lambda: all(_is_running(p) for p in installed.objects("pods", "-A")), timeout_s=120, every_s=0.5)
    running = time.monotonic()
    awaited = {client: targets for client, targets in shop_truth().items() if client[1] != "CronJob"}
    eventually(lambda: awaited.items() <= seen(installed).items(), timeout_s=120, every_s=0.5)
    return time.monotonic() - running


@pytest.fixture
def mapped(installed: Node, shop_seen_s: float) -> Node:
    """The node with the shop running and seen."""
    assert shop_seen_s >= 0
    return installed


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def newcomer(mapped: Node, _numbers: Iterator[int]) -> Iterator[str]:
    """The name of a pod that does not run yet, for `start_newcomer`; deleted at the end."""
    name = f"newcomer-{next(_numbers)}"
    yield name
    mapped.kubectl.run("delete", "pod", "-n", "tools", name, "--ignore-not-found", "--wait=false")


def start_newcomer(node: Node, name: str) -> float:
    """Start a pod that asks for three things, and return how many seconds after its start the map said so."""
    node.apply(pod("tools", name, "http://web.storefront", "dns://www.example.org", "http://redis.orders:8080"))
    expected = frozenset(
        {
            ("kubernetes", "web.storefront", "Deployment"),
            ("kubernetes", "redis.orders", "StatefulSet"),
            ("internet", "www.example.org", ""),
        }
    )

    def all_three() -> bool:
        mine = [o for o in node.objects("clientintents", "-n", "tools") if o["metadata"]["name"] == name]
        return expected == intents_of(mine).get(("tools", "Pod", name))

    eventually(lambda: _started(node, name), timeout_s=60, every_s=0.2)
    running = time.monotonic()
    eventually(all_three, timeout_s=90, every_s=0.2)
    return time.monotonic() - running


def _started(node: Node, name: str) -> bool:
    return any(p["status"]["phase"] == "Running" for p in node.objects("pods", "-n", "tools", "-l", f"app={name}"))


def _is_running(pod_: Object) -> bool:
    return pod_["status"]["phase"] in ("Running", "Succeeded")


def test_maps_the_shop_and_says_how_soon(mapped: Node, shop_seen_s: float) -> None:
    print(f"\nedges of the shop's running pods visible after {shop_seen_s:.1f} s")

    eventually(lambda: shop_truth() == seen(mapped), timeout_s=90, every_s=0.5)  # the CronJob's, at its minute


def test_shows_a_new_edge_and_says_how_soon(mapped: Node, newcomer: str) -> None:
    seconds = start_newcomer(mapped, newcomer)

    print(f"\na new pod's edges visible {seconds:.1f} s after it ran")


def test_capture_has_one_capability_and_nothing_of_the_host_but_its_network(installed: Node) -> None:
    (capture,) = installed.objects("pods", "-n", "grapevine-capture")
    (container,) = capture["spec"]["containers"]

    assert {"drop": ["ALL"], "add": ["NET_RAW"]} == container["securityContext"]["capabilities"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert "ports" not in container
    assert ["projected"] == [next(k for k in v if k != "name") for v in capture["spec"]["volumes"]]
    sources = capture["spec"]["volumes"][0]["projected"]["sources"]
    assert ["grapevine"] == [s["serviceAccountToken"]["audience"] for s in sources if "serviceAccountToken" in s]
    status = dict(
        line.split(":\t", 1) for line in (process_of(*CAPTURE) / "status").read_text().splitlines() if ":\t" in line
    )
    assert ["65532"] * 4 == status["Uid"].split()
    assert {1 << 13} == {int(status[f"Cap{which}"], 16) for which in ("Prm", "Eff", "Bnd")}
    assert (0, "1", "2") == (int(status["CapAmb"], 16), status["NoNewPrivs"], status["Seccomp"])


@pytest.mark.usefixtures("installed")
def test_the_operator_has_no_capability() -> None:
    status = (process_of(*OPERATOR) / "status").read_text()

    assert {"0000000000000000"} == {line.split()[1] for line in status.splitlines() if line.startswith("Cap")}


def test_pod_security_is_enforced_on_the_operators_namespace(installed: Node) -> None:
    privileged = json.loads(pod("grapevine-system", "privileged"))
    privileged["spec"]["containers"][0]["securityContext"] = {"privileged": True}

    with pytest.raises(KubectlError, match='violates PodSecurity "restricted:latest"'):
        installed.apply(json.dumps(privileged))


def test_the_operator_is_refused_nothing(mapped: Node) -> None:
    log = mapped.kubectl.run("logs", "-n", "grapevine-system", "deployment/grapevine-operator")

    assert "orbidden" not in log


def test_uninstalled_it_leaves_the_map_and_nothing_else(mapped: Node) -> None:
    before = {(o["metadata"]["namespace"], o["metadata"]["name"]) for o in mapped.objects(*INTENTS)}

    uninstall(mapped)

    cluster_wide = ("namespaces", "clusterroles", "clusterrolebindings", "persistentvolumes", "apiservices")
    webhooks = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
    left = [o for kind in (*cluster_wide, *webhooks) for o in mapped.objects(kind)]
    assert not [o["metadata"]["name"] for o in left if "grapevine" in o["metadata"]["name"]]
    spread = [o for kind in ("configmaps", "secrets", "services", "roles", "pods") for o in mapped.objects(kind, "-A")]
    assert not [o["metadata"]["name"] for o in spread if "grapevine" in o["metadata"]["name"]]
    resources = mapped.objects(*INTENTS)
    assert before <= {(o["metadata"]["namespace"], o["metadata"]["name"]) for o in resources}
    assert not [o for o in resources if "finalizers" in o["metadata"]]
    install(mapped)


def test_applied_again_it_changes_nothing(mapped: Node) -> None:
    def state() -> list[tuple[str, int]]:
        kinds = "deployments,daemonsets,clientintents"
        return sorted((o["metadata"]["uid"], o["metadata"]["generation"]) for o in mapped.objects(kinds, "-A"))

    key = mapped.kubectl.run("get", "secret", "-n", "grapevine-system", "grapevine-serving", "-o", "jsonpath={.data}")
    before = state()

    install(mapped)

    assert set(before) <= set(state())
    assert key
    assert key == mapped.kubectl.run(
        "get", "secret", "-n", "grapevine-system", "grapevine-serving", "-o", "jsonpath={.data}"
    )


@pytest.mark.parametrize("which", [OPERATOR, CAPTURE], ids=["operator", "capture"])
def test_killed_it_comes_back_and_loses_nothing(mapped: Node, newcomer: str, which: tuple[str, ...]) -> None:
    os.kill(int(process_of(*which).name), signal.SIGKILL)

    start_newcomer(mapped, newcomer)

    assert shop_truth().items() >= seen(mapped).items()
    eventually(lambda: shop_truth() == seen(mapped), timeout_s=90, every_s=0.5)
    wait_ready(mapped)


def test_an_api_server_away_for_a_minute_loses_nothing_heard_meanwhile(mapped: Node, newcomer: str) -> None:
    eventually(lambda: shop_truth() == seen(mapped), timeout_s=90, every_s=0.5)
    mapped.apply(pod("tools", newcomer, "dns://cdn.example.net"))
    eventually(lambda: _started(mapped, newcomer), timeout_s=60, every_s=0.2)

    mapped.stop_api_server()
    time.sleep(OUTAGE_S)  # the outage is the test's subject, not a way to wait
    mapped.start_api_server()
    eventually(lambda: _answers(mapped), timeout_s=90, every_s=0.5)

    expected = {**shop_truth(), ("tools", "Pod", newcomer): frozenset({("internet", "cdn.example.net", "")})}

    def all_there() -> bool:
        found = intents_of(mapped.objects(*INTENTS))
        return expected.items() <= found.items()

    eventually(all_there, timeout_s=120, every_s=0.5)
    wait_ready(mapped)


def _answers(node: Node) -> bool:
    try:
        return node.kubectl.run("get", "--raw", "/readyz") == "ok"
    except KubectlError:
        return False


def test_a_restart_of_coredns_loses_nothing(mapped: Node, newcomer: str) -> None:
    mapped.kubectl.run("rollout", "restart", "deployment/coredns", "-n", "kube-system")
    mapped.kubectl.run(
        *("rollout", "status", "deployment/coredns", "-n", "kube-system", "--timeout=90s"), timeout_s=100
    )

    start_newcomer(mapped, newcomer)

    eventually(lambda: shop_truth() == seen(mapped), timeout_s=90, every_s=0.5)
