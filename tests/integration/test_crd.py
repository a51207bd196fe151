"""The CRD on a real API server: what it accepts, refuses, keeps and shows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.api import MERGE, Api, ApiError, Object
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually
from tests.support.kubectl import Kubectl, KubectlError
from tests.support.objects import CRD, install_crd

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("clientintents_crd")]

SERVED = sorted((Path(__file__).parents[1] / "data" / "otterize").glob("clientintents-v2*.yaml"))
"""Otterize's manifests of the versions the CRD serves; those of older ones are for `convert`."""
BETA, ALPHA = "k8s.otterize.com/v2beta1", "k8s.otterize.com/v2alpha1"
MEMBERS = {"kubernetes", "service", "kafka", "sql", "aws", "gcp", "azure", "internet"}

FULL_STATUS: Object = {
    "upToDate": True,
    "observedGeneration": 1,
    "resolvedIPs": [{"dns": "api.example.com", "ips": ["203.0.113.7", "2001:db8::7"]}],
    "mode": "Observe",
    "lastSeen": "2026-11-22T21:29:02Z",
    "summary": {
        "targets": 3,
        "inCluster": 2,
        "internet": 1,
        "undeclared": 1,
        "unused": 4,
        "dead": 1,
        "omitted": 0,
        "overflow": 7,
    },
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-11-22T21:26:00Z",
            "reason": "TakenIn",
            "message": "3 targets",
        }
    ],
    "observed": [
        {
            "target": {"kubernetes": {"name": "payment.billing", "kind": "Deployment"}},
            "names": ["payment.billing"],
            "ports": [80, 8080],
            "protocols": ["tcp"],
            "servicePorts": [80],
            "owners": [{"name": "payment.billing", "kind": "Deployment", "share": 90, "answers": 12}, {"name": "b"}],
            "evidence": ["connection", "dns"],
            "sources": ["dnstap", "packet"],
            "confidence": 97,
            "firstSeen": "2026-11-22T21:26:07Z",
            "lastSeen": "2026-11-22T21:29:02Z",
            "state": "active",
            "count": 10_000_000_000,
            "rcode": "NOERROR",
            "typicalGapSeconds": 5,
            "heardSeconds": 175,
            "declared": True,
        },
        {"target": {"service": {"name": "kubernetes.default"}}, "state": "idle", "declared": False},
        {"target": {"internet": {"domains": ["api.example.com"]}}, "state": "stale"},
        {"names": ["reccomendations"], "state": "dead", "rcode": "NXDOMAIN", "count": 12},
    ],
    "truncated": False,
}


@pytest.fixture
def kubectl(control_plane: ControlPlane) -> Kubectl:
    return control_plane.kubectl()


def _intents(namespace: str, *targets: Object, version: str = BETA, **workload: str) -> Object:
    return {
        "apiVersion": version,
        "kind": "ClientIntents",
        "metadata": {"name": "checkout", "namespace": namespace},
        "spec": {"workload": {"name": "checkout", **workload}, "targets": list(targets)},
    }


# --- What it shows


def test_columns_are_filled(api: Api, kubectl: Kubectl, namespace: str) -> None:
    stored = api.create(_intents(namespace, {"service": {"name": "cart"}}, kind="Deployment"))
    api.replace_status({**stored, "status": FULL_STATUS})

    [row] = kubectl.table("clientintents", "-n", namespace, "-o", "wide")

    times = {row.pop("AGE"), row.pop("LAST-SEEN")}
    assert all(times), "a time is shown as an age"
    assert row == {
        "NAME": "checkout",
        "WORKLOAD": "checkout",
        "KIND": "Deployment",
        "TARGETS": "3",
        "UNDECLARED": "1",
        "MODE": "Observe",
        "READY": "True",
        "UNUSED": "4",
        "DEAD": "1",
        "REASON": "TakenIn",
    }


def test_columns_of_an_object_without_our_status_are_blank(api: Api, kubectl: Kubectl, namespace: str) -> None:
    api.create(_intents(namespace))

    header = kubectl.run("get", "ci", "-A").splitlines()[0]
    [row] = kubectl.table("intents", "-n", namespace)

    shown = r"NAMESPACE +NAME +WORKLOAD +KIND +TARGETS +UNDECLARED +MODE +READY +LAST-SEEN +AGE"
    assert re.fullmatch(shown, header.rstrip())
    assert (row["WORKLOAD"], row["KIND"], row["MODE"], row["READY"]) == ("checkout", "", "", "")


