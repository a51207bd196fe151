"""Every right the manifests grant is needed: without any one of them the operator says which, on a real API server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.api import Api
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.granted import CA, INTENTS, freshly_installed, granting_plane
from tests.support.kubelet import CAPTURE, Kubelet
from tests.support.manifests import Object, rights, rules_of
from tests.support.objects import SHOP
from tests.support.processes import Operator, TlsOperator, in_pod, start_capture
from tests.support.truth import intents_of, shop_truth

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

OPERATOR = "system:serviceaccount:grapevine-system:grapevine-operator"
RBAC = "rbac.authorization.k8s.io/v1"
PCAP = SHOP / "capture.pcap"
SAID_TIMEOUT_S = 60.0
BASE_ROLES = ("grapevine-operator", "grapevine-operator-lead")
"""What deploy/base grants."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One verb on one resource, as one rule of one role grants it."""

    role: str
    namespace: str
    """Of a Role; empty for a ClusterRole."""
    rule: int
    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"

    @property
    def refusal(self) -> str:
        """What the API server says where it is missing."""
        return f'cannot {self.verb} resource "{self.resource}" in API group "{self.group}"'

    @property
    def is_for_batches(self) -> bool:
        """Whether it is needed once somebody sends, and not before."""
        writes_the_map = self.group == "k8s.otterize.com" and self.verb not in ("list", "watch")
        return writes_the_map or self.resource in ("tokenreviews", "events")


GRANTS = [
    Grant(o["metadata"]["name"], o["metadata"].get("namespace", ""), index, group, resource, verb)
    for o in rights()
    if o["kind"] in ("Role", "ClusterRole")
    for index, rule in enumerate(o["rules"])
    for group in rule["apiGroups"]
    for resource in rule["resources"]
    for verb in rule["verbs"]
]


@pytest.fixture(scope="module")
def plane(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with the shop and what the manifests grant; shared by this module."""
    with granting_plane(tmp_path_factory.mktemp("rbac"), control_plane_binaries) as plane:
        yield plane


@pytest.fixture
def api(plane: ControlPlane) -> Iterator[Api]:
    """The API server as freshly installed."""
    with freshly_installed(plane) as connection:
        yield connection


@contextmanager
def without(api: Api, grant: Grant) -> Iterator[None]:
    """Take one grant out of its role, once the API server knows, and give it back."""
    kind = "Role" if grant.namespace else "ClusterRole"
    role = api.get(RBAC, kind, grant.namespace, grant.role)
    rule = role["rules"][grant.rule]
    others = [each for each in rule["resources"] if each != grant.resource]
    left = {**rule, "resources": [grant.resource], "verbs": [each for each in rule["verbs"] if each != grant.verb]}
    rules = [*({**rule, "resources": others} for _ in others[:1]), *(left for _ in left["verbs"][:1])]
    replace(api, role, [*role["rules"][: grant.rule], *rules, *role["rules"][grant.rule + 1 :]])
    try:
        eventually(lambda: not is_allowed(api, grant))
        yield
    finally:
        replace(api, role, role["rules"])
        eventually(lambda: is_allowed(api, grant))


def replace(api: Api, role: Object, rules: list[Object]) -> None:
    metadata = {**role["metadata"], "resourceVersion": None}
    api.request("PUT", api.path_of(role), {**role, "metadata": metadata, "rules": rules})


def is_allowed(api: Api, grant: Grant) -> bool:
    resource, _, subresource = grant.resource.partition("/")
    asked = {"group": grant.group, "resource": resource, "subresource": subresource, "verb": grant.verb}
    names = rules_of(rights())
    named = next(
        (r.get("resourceNames") for r in names if resource in r["resources"] and grant.verb in r["verbs"]), None
    )
    where = {"namespace": grant.namespace} if grant.namespace else {}
    spec = {"user": OPERATOR, "resourceAttributes": {**asked, **where, "name": (named or [""])[0]}}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return bool(api.create({**review, "metadata": {}})["status"]["allowed"])


def test_a17_with_all_of_them_and_no_wildcard_it_maps_the_shop(plane: ControlPlane, api: Api, tmp_path: Path) -> None:
    assert not {"*"} & {each for grant in GRANTS for each in (grant.group, grant.resource, grant.verb)}
    with (
        TlsOperator.replica(plane, tmp_path, "operator-a") as operator,
        Kubelet(plane, tmp_path / "run") as kubelet,
    ):
        output, _ = start_capture(PCAP, operator.url, *kubelet.flags).communicate(timeout=120)

        assert "" == output
        intents = api.list(INTENTS, "ClientIntents")
        assert shop_truth() == intents_of(intents)
        assert "cannot" not in operator.log_text()

    metadata = [o["metadata"] for o in intents]
    labels = {"app.kubernetes.io/managed-by": "grapevine", "grapevine.dev/origin": "discovered"}
    assert [labels] * len(metadata) == [each["labels"] for each in metadata]
    tracked = {"annotations", "ownerReferences", "finalizers"}
    assert [] == [each for each in metadata if tracked & set(each)], "nothing Argo CD or Flux would prune"
    published = api.get("v1", "ConfigMap", CAPTURE, "grapevine-ca")["metadata"]
    assert not {"labels", *tracked} & set(published)


@pytest.fixture
def base_alone(api: Api) -> Iterator[None]:
    """What the overlay `restricted` grants: nothing of node-capture."""
    bindings = [o for o in rights() if o["kind"].endswith("RoleBinding") and o["metadata"]["name"] not in BASE_ROLES]
    for binding in bindings:
        api.delete(binding)
    eventually(lambda: not any(is_allowed(api, grant) for grant in GRANTS if grant.role not in BASE_ROLES))
    yield
    for binding in bindings:
        api.create(binding)
    eventually(lambda: all(is_allowed(api, grant) for grant in GRANTS))


@pytest.mark.usefixtures("base_alone")
def test_with_those_of_the_restricted_overlay_it_maps_the_shop_for_its_sidecar(
    plane: ControlPlane, api: Api, tmp_path: Path
) -> None:
    kubeconfig = plane.service_account_kubeconfig("grapevine-system", "grapevine-operator")
    with Operator(kubeconfig, tmp_path / "operator.log", **in_pod("operator-a")) as operator:
        output, _ = start_capture(PCAP, operator.url).communicate(timeout=120)

        assert "" == output
        assert shop_truth() == intents_of(api.list(INTENTS, "ClientIntents"))
        assert "cannot" not in operator.log_text()


@pytest.mark.parametrize("grant", GRANTS, ids=str)
def test_without_one_it_says_which(plane: ControlPlane, api: Api, tmp_path: Path, grant: Grant) -> None:
    if (grant.resource, grant.verb) == ("configmaps", "update"):
        api.create({**CA, "data": {"ca.crt": "of another certificate"}})
    operator = TlsOperator.replica(plane, tmp_path, "operator-a")

    def says_which() -> bool:
        return grant.refusal in operator.log_text()

    with without(api, grant):
        try:
            operator.start(wait=grant.is_for_batches)
            if grant.is_for_batches:
                with (
                    Kubelet(plane, tmp_path / "run") as kubelet,
                    start_capture(PCAP, operator.url, *kubelet.flags) as sender,
                ):
                    try:
                        eventually(says_which, timeout_s=SAID_TIMEOUT_S)
                    finally:
                        sender.kill()
            else:
                eventually(says_which, timeout_s=SAID_TIMEOUT_S)
        finally:
            operator.kill()
