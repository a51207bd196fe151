"""Whose an object is."""

from typing import Any

import pytest
from tests.support.builders import an_object

from grapevine.intents.read import read_intents

SPEC = {"f:spec": {"f:targets": {}}}
LABELS = {"f:metadata": {"f:labels": {"f:team": {}}}}


def is_discovered(*managers: dict[str, Any], label: bool = True) -> bool:
    resource: dict[str, Any] = an_object(discovered=label)
    resource["metadata"]["managedFields"] = list(managers)
    return read_intents(resource).discovered


def manager(name: str, fields: dict[str, Any], operation: str = "Apply", subresource: str = "") -> dict[str, Any]:
    entry = {"manager": name, "operation": operation, "fieldsV1": fields}
    return {**entry, "subresource": subresource} if subresource else entry


OURS = manager("grapevine", SPEC)


def test_with_the_label_and_our_hand_alone_it_is_ours() -> None:
    assert is_discovered(OURS, manager("grapevine", {"f:status": {}}, subresource="status"))


def test_without_the_label_it_is_a_persons() -> None:
    assert not is_discovered(OURS, label=False)


@pytest.mark.parametrize("operation", ["Apply", "Update"])
@pytest.mark.parametrize("who", ["kubectl-edit", "kubectl", "argocd-controller", "kustomize-controller"])
def test_who_has_written_to_the_spec_has_taken_it_over_whatever_the_label(who: str, operation: str) -> None:
    assert not is_discovered(OURS, manager(who, SPEC, operation))


@pytest.mark.parametrize(
    "other", [manager("kubectl-label", LABELS), manager("network-mapper", SPEC, "Update", "status"), {}, {"manager": 3}]
)
def test_labels_status_and_nonsense_of_others_change_nothing(other: dict[str, Any]) -> None:
    assert is_discovered(OURS, other)
