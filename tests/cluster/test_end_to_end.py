"""The user's first touch, on a real node: `kubectl apply -k deploy/`, and `kubectl get clientintents` is true.

Tests run in any order on one node; each leaves Grapevine installed, the shop running and all of it seen.
"""

import datetime
import json
import signal
import time
from urllib.request import urlopen

import pytest
import yaml
from tests.cluster.installation import (
    DEFAULT,
    INTENTS,
    forget_map,
    install,
    remove_shop,
    start_shop,
    uninstall,
    wait_for_map,
    wait_for_shop,
    wait_ready,
)
from tests.cluster.newcomer import apply_newcomer, time_to_edges_s
from tests.cluster.node import CAPTURE, OPERATOR, Node, Object, process_of
from tests.cluster.shop import pod
from tests.support.eventually import eventually
from tests.support.kubectl import KubectlError
from tests.support.processes import run_grapevine, started
from tests.support.truth import Intents, shop_truth

pytestmark = [pytest.mark.cluster, pytest.mark.root, pytest.mark.timeout(900)]

CRONJOB = ("batch", "CronJob", "report")
ASKED_ONCE = ("batch", "Job", "migrate")


@pytest.fixture(scope="module")
def first_touch(node: Node) -> tuple[float, float]:
    """The node as new, Grapevine installed and ready, then the shop: seconds until its edges, and the CronJob's.

    The former since the last of the shop's pods ran, the latter since the CronJob's first pod did.
    """
    _make_new(node)
    install(node)
    start_shop(node)
    eventually(lambda: all(_is_running(p) for p in node.objects("pods", "-A")), timeout_s=180, every_s=0.5)
    shop_s = _seconds_until(node, _without(CRONJOB))
    job, *_ = eventually(lambda: _started(node, "batch", "app=report"), timeout_s=90, every_s=0.2)
    wait_for_shop(node)
    (intents,) = node.objects("clientintents", "-n", "batch", "--field-selector=metadata.name=report")
    return shop_s, _time_s(intents["metadata"]["creationTimestamp"]) - _time_s(job["status"]["startTime"])


@pytest.fixture
def mapped(node: Node, first_touch: tuple[float, float]) -> Node:
    """The node with the shop running and seen."""
    assert min(first_touch) >= 0
    return node


def _started(node: Node, namespace: str, labels: str) -> list[Object]:
    """Return the pods that their kubelet has taken up."""
    return [each for each in node.objects("pods", "-n", namespace, "-l", labels) if "startTime" in each["status"]]


def _make_new(node: Node) -> None:
    uninstall(node)
    forget_map(node)
    remove_shop(node)


def _without(*clients: tuple[str, str, str]) -> Intents:
    return {client: targets for client, targets in shop_truth().items() if client not in clients}


def _seconds_until(node: Node, expected: Intents) -> float:
    started_s = time.monotonic()
    wait_for_map(node, expected)
    return time.monotonic() - started_s


