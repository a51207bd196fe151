"""The fields of a spec, held against the CRD; their order; and what is done with others."""

from typing import Any

import pytest
import yaml
from tests.support.objects import CRD

from grapevine.intents.schema import MAX_DEPTH, SPEC, Fields, Items, Scalar, Shape, fitted, ordered
from grapevine.model.errors import PermanentInputError

_SCALARS = {Scalar.TEXT: "string", Scalar.INTEGER: "integer"}


def names_in(shape: Shape) -> Any:
    if isinstance(shape, Fields):
        return {name: names_in(of) for name, of in shape.of.items()}
    return [names_in(shape.of)] if isinstance(shape, Items) else _SCALARS[shape]


def names_in_crd(schema: dict[str, Any]) -> Any:
    if schema["type"] == "object":
        return {name: names_in_crd(of) for name, of in schema["properties"].items()}
    return [names_in_crd(schema["items"])] if schema["type"] == "array" else schema["type"]


def test_knows_exactly_the_fields_of_the_crd() -> None:
    for version in yaml.safe_load(CRD.read_text())["spec"]["versions"]:
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        assert names_in_crd(spec) == names_in(SPEC)


def test_orders_keys_as_the_schema_does_and_unknown_ones_behind_them() -> None:
    found = ordered({"targets": [{"kubernetes": {"z": 1, "kind": "D", "a": 2, "name": "x"}}], "workload": {}})

    assert ["workload", "targets"] == list(found)
    assert ["name", "kind", "a", "z"] == list(found["targets"][0]["kubernetes"])


def test_refuses_what_is_nested_without_end() -> None:
    value: Any = {}
    for _ in range(MAX_DEPTH + 1):
        value = {"a": value}

    with pytest.raises(PermanentInputError, match="deeper"):
        ordered(value)


def test_names_every_field_it_leaves_out() -> None:
    unknown: list[str] = []
    spec = {"workload": {"name": "a", "age": 3}, "targets": [{"service": {"name": "b", "port": 1}}], "mode": None}

    assert {"workload": {"name": "a"}, "targets": [{"service": {"name": "b"}}]} == fitted(spec, SPEC, "spec", unknown)
    assert {"spec.mode", "spec.workload.age", "spec.targets[0].service.port"} == set(unknown)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"targets": "x"}, "spec.targets must be a list, not 'x'"),
        ({"workload": []}, "spec.workload must have fields, not be a list"),
        ({"workload": {"name": 7}}, "spec.workload.name must be text, not 7: put it in quotes"),
        ({"targets": [{"internet": {"ports": ["443"]}}]}, "spec.targets[0].internet.ports[0] must be a whole number"),
        ({"targets": [{"internet": {"ports": [True]}}]}, "must be a whole number, not True"),
    ],
)
def test_names_the_field_that_holds_something_else(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(PermanentInputError) as refused:
        fitted(spec, SPEC, "spec", [])

    assert said in str(refused.value)
