"""The alert rules, run by promtool; and everything that is made of them."""

import re
from typing import Any

import pytest
import yaml
from tests.support.generated import check_file, check_section
from tests.support.manifests import DEPLOY
from tests.support.prometheus import promtool

pytestmark = pytest.mark.integration

RULES = DEPLOY / "monitoring" / "alerts.yaml"
TESTS = DEPLOY / "monitoring" / "alerts_test.yaml"
COMPONENT = DEPLOY / "components" / "alerts" / "prometheus-rule.yaml"
PAGE = DEPLOY.parent / "docs" / "reference" / "metrics.md"
THIS = "tests/integration/test_alerts.py"
VALUE = re.compile(r"\{\{ \$(?:labels\.)?(\w+)[^}]*\}\}")


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_every_alert_fires_when_it_should_and_keeps_quiet_when_all_is_well() -> None:
    assert "SUCCESS" in promtool("test", "rules", TESTS)


def test_no_alert_is_without_a_test_of_either_kind() -> None:
    names = {each["alert"] for each in alerts()}
    cases = [
        (each["name"], case["alertname"], bool(case["exp_alerts"]))
        for each in yaml.safe_load(TESTS.read_text())["tests"]
        for case in each["alert_rule_test"]
    ]

    assert names == {alert for _, alert, fires in cases if fires}
    assert names == {alert for name, alert, fires in cases if name == "all is well" and not fires}


def test_every_alert_says_what_it_is_and_how_bad() -> None:
    for each in alerts():
        assert each["labels"]["severity"] in ("critical", "warning", "info")
        assert {"summary", "description"} == set(each["annotations"])


def test_the_component_is_the_rules() -> None:
    meta = {"name": "grapevine", "namespace": "grapevine-system"}
    head = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": meta}
    body = {**head, "spec": yaml.safe_load(RULES.read_text())}
    text = f"# Made of deploy/monitoring/alerts.yaml by {THIS}\n{yaml.safe_dump(body, sort_keys=False, width=200)}"

    check_file(COMPONENT, THIS, text)


def test_the_table_is_of_the_alerts_there_are() -> None:
    rows = ["| alert | severity | for | is | then |", "|---|---|---|---|---|"]
    for each in alerts():
        summary, then = (each["annotations"][name] for name in ("summary", "description"))
        shown = VALUE.sub(r"`\1`", summary)
        rows.append(f"| `{each['alert']}` | {each['labels']['severity']} | {each.get('for', '')} | {shown} | {then} |")

    check_section(PAGE, THIS, "\n".join(rows))