@pytest.mark.parametrize("version", ["v2beta1", "v2alpha1"])
def test_explain_is_a_manual(api: Api, kubectl: Kubectl, version: str) -> None:
    api_version = f"k8s.otterize.com/{version}"
    explained = kubectl.run("explain", "clientintents.spec", "--recursive", f"--api-version={api_version}")
    published = api.request("GET", f"/openapi/v3/apis/{api_version}")["components"]["schemas"]
    schema = next(each for name, each in published.items() if name.endswith(f".{version}.ClientIntents"))

    assert all(f"{member}\t" in explained for member in MEMBERS)
    silent = [path for path, field in _fields(schema) if not field.get("description")]
    assert silent == []


def _fields(schema: Object, path: str = "") -> Iterator[tuple[str, Object]]:
    for name, child in schema.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from _fields(child, f"{path}.{name}")
    yield from _fields(schema["items"], f"{path}[]") if "items" in schema else ()


# --- What it accepts and keeps


def _manifests() -> list[Any]:
    documents = [(path, doc) for path in SERVED for doc in yaml.safe_load_all(path.read_text())]
    return [pytest.param(doc, id=f"{path.stem}/{doc['metadata']['name']}") for path, doc in documents]


def test_manifests_have_every_kind_of_target_in_both_versions() -> None:
    for path in SERVED:
        documents = yaml.safe_load_all(path.read_text())
        assert {member for doc in documents for target in doc["spec"]["targets"] for member in target} == MEMBERS, path


@pytest.mark.parametrize("manifest", _manifests())
def test_otterize_manifest_applies_unchanged(manifest: Object, api: Api, kubectl: Kubectl, namespace: str) -> None:
    name = manifest["metadata"]["name"]
    for outcome in ("created", "unchanged"):
        printed = kubectl.run("apply", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(manifest))
        assert printed == f"clientintents.k8s.otterize.com/{name} {outcome}\n"

    for version in (BETA, ALPHA):
        assert api.get(version, "ClientIntents", namespace, name)["spec"] == manifest["spec"], version


@pytest.mark.parametrize(
    "target",
    [
        {"kubernetes": {"name": "static-web_example_com", "kind": "Pod"}},
        {"kubernetes": {"name": f"{'a' * 253}.{'n' * 63}"}},
        {"kubernetes": {"name": "payment", "kind": ""}},
        {"service": {"name": "0.default"}},
        {"internet": {"domains": ["_sip._tcp.example.com", "example.com.", "xn--bcher-kva.example", "*"]}},
        {"internet": {"domains": [], "ips": ["192.0.2.7/24"], "ports": []}},
        {"azure": {"scope": "/a", "roles": [], "actions": ["read"]}},
    ],
    ids=["replaced-dots", "longest-name", "empty-kind", "digits", "odd-domains", "host-bits", "empty-roles"],
)
def test_unusual_but_valid_target_is_kept(target: Object, api: Api, namespace: str) -> None:
    assert api.create(_intents(namespace, target))["spec"]["targets"] == [target]


def test_longest_workload_name_is_kept(api: Api, namespace: str) -> None:
    assert api.create(_intents(namespace, name="w_" * 126 + "w"))["spec"]["targets"] == []


def test_object_with_as_much_as_fits_is_kept(api: Api, namespace: str) -> None:
    targets = [{"internet": {"domains": [f"{at:04}.{'d' * 60}.example.com"], "ports": [443]}} for at in range(1000)]
    addresses = {"internet": {"ips": [f"198.51.{at // 250}.{at % 250}/32" for at in range(250)]}}
    observed = [{**FULL_STATUS["observed"][0], "names": [f"{at:04}.example.com"]} for at in range(1000)]

    stored = api.create(_intents(namespace, *targets[1:], addresses))
    stored = api.replace_status({**stored, "status": {"observed": observed, "truncated": True}})

    assert len(stored["spec"]["targets"]) == 1000
    assert stored["status"] == {"observed": observed, "truncated": True}


@pytest.mark.parametrize("version", [BETA, ALPHA])
def test_status_is_kept_whole(version: str, api: Api, namespace: str) -> None:
    stored = api.create(_intents(namespace, version=version))

    api.replace_status({**stored, "status": FULL_STATUS})

    for read_as in (BETA, ALPHA):
        assert api.get(read_as, "ClientIntents", namespace, "checkout")["status"] == FULL_STATUS, read_as


def test_test_status_names_every_field_of_the_schema() -> None:
    schema = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    status = schema["properties"]["status"]
    assert dict(_fields(status)).keys() == set(_paths(FULL_STATUS))


