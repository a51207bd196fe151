"""Otterize's older objects as v2beta1: rule by rule; whole files are in tests/unit/cli/test_convert.py."""

from typing import Any

import pytest

from grapevine.intents.convert import convert
from grapevine.model.errors import PermanentInputError


def old(*calls: Any, version: str = "v1alpha3", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"k8s.otterize.com/{version}",
        "kind": "ClientIntents",
        "metadata": {"name": "c", "namespace": "shop"},
        "spec": {"service": {"name": "c"}, "calls": list(calls), **spec},
    }


def converted(*calls: Any, version: str = "v1alpha3") -> tuple[list[Any], list[str]]:
    """Return the targets, and the losses."""
    found = convert(old(*calls, version=version))
    return found.resource["spec"]["targets"], [each.text for each in found.remarks if each.is_loss]


@pytest.mark.parametrize(
    ("call", "target"),
    [
        ({"name": "a"}, {"kubernetes": {"name": "a"}}),
        ({"name": "a.ns", "kind": "Job", "type": "http"}, {"kubernetes": {"name": "a.ns", "kind": "Job"}}),
        ({"name": "svc:a.ns"}, {"service": {"name": "a.ns"}}),
        ({"name": "svc:a", "kind": "Service"}, {"service": {"name": "a"}}),
        ({"name": "k", "type": "kafka"}, {"kafka": {"name": "k"}}),
        ({"name": "db", "type": "database"}, {"sql": {"name": "db"}}),
        ({"name": "arn:aws:s3:::x", "awsActions": ["a"]}, {"aws": {"arn": "arn:aws:s3:::x", "actions": ["a"]}}),
        ({"name": "arn:aws:s3:::x"}, {"aws": {"arn": "arn:aws:s3:::x"}}),
        ({"internet": {"domains": ["a.example"]}}, {"internet": {"domains": ["a.example"]}}),
    ],
)
def test_each_type_of_call_becomes_its_member_without_loss(call: dict[str, Any], target: dict[str, Any]) -> None:
    assert ([target], []) == converted(call)


def test_what_has_no_type_is_said_to_be_guessed() -> None:
    (remark,) = convert(old({"name": "arn:aws:s3:::x", "awsActions": ["a"]})).remarks

    assert ("spec.calls[0] has no type; by its other fields it is taken for aws", False) == (
        remark.text,
        remark.is_loss,
    )


@pytest.mark.parametrize(
    ("call", "loss"),
    [
        ({"name": "a", "port": 1}, "spec.calls[0].port is not known in v1alpha3 and left out"),
        ({"name": "a", "type": "http", "kafkaTopics": [{}]}, "spec.calls[0].kafkaTopics means nothing for kubernetes"),
        ({"name": "a", "type": "kafka", "kind": "Pod"}, "spec.calls[0].kind means nothing for kafka"),
        ({"name": "a", "type": "ldap"}, "spec.calls[0].type 'ldap' is none of http, kafka, database"),
        ({"name": "svc:a", "kind": "Pod"}, "spec.calls[0].kind 'Pod' is left out"),
        ({"name": "a.b.c"}, "spec.calls[0].name 'a.b.c' is not `name` or `name.namespace`"),
        ({"name": "x", "type": "internet", "internet": {"ips": ["192.0.2.1"]}}, "spec.calls[0].name means nothing"),
        (
            {"name": "a", "HTTPResources": [{"path": "/", "methods": [], "query": "q"}]},
            "spec.calls[0].HTTPResources[0].query is not known in v1alpha3",
        ),
        ({"name": "a", "azureActions": ["x"], "type": "azure"}, "spec.calls[0].azureActions is not known in v1alpha3"),
    ],
)
def test_names_what_is_lost(call: dict[str, Any], loss: str) -> None:
    _, losses = converted(call)

    assert 1 == len(losses)
    assert losses[0].startswith(loss)


def test_an_empty_list_of_another_type_is_no_loss() -> None:
    assert ([{"kubernetes": {"name": "a"}}], []) == converted({"name": "a", "kafkaTopics": [], "awsActions": None})


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (old() | {"apiVersion": "k8s.otterize.com/v3"}, "apiVersion is k8s.otterize.com/v3: known are"),
        (old() | {"metadata": {}}, "metadata.name is missing"),
        (old() | {"metadata": {"name": "a", "namespace": 7}}, "metadata.namespace must be text"),
        (old() | {"kind": "Intents"}, "kind 'Intents' is none of ClientIntents, ProtectedService"),
        (old() | {"spec": None}, "spec is missing"),
        (old(service={}), "spec.service.name is missing"),
        (old(calls=None), "spec.calls must be a list"),
        (old("x"), "spec.calls[0] must have fields"),
        (old({"type": "http"}), "spec.calls[0].name is missing"),
        (old({"name": 7}), "spec.calls[0].name must be text, not 7"),
        (old({"name": "a", "HTTPResources": "x"}), "spec.calls[0].HTTPResources must be a list"),
        (old() | {"apiVersion": "k8s.otterize.com/v2beta1"}, "spec.workload.name is missing"),
    ],
)
def test_refuses_what_it_cannot_understand_and_names_the_field(resource: dict[str, Any], said: str) -> None:
    with pytest.raises(PermanentInputError) as refused:
        convert(resource)

    assert said in str(refused.value)


@pytest.mark.parametrize("target", [{}, {"service": {"name": "a"}, "kafka": {"name": "b"}}, {"nonsense": {}}])
def test_refuses_a_target_without_exactly_one_member(target: dict[str, Any]) -> None:
    new = {**old(), "apiVersion": "k8s.otterize.com/v2alpha1", "spec": {"workload": {"name": "c"}, "targets": [target]}}

    with pytest.raises(PermanentInputError, match=r"spec\.targets\[0\] has .* exactly one"):
        convert(new)


def test_v1_is_v1beta1_by_another_name() -> None:
    calls = [{"name": "/s", "type": "azure", "azureActions": ["x"]}]

    one, other = (convert(old(*calls, version=version)).resource for version in ("v1", "v1beta1"))
    assert one == other


def test_a_server_s_fields_are_left_out_and_said() -> None:
    resource = old() | {"status": {"upToDate": True}}
    resource["metadata"] = {**resource["metadata"], "uid": "u", "finalizers": ["f"], "labels": {"team": "shop"}}

    found = convert(resource)

    assert {"name": "c", "namespace": "shop", "labels": {"team": "shop"}} == found.resource["metadata"]
    assert "status" not in found.resource
    assert [
        "metadata: finalizers, uid left out: of the object it was read from",
        "status left out: the operator writes it anew",
    ] == [remark.text for remark in found.remarks]


def test_a_kafka_server_keeps_all_but_the_name_of_one_field() -> None:
    resource = {**old(), "kind": "KafkaServerConfig", "spec": {"service": {"name": "k"}, "addr": "k:9092"}}

    assert {"workload": {"name": "k"}, "addr": "k:9092"} == convert(resource).resource["spec"]
