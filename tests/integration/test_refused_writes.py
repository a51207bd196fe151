"""Writes that a real API server refuses, or cannot do now: 409, 422, 429, webhooks, a policy; each stops one object.

The API server takes one write at a time and answers 429 to the others, as a busy one does.
"""

import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.support.api import MERGE, Api, ApiError, Object
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.manifests import rights
from tests.support.objects import install_crd
from tests.support.processes import Operator, run_grapevine
from tests.support.traffic import Sender, a_look_up, run_pod
from tests.support.webhook import serving_webhook

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

INTENTS = "k8s.otterize.com/v2beta1"
OPERATOR = "system:serviceaccount:grapevine-system:grapevine-operator"
FLAGS = ("--enable-priority-and-fairness=false", "--max-mutating-requests-inflight=1")
CODES = (400, 403, 409, 422, 429, 500)
ALLOWED: Object = {"allowed": True}
AGAIN_S = 60.0
"""Generous: what was refused once is tried again after 5 s."""

Answer = Callable[[Object], Object]


class Admission:
    """A validating webhook on ClientIntents that answers what the test says to the operator, and yes to all others."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _: ALLOWED

    def __call__(self, request: Object) -> Object:
        return self.answer(request) if request["userInfo"]["username"] == OPERATOR else ALLOWED


@pytest.fixture(scope="module")
def admission() -> Admission:
    return Admission()


@pytest.fixture(scope="module")
def plane(
    control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory, admission: Admission
) -> Iterator[ControlPlane]:
    """An API server that takes one write at a time, and asks the test about those of ClientIntents."""
    directory = tmp_path_factory.mktemp("refused")
    with (
        serving_webhook(admission) as client_config,
        ControlPlane(directory, control_plane_binaries, apiserver_flags=FLAGS) as plane,
    ):
        with plane.api() as api:
            install_crd(api)
            for document in rights():
                api.apply(document, manager="tests")
            api.create(_hook(client_config))
        yield plane


def _hook(client_config: Object) -> Object:
    rule = {
        "apiGroups": ["k8s.otterize.com"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["clientintents", "clientintents/status"],
    }
    hook = {
        "name": "intents.example.com",
        "clientConfig": client_config,
        "rules": [rule],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "timeoutSeconds": 30,
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "intents.example.com"},
        "webhooks": [hook],
    }


@pytest.fixture
def api(plane: ControlPlane, admission: Admission) -> Iterator[Api]:
    with plane.api() as connection:
        yield connection
    admission.answer = lambda _: ALLOWED


@pytest.fixture(scope="module")
def operator(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    kubeconfig = plane.service_account_kubeconfig("grapevine-system", "grapevine-operator")
    with Operator(kubeconfig, tmp_path_factory.mktemp("operator") / "operator.log", park_ms="500") as process:
        yield process


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count(1)


class Team:
    """A namespace with bare pods, told of by name."""

    def __init__(self, api: Api, operator: Operator, number: int) -> None:
        self.namespace = f"team-{number}"
        self._api, self._sender, self._number = api, Sender(operator.url), number
        self._ips: dict[str, str] = {}
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})

    def ask(self, domain: str, *pods: str) -> None:
        """Let each of these pods look a domain up, in one batch, and wait for nothing."""
        for pod in set(pods) - self._ips.keys():
            self._ips[pod] = f"10.62.{self._number}.{len(self._ips) + 1}"
            run_pod(self._api, self.namespace, pod, self._ips[pod])
        now_ms = time.time_ns() // 1_000_000
        self._sender.send(*(a_look_up(self._ips[pod], domain, now_ms) for pod in pods))

    def written(self) -> dict[str, list[str]]:
        """Return the domains of each object whose status is written too."""
        return {
            o["metadata"]["name"]: [target["internet"]["domains"][0] for target in o["spec"]["targets"]]
            for o in self._api.list(INTENTS, "ClientIntents", self.namespace)
            if len(o.get("status", {}).get("observed", ())) == len(o["spec"]["targets"])
        }

    def until(self, expected: dict[str, list[str]]) -> None:
        """Wait until this and nothing else is written."""

        def check() -> None:
            assert expected == self.written()

        eventually(check, timeout_s=AGAIN_S)


@pytest.fixture
def team(api: Api, operator: Operator, numbers: Iterator[int]) -> Team:
    return Team(api, operator, next(numbers))


def results(operator: Operator, result: str) -> float:
    return operator.metrics().get(f'grapevine_intents_writes_total{{result="{result}"}}', 0)


def turned_away(api: Api) -> float:
    """Return how many requests about ClientIntents the API server was too busy for."""
    page = api.request("GET", "/metrics")["message"]
    busy = re.compile(r'^apiserver_request_terminations_total{code="429",.*resource="clientintents",.*} (\S+)$', re.M)
    return sum(float(value) for value in busy.findall(page))


def finding(operator: Operator) -> Object:
    told = run_grapevine("doctor", f"--operator={operator.api_url}", "-o", "json")
    (found,) = [each for each in json.loads(told.stdout)["findings"] if each["check"] == "WritesRefused"]
    return dict(found)


def test_what_a_webhook_refuses_with_any_code_stops_nothing_else_and_is_written_once_it_may(
    team: Team, operator: Operator, admission: Admission
) -> None:
    bad = {f"bad-{code}": code for code in CODES}

    def refuse(request: Object) -> Object:
        code = bad.get(request["name"])
        return ALLOWED if code is None else {"allowed": False, "status": {"code": code, "message": "not now"}}

    admission.answer = refuse
    team.ask("one.example.com", *bad, "good-1", "good-2")
    team.until({"good-1": ["one.example.com"], "good-2": ["one.example.com"]})
    team.ask("two.example.com", "good-1")
    team.until({"good-1": ["one.example.com", "two.example.com"], "good-2": ["one.example.com"]})
    found = finding(operator)
    assert ("warning", True) == (found["level"], "denied the request: not now" in found["found"]), found
    assert "grant it" not in found["found"], "no right is missing"

    admission.answer = lambda _: ALLOWED
    team.until(
        {"good-1": ["one.example.com", "two.example.com"], **{key: ["one.example.com"] for key in [*bad, "good-2"]}}
    )
    eventually(lambda: finding(operator)["level"] == "ok", timeout_s=AGAIN_S)


def test_what_a_policy_refuses_stops_nothing_else(api: Api, team: Team, operator: Operator) -> None:
    with denying(api, team.namespace, "bad"):
        refused = results(operator, "refused")
        team.ask("one.example.com", "bad", "good")
        team.until({"good": ["one.example.com"]})
        eventually(lambda: results(operator, "refused") > refused)

    team.until({"bad": ["one.example.com"], "good": ["one.example.com"]})


@contextmanager
def denying(api: Api, namespace: str, name: str) -> Iterator[None]:
    """Have a ValidatingAdmissionPolicy refuse one object while entered."""
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": "no-bad-intents"}}
    rule = {
        "apiGroups": ["k8s.otterize.com"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["clientintents"],
    }
    check = {"expression": f"object.metadata.name != '{name}'", "message": "bad is not wanted"}
    policy = {"matchConstraints": {"resourceRules": [rule]}, "validations": [check]}
    binding = {**head, "kind": "ValidatingAdmissionPolicyBinding"}
    api.create({**head, "kind": "ValidatingAdmissionPolicy", "spec": policy})
    api.create({**binding, "spec": {"policyName": "no-bad-intents", "validationActions": ["Deny"]}})
    probe = {
        "apiVersion": INTENTS,
        "kind": "ClientIntents",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"workload": {"name": "probe"}, "targets": []},
    }

    def is_in_force() -> bool:
        try:
            api.request("POST", f"{api.path(INTENTS, 'ClientIntents', namespace)}?dryRun=All", probe)
        except ApiError as error:
            return "bad is not wanted" in error.message
        return False

    eventually(is_in_force, timeout_s=30)
    try:
        yield
    finally:
        api.delete(binding)
        api.delete({**head, "kind": "ValidatingAdmissionPolicy"})


def test_an_object_that_changes_under_a_write_is_read_again_and_keeps_both(
    api: Api, plane: ControlPlane, team: Team, operator: Operator, admission: Admission
) -> None:
    team.ask("one.example.com", "web")
    team.until({"web": ["one.example.com"]})
    meddled = threading.Event()

    def meddle(request: Object) -> Object:
        """Let somebody change the object between the operator's look at it and its write."""
        if request["name"] == "web" and not request.get("subResource") and not meddled.is_set():
            meddled.set()
            with plane.api() as other:
                path = other.path(INTENTS, "ClientIntents", team.namespace, "web")
                other.request("PATCH", path, {"metadata": {"labels": {"team": "blue"}}}, content_type=MERGE)
        return ALLOWED

    admission.answer = meddle
    before = results(operator, "retried")
    team.ask("two.example.com", "web", "other")

    team.until({"web": ["one.example.com", "two.example.com"], "other": ["two.example.com"]})
    assert "blue" == api.get(INTENTS, "ClientIntents", team.namespace, "web")["metadata"]["labels"]["team"]
    assert meddled.is_set()
    assert results(operator, "retried") > before, "the first try was a 409"


def test_a_busy_api_server_is_asked_again_when_it_says(
    api: Api, team: Team, operator: Operator, admission: Admission
) -> None:
    held, goes_on = threading.Event(), threading.Event()

    def hold(request: Object) -> Object:
        """Keep the one write that the API server does at a time."""
        if request["name"] == "slow":
            held.set()
            goes_on.wait(25)
        return ALLOWED

    admission.answer = hold
    team.ask("one.example.com", "slow")
    assert held.wait(30)
    before, too_many = results(operator, "retried"), turned_away(api)
    team.ask("one.example.com", "web-1", "web-2", "web-3")
    eventually(lambda: results(operator, "retried") >= before + 3, timeout_s=30)
    assert turned_away(api) >= too_many + 3
    assert {} == team.written()
    goes_on.set()

    team.until({key: ["one.example.com"] for key in ("slow", "web-1", "web-2", "web-3")})