def _paths(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield f"{path}.{name}"
            yield from _paths(child, f"{path}.{name}")
    if isinstance(value, list):
        for child in value:
            yield from _paths(child, f"{path}[]")


def test_managers_of_spec_status_and_a_condition_do_not_fight(api: Api, namespace: str) -> None:
    spec = _intents(namespace, {"service": {"name": "cart"}}, kind="Deployment")
    bare = {key: value for key, value in spec.items() if key != "spec"}
    drifted = {**FULL_STATUS["conditions"][0], "type": "Drifted", "status": "False"}

    api.apply(spec, manager="grapevine")
    api.apply({**bare, "status": FULL_STATUS}, manager="grapevine", subresource="status")
    api.apply({**bare, "status": {"conditions": [drifted]}}, manager="another", subresource="status")
    stored = api.apply({**spec, "metadata": {**spec["metadata"], "labels": {"a": "b"}}}, manager="grapevine")

    assert stored["metadata"]["generation"] == 1, "neither status nor a label is a change of what was declared"
    assert [each["type"] for each in stored["status"]["conditions"]] == ["Ready", "Drifted"]
    assert stored["status"]["observed"] == FULL_STATUS["observed"]


def test_spec_of_another_manager_is_not_overwritten(api: Api, namespace: str) -> None:
    api.apply(_intents(namespace, {"service": {"name": "cart"}}), manager="somebody")

    with pytest.raises(ApiError, match=r"conflict with \"somebody\"") as refused:
        api.apply(_intents(namespace), manager="grapevine")
    assert refused.value.status == 409


def test_kubectl_applies_the_file_itself(fresh_control_plane: ControlPlane) -> None:
    kubectl = fresh_control_plane.kubectl()
    for arguments in ([], ["--server-side"]):
        kubectl.run("apply", *arguments, "-f", str(CRD))
        kubectl.run("wait", "--for=condition=Established", "-f", str(CRD))

        stored = json.loads(kubectl.run("get", "-f", str(CRD), "-o", "json"))
        assert yaml.safe_load(CRD.read_text())["spec"] == stored["spec"], "nothing is dropped or filled in"
        kubectl.run("delete", "-f", str(CRD))


def test_object_from_before_the_rules_stays_usable(fresh_control_plane: ControlPlane) -> None:
    """Ratcheting: what breaks a rule is refused only once somebody changes that very part."""
    broken = _intents("default", {"kubernetes": {"name": "cart", "kind": "deployment"}}, kind="deployment")
    with fresh_control_plane.api() as api:
        install_crd(api, _without_rules(yaml.safe_load(CRD.read_text())))
        api.create(broken)
        install_crd(api)
        eventually(lambda: _refuses(api, {**broken, "metadata": {"name": "probe", "namespace": "default"}}))

        api.merge_status(broken, FULL_STATUS)
        path = api.path_of(broken)
        stored = api.request("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
        assert (stored["status"], stored["spec"]) == (FULL_STATUS, broken["spec"])

        targets = [*broken["spec"]["targets"], {"service": {"name": "cart"}}]
        with pytest.raises(ApiError, match=r"targets\[0\].*kind must start") as refused:
            api.request("PATCH", path, {"spec": {"targets": targets}}, content_type=MERGE)
        assert "spec.workload" not in refused.value.message, "the list is checked as a whole, the rest is not"


def _without_rules(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_rules(child) for key, child in schema.items() if key != "x-kubernetes-validations"}
    return [_without_rules(child) for child in schema] if isinstance(schema, list) else schema


def _refuses(api: Api, obj: Object) -> bool:
    try:
        api.request("POST", f"{api.path(BETA, 'ClientIntents', 'default')}?dryRun=All", obj)
    except ApiError as error:
        return error.status == 422
    return False


# --- What it refuses

TWO = {"kubernetes": {"name": "cart"}, "service": {"name": "cart"}}
NOT_ONE = "a target must have exactly one of kubernetes, service, kafka, sql, aws, gcp, azure, internet"
BAD_NAME = "a name in the cluster must be 'name' or 'name.namespace', with one dot at most"
BAD_KIND = "kind must start with an upper-case letter"
BAD_IP = "an item of ips must be an IPv4 or IPv6 address or CIDR block"
BAD_DOMAIN = "domains[0] in body should match"

REFUSED: list[tuple[str, Object, str]] = [
    ("two members", TWO, NOT_ONE),
    ("no member", {}, NOT_ONE),
    ("misspelt member", {"kubernets": {"name": "cart"}}, NOT_ONE),
    ("two dots", {"kubernetes": {"name": "cart.orders.svc"}}, BAD_NAME),
    ("two dots, service", {"service": {"name": "cart.orders.svc"}}, BAD_NAME),
    ("empty name", {"kubernetes": {"name": ""}}, BAD_NAME),
    ("empty namespace", {"service": {"name": "cart."}}, BAD_NAME),
    ("empty name before the dot", {"service": {"name": ".orders"}}, BAD_NAME),
    ("name of version 1", {"kubernetes": {"name": "svc:kubernetes.default"}}, BAD_NAME),
    ("no name", {"service": {}}, "service.name: Required value"),
    ("lower-case kind", {"kubernetes": {"name": "cart", "kind": "deployment"}}, BAD_KIND),
    ("method", {"service": {"name": "a", "http": [{"path": "/", "methods": ["HEAD"]}]}}, 'Unsupported value: "HEAD"'),
    ("kafka operation", {"kafka": {"name": "k", "topics": [{"name": "t", "operations": ["read"]}]}}, '"read"'),
    ("sql operation", {"sql": {"name": "d", "privileges": [{"databaseName": "d", "operations": ["DROP"]}]}}, '"DROP"'),
    ("no arn", {"aws": {"actions": ["s3:GetObject"]}}, "aws.arn: Required value"),
    ("empty arn", {"aws": {"arn": ""}}, "aws.arn in body should be at least 1 chars long"),
    ("no resource", {"gcp": {}}, "gcp.resource: Required value"),
    ("no scope", {"azure": {"roles": ["Reader"]}}, "azure.scope: Required value"),
    ("nothing to do in azure", {"azure": {"scope": "/a", "roles": []}}, "azure needs at least one of roles, actions"),
    ("roles and actions", {"azure": {"scope": "/a", "roles": ["r"], "actions": ["a"]}}, "azure takes either roles or"),
    ("roles and data actions", {"azure": {"scope": "/a", "roles": ["r"], "dataActions": ["a"]}}, "azure takes either"),
    ("key vault", {"azure": {"scope": "/a", "keyVaultPolicy": {"keyPermissions": ["read"]}}}, 'value: "read"'),
    ("nowhere", {"internet": {"ports": [443]}}, "internet needs at least one of domains, ips"),
    ("empty lists", {"internet": {"domains": [], "ips": []}}, "internet needs at least one of domains, ips"),
    ("bad address", {"internet": {"ips": ["10.0.0.300"]}}, BAD_IP),
    ("bad CIDR", {"internet": {"ips": ["10.0.0.0/33"]}}, BAD_IP),
    ("domain as address", {"internet": {"ips": ["example.com"]}}, BAD_IP),
    ("URL", {"internet": {"domains": ["https://example.com"]}}, "a domain must be a name such as api.example.com"),
    ("domain with a port", {"internet": {"domains": ["example.com:443"]}}, BAD_DOMAIN),
    ("empty domain", {"internet": {"domains": [""]}}, BAD_DOMAIN),
    ("two domains in one", {"internet": {"domains": ["a.example b.example"]}}, BAD_DOMAIN),
    ("port 0", {"internet": {"domains": ["a"], "ports": [0]}}, "ports[0] in body should be greater than or equal to 1"),
    ("big port", {"internet": {"domains": ["a"], "ports": [65536]}}, "should be less than or equal to 65535"),
]


@pytest.mark.parametrize(
    ("target", "rule"),
    [pytest.param(target, rule, id=name.replace(" ", "-")) for name, target, rule in REFUSED],
)
@pytest.mark.parametrize("version", [BETA, ALPHA], ids=["v2beta1", "v2alpha1"])
def test_bad_target_is_refused_with_the_rule(version: str, target: Object, rule: str, api: Api, namespace: str) -> None:
    good = {"service": {"name": "cart"}}
    with pytest.raises(ApiError) as refused:
        api.create(_intents(namespace, good, target, version=version))

    assert "spec.targets[1]" in refused.value.message, "it says which target"
    assert rule in refused.value.message


@pytest.mark.parametrize(
    ("workload", "rule"),
    [
        ({"name": "checkout.shop"}, "workload.name must not contain a dot"),
        ({"name": ""}, "spec.workload.name in body should be at least 1 chars long"),
        ({"kind": "deployment"}, BAD_KIND),
    ],
    ids=["dot", "empty", "lower-case-kind"],
)
def test_bad_workload_is_refused_with_the_rule(workload: dict[str, str], rule: str, api: Api, namespace: str) -> None:
    with pytest.raises(ApiError) as refused:
        api.create(_intents(namespace, **workload))

    assert rule in refused.value.message


def test_kubectl_shows_the_rule_to_a_person(kubectl: Kubectl, namespace: str) -> None:
    with pytest.raises(KubectlError, match=r"spec\.targets\[0\].*exactly one of .*: give each its own item"):
        kubectl.run("apply", "-f", "-", stdin=json.dumps(_intents(namespace, TWO)))
