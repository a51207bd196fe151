"""What can be said of the CRD without an API server."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CRD = yaml.safe_load((ROOT / "crds" / "clientintents.yaml").read_text())
VERSIONS = {version["name"]: version for version in CRD["spec"]["versions"]}

Schema = dict[str, Any]


def _fields(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    for name, child in schema.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from _fields(child, f"{path}.{name}")
    if items := schema.get("items"):
        yield f"{path}[]", items
        yield from _fields(items, f"{path}[]")


FIELDS = dict(_fields(VERSIONS["v2beta1"]["schema"]["openAPIV3Schema"], ""))


def test_identity_is_otterizes() -> None:
    names = CRD["spec"]["names"]
    assert CRD["metadata"]["name"] == "clientintents.k8s.otterize.com"
    assert (CRD["spec"]["group"], CRD["spec"]["scope"]) == ("k8s.otterize.com", "Namespaced")
    assert (names["kind"], names["plural"], names["singular"]) == ("ClientIntents", "clientintents", "clientintents")


def test_versions_need_no_conversion() -> None:
    beta, alpha = VERSIONS["v2beta1"], VERSIONS["v2alpha1"]
    assert CRD["spec"]["conversion"] == {"strategy": "None"}
    for part in ("schema", "additionalPrinterColumns", "subresources"):
        assert beta[part] == alpha[part], part


def test_stores_v2alpha1_and_serves_both() -> None:
    assert [name for name, version in VERSIONS.items() if version["storage"]] == ["v2alpha1"]
    assert all(version["served"] for version in VERSIONS.values())


def test_columns_in_order() -> None:
    columns = VERSIONS["v2beta1"]["additionalPrinterColumns"]
    shown = [column["name"].upper() for column in columns if not column.get("priority")]
    assert shown == ["WORKLOAD", "KIND", "TARGETS", "UNDECLARED", "MODE", "READY", "LAST-SEEN", "AGE"]


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_is_described(path: str) -> None:
    description = FIELDS[path].get("description", "")
    assert description.endswith("."), f"{path}: {description!r} is no sentence"


def test_every_rule_says_what_to_do() -> None:
    rules = [(path, rule) for path, field in FIELDS.items() for rule in field.get("x-kubernetes-validations", [])]
    assert len(rules) >= 10
    for path, rule in rules:
        assert ":" in rule["message"], f"{path}: {rule['message']!r} names no remedy"


def test_reference_quotes_every_rule() -> None:
    reference = (ROOT / "docs" / "reference" / "clientintents.md").read_text()
    rules = [rule for field in FIELDS.values() for rule in field.get("x-kubernetes-validations", [])]
    quoted = {re.split(r" ?[:(]", rule["message"])[0] for rule in rules}
    assert [text for text in quoted if text not in reference] == []


def test_no_status_field_is_required_beyond_the_standard_conditions() -> None:
    required = {path for path, field in FIELDS.items() if path.startswith(".status") and field.get("required")}
    assert {".status.conditions[]"} == required
