"""What of a status a served schema keeps."""

from typing import Any

import pytest
import yaml
from tests.support.objects import CRD
from tests.support.otterize_schema import INTENTS_SCHEMAS

from grapevine.intents.kept import STATUS, KeptStatus, kept_status
from grapevine.intents.schema import Fields, Items, Shape

OURS = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def paths(shape: Shape, path: str = "") -> set[str]:
    if isinstance(shape, Items):
        return paths(shape.of, f"{path}[]")
    if isinstance(shape, Fields):
        return {found for name, of in shape.of.items() for found in paths(of, f"{path}.{name}")}
    return {path}


def paths_of_crd(schema: dict[str, Any], path: str = "") -> set[str]:
    if schema["type"] == "array":
        return paths_of_crd(schema["items"], f"{path}[]")
    if schema["type"] == "object":
        return {found for name, of in schema["properties"].items() for found in paths_of_crd(of, f"{path}.{name}")}
    return {path}


def test_what_is_written_is_what_the_crd_has() -> None:
    assert paths_of_crd(OURS["properties"]["status"]) == paths(STATUS)


def test_our_own_schema_keeps_everything() -> None:
    assert KeptStatus() == kept_status(OURS)


def test_otterizes_schema_keeps_what_is_otterizes_and_is_not_ours() -> None:
    kept = kept_status(INTENTS_SCHEMAS["v2beta1"])

    assert ("mode", "lastSeen", "summary", "conditions", "observed", "truncated") == kept.lacking
    assert not kept.is_ours
    assert {"upToDate", "observedGeneration", "resolvedIPs"} == kept.of.of.keys()
    assert not kept.keeps("observed[].heardSeconds")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        {"type": "object", "additionalProperties": {"type": "string"}},
    ],
)
def test_a_schema_that_keeps_all_that_comes_keeps_everything(schema: dict[str, Any]) -> None:
    assert KeptStatus() == kept_status({"type": "object", "properties": {"status": schema}})


@pytest.mark.parametrize("schema", [{}, {"properties": 3}, {"properties": {"status": {"type": "string"}}}])
def test_a_schema_without_a_status_keeps_nothing_of_one(schema: dict[str, Any]) -> None:
    kept = kept_status(schema)

    assert tuple(STATUS.of) == kept.lacking
    assert {"status": {}} == kept.fit({"status": {"mode": "Observe"}})


def test_a_field_of_another_type_is_not_kept() -> None:
    status = {**OURS["properties"]["status"]["properties"], "mode": {"type": "integer"}, "observed": {"type": "object"}}

    kept = kept_status({"properties": {"status": {"type": "object", "properties": status}}})

    assert ("mode", "observed") == kept.lacking
    assert {"status": {"truncated": True}} == kept.fit(
        {"status": {"mode": "Observe", "observed": [], "truncated": True}}
    )
