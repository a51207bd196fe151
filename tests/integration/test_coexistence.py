"""Beside a CRD that is not this operator's: Otterize's, with its conversion webhook, or an older one of Grapevine's.

One operator with the rights of the manifests and nothing more, and a CRD that changes under it.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.api import Api, Object
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually
from tests.support.manifests import rights
from tests.support.objects import install_crd
from tests.support.otterize import OURS, conversion_webhook, otterizes_crd
from tests.support.processes import Operator, run_grapevine
from tests.support.traffic import Sender, a_look_up, deploy

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

INTENTS = "k8s.otterize.com/v2beta1"
OTTERIZES_VERSIONS = ("v1alpha2", "v1alpha3", "v1beta1", "v2alpha1", "v2beta1")
OTTERIZES_FIELDS = {"upToDate", "observedGeneration", "resolvedIPs"}
WEB_IP, API_IP = "10.61.0.1", "10.61.0.2"
SWAP_S = 60.0
"""Generous: the schema is looked at every ten seconds."""


@pytest.fixture
def otterizes(fresh_control_plane: ControlPlane) -> Iterator[Object]:
    """Otterize's CRD on an API server with a shop, and its webhook; what the manifests grant is granted."""
    with conversion_webhook() as client_config, fresh_control_plane.api() as api:
        crd = otterizes_crd(client_config=client_config, versions=OTTERIZES_VERSIONS, is_lax=False)
        install_crd(api, crd)
        for document in rights():
            api.apply(document, manager="tests")
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        deploy(api, "shop", "web", WEB_IP)
        deploy(api, "shop", "api", API_IP)
        yield crd


@pytest.fixture
def operator(fresh_control_plane: ControlPlane, otterizes: Object, tmp_path: Path) -> Iterator[Operator]:
    del otterizes
    kubeconfig = fresh_control_plane.service_account_kubeconfig("grapevine-system", "grapevine-operator")
    with Operator(kubeconfig, tmp_path / "operator.log", park_ms="500") as process:
        yield process


def tell(operator: Operator, ip: str, *names: str) -> None:
    Sender(operator.url).tell(*(a_look_up(ip, name, time.time_ns() // 1_000_000) for name in names))


def domains(api: Api, name: str) -> list[str]:
    """Return the domains in an object's spec."""
    targets = api.get(INTENTS, "ClientIntents", "shop", name)["spec"]["targets"]
    return [target["internet"]["domains"][0] for target in targets]


def status_of(api: Api, name: str) -> Object:
    status: Object = api.get(INTENTS, "ClientIntents", "shop", name).get("status", {})
    return status


def lacking(operator: Operator) -> float:
    return operator.metrics()["grapevine_status_fields_lacking"]


def finding(operator: Operator) -> Object:
    """Return what doctor says of the schema."""
    told = run_grapevine("doctor", f"--operator={operator.api_url}", "-o", "json")
    (found,) = [each for each in json.loads(told.stdout)["findings"] if each["check"] == "StatusNotKept"]
    return dict(found)


def failures(operator: Operator) -> float:
    """Return how many writes were refused, or tried again."""
    metrics = operator.metrics()
    return sum(metrics.get(f'grapevine_intents_writes_total{{result="{each}"}}', 0) for each in ("retried", "refused"))


def an_older_crd(change: Callable[[Object], None]) -> Object:
    """Return our CRD with another schema of the status."""
    crd = json.loads(json.dumps(OURS))  # its versions share one schema
    for version in crd["spec"]["versions"]:
        change(version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"])
    return dict(crd)


def forget_sources(status: Object) -> None:
    del status["observed"]["items"]["properties"]["sources"], status["summary"]["properties"]["omitted"]


def test_only_what_the_served_schema_keeps_is_written_and_the_rest_is_said(
    fresh_control_plane: ControlPlane, otterizes: Object, operator: Operator
) -> None:
    with fresh_control_plane.api() as api:
        persons = {
            "apiVersion": INTENTS,
            "kind": "ClientIntents",
            "metadata": {"namespace": "shop", "name": "persons"},
            "spec": {"workload": {"name": "api"}, "targets": [{"kubernetes": {"name": "web"}}]},
        }
        api.create(persons)
        applied = {"upToDate": True, "observedGeneration": 1}
        theirs = api.apply(
            {**persons, "spec": None, "status": applied}, manager="otterize", subresource="status", force=True
        )
        tell(operator, WEB_IP, "one.example.com")
        tell(operator, API_IP, "one.example.com")

        # Otterize's CRD: a spec, and nothing else; what is there keeps every byte
        assert ["one.example.com"] == domains(api, "web")
        assert {} == status_of(api, "web")
        assert theirs == api.get(INTENTS, "ClientIntents", "shop", "persons")
        assert (6.0, 0.0) == (lacking(operator), failures(operator))
        found = finding(operator)
        assert ("warning", True) == (found["level"], "not Grapevine's" in found["found"])
        assert "GRAPEVINE_WRITE_POLICY=observe" in found["remedy"]
        assert "the CRD of ClientIntents does not keep all of a status" in operator.log_text()

        # Nothing but the spec remembers, and it is enough for the targets
        operator.kill()
        operator.start()
        tell(operator, WEB_IP, "two.example.com")
        assert ["one.example.com", "two.example.com"] == domains(api, "web")

        # An older one of ours: all it has, and what it has not is named
        install_crd(api, an_older_crd(forget_sources))
        eventually(lambda: "observed" in status_of(api, "web"), timeout_s=SWAP_S)
        told = status_of(api, "web")
        assert {"Ready", "Observed", "Resolved", "Drifted"} == {each["type"] for each in told["conditions"]}
        assert (2, None) == (told["summary"]["targets"], told["summary"].get("omitted"))
        assert [] == [each for each in told["observed"] if "sources" in each]
        found = finding(operator)
        assert ("warning", True) == (found["level"], "summary.omitted, observed[].sources" in found["found"]), found

        # Ours: everything, without being told
        install_crd(api)
        eventually(lambda: "sources" in status_of(api, "web")["observed"][-1], timeout_s=SWAP_S)
        eventually(lambda: "conditions" in status_of(api, "persons"), timeout_s=SWAP_S)
        assert "ok" == finding(operator)["level"]

        # Otterize's webhook server starts again and writes its CRD back
        install_crd(api, otterizes)
        eventually(lambda: lacking(operator) == 6, timeout_s=SWAP_S)
        tell(operator, WEB_IP, "three.example.com")
        before = failures(operator)
        tell(operator, WEB_IP, "four.example.com")
        assert 4 == len(domains(api, "web"))
        assert status_of(api, "web").keys() <= OTTERIZES_FIELDS
        assert before == failures(operator)
        assert 0 == operator.metrics()["grapevine_intents_pending"]