def _time_s(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def _is_running(pod_: Object) -> bool:
    return pod_["status"]["phase"] in ("Running", "Succeeded")


def test_maps_the_shop_and_says_how_soon(mapped: Node, first_touch: tuple[float, float]) -> None:
    shop_s, cronjob_s = first_touch
    print(f"\nedges of the shop's running pods visible {shop_s:.1f} s after the last of them ran")
    print(f"the CronJob's visible {cronjob_s:.0f} s after its pod started, whole seconds")

    wait_for_shop(mapped)


def test_shows_a_new_edge_and_says_how_soon(mapped: Node, newcomer: str) -> None:
    apply_newcomer(mapped, newcomer)

    print(f"\na new pod's edges visible {time_to_edges_s(mapped, newcomer):.1f} s after it ran")


def test_installed_after_the_shop_it_maps_every_workload_that_still_asks(mapped: Node) -> None:
    uninstall(mapped)
    forget_map(mapped)

    install(mapped)
    seconds = _seconds_until(mapped, _without(CRONJOB, ASKED_ONCE))
    print(f"\nedges of a shop that was there before visible {seconds:.1f} s after Grapevine was ready")
    wait_for_map(mapped, _without(ASKED_ONCE))

    start_shop(mapped)  # its Job asks once more, for the tests to come
    wait_for_shop(mapped)


def test_capture_has_one_capability_and_nothing_of_the_host_but_its_network(mapped: Node) -> None:
    (capture,) = mapped.objects("pods", "-n", "grapevine-capture")
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
    assert 1 << 13 == int(status["CapBnd"], 16)
    assert {0} == {int(status[f"Cap{which}"], 16) for which in ("Prm", "Eff", "Inh", "Amb")}  # its socket is open
    assert ("1", "2") == (status["NoNewPrivs"], status["Seccomp"])


@pytest.mark.usefixtures("mapped")
def test_the_operator_has_no_capability() -> None:
    status = (process_of(*OPERATOR) / "status").read_text()

    assert {"0000000000000000"} == {line.split()[1] for line in status.splitlines() if line.startswith("Cap")}


def test_pod_security_is_enforced_on_the_operators_namespace(mapped: Node) -> None:
    privileged = json.loads(pod("grapevine-system", "privileged"))
    privileged["spec"]["containers"][0]["securityContext"] = {"privileged": True}

    with pytest.raises(KubectlError, match='violates PodSecurity "restricted:latest"'):
        mapped.apply(json.dumps(privileged))


def test_the_operator_is_refused_nothing(mapped: Node, newcomer: str) -> None:
    apply_newcomer(mapped, newcomer)
    time_to_edges_s(mapped, newcomer)

    log = mapped.kubectl.run("logs", "-n", "grapevine-system", "deployment/grapevine-operator", "--all-containers")
    assert "orbidden" not in log


def test_the_doctor_and_explain_reach_it_through_kubelet(mapped: Node) -> None:
    where = f"--kubeconfig={mapped.kubeconfig}"

    def check() -> None:
        doctor = run_grapevine("doctor", where, "-o", "json")
        assert doctor.stderr == ""
        levels = {each["check"]: each["level"] for each in json.loads(doctor.stdout)["findings"]}
        assert {"ok"} == {levels[each] for each in ("SourceSilent", "ObjectsUnread", "Unaccounted")}

    eventually(check, timeout_s=60, every_s=1)  # an operator that has just begun hears of capture within seconds
    explain = run_grapevine("explain", "storefront/web", "orders/cart", where)
    assert explain.stderr == ""
    assert explain.stdout.startswith("storefront/web (Deployment) → orders/cart (Deployment)")


def test_the_map_is_one_command_away(mapped: Node) -> None:
    with started("map", "--no-browser", "--port=0", f"--kubeconfig={mapped.kubeconfig}") as process:
        assert process.stdout
        url, _, said = process.stdout.readline().partition(" ")
        assert said.startswith("is the map of grapevine-system/grapevine-operator-")
        with urlopen(f"{url}api/v1/changes", timeout=60) as changes:
            assert b"event: change\n" == changes.readline()
            with urlopen(f"{url}api/v1/graph", timeout=60) as answer:  # beside the stream, as a page asks
                graph = json.load(answer)
        process.send_signal(signal.SIGINT)
        assert (130, "") == (process.wait(30), process.stderr.read() if process.stderr else "")

    calls = {(link["client"], link["target"]) for link in graph["links"]}
    assert ("storefront/Deployment/web", "orders/Deployment/cart") in calls


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

    key = _serving_key(mapped)
    before = state()

    install(mapped)

    assert set(before) <= set(state())
    assert key
    assert key == _serving_key(mapped)


def test_upgraded_from_other_manifests_it_keeps_every_object(mapped: Node) -> None:
    uninstall(mapped)
    mapped.apply(_earlier_manifests(mapped))
    wait_ready(mapped)
    wait_for_shop(mapped)
    before = {o["metadata"]["uid"]: o["spec"] for o in mapped.objects(*INTENTS)}
    key = eventually(lambda: _serving_key(mapped), timeout_s=60)

    install(mapped)

    wait_for_shop(mapped)
    after = {o["metadata"]["uid"]: o["spec"] for o in mapped.objects(*INTENTS)}
    assert before == {uid: after.get(uid) for uid in before}
    assert key == _serving_key(mapped)
    (operator,) = mapped.objects("deployments", "-n", "grapevine-system")
    assert "GRAPEVINE_PARK_MS" not in json.dumps(operator["spec"])
    (crd,) = mapped.objects("crds", "--field-selector=metadata.name=clientintents.k8s.otterize.com")
    assert crd["spec"]["versions"][0]["additionalPrinterColumns"]


def _earlier_manifests(node: Node) -> str:
    """Return what `kubectl apply -k` applies with differences as between two versions: columns, settings, labels."""
    resources = list(yaml.safe_load_all(node.kubectl.run("kustomize", str(DEFAULT))))
    for resource in resources:
        if resource["kind"] == "CustomResourceDefinition":
            for version in resource["spec"]["versions"]:
                version.pop("additionalPrinterColumns", None)
        if resource["kind"] == "Deployment":
            resource["spec"]["strategy"] = {"type": "RollingUpdate"}
            template = resource["spec"]["template"]
            template["metadata"]["labels"]["version"] = "earlier"
            template["spec"]["containers"][0].setdefault("env", []).append(
                {"name": "GRAPEVINE_PARK_MS", "value": "4000"}
            )
    return yaml.safe_dump_all(resources)


def _serving_key(node: Node) -> str:
    return node.kubectl.run("get", "secret", "-n", "grapevine-system", "grapevine-serving", "-o", "jsonpath={.data}")
