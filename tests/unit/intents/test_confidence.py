"""How sure an edge is: the rules, and that the reference says the same."""

import re
from pathlib import Path

import pytest

from grapevine.intents.confidence import RULES, confidence, rule_of

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "confidence.md"


@pytest.mark.parametrize(
    ("evidence", "percent"),
    [
        (["dns", "connection"], 95),
        (["dns-unready", "connection"], 90),
        (["dns", "dns-unready"], 75),
        (["dns-unready"], 50),
        (["something-new"], 0),
        ([], 0),
    ],
)
def test_the_first_rule_whose_evidence_is_all_there_counts(evidence: list[str], percent: int) -> None:
    assert confidence(evidence) == percent


def test_more_evidence_is_never_less_sure() -> None:
    assert [rule.percent for rule in RULES] == sorted((rule.percent for rule in RULES), reverse=True)


def test_a_rule_says_what_is_known() -> None:
    rule = rule_of(["dns"])

    assert rule is not None
    assert rule.says.startswith("it looked the name up and was answered")
    assert rule_of(["something-new"]) is None


def test_the_reference_has_the_rules_word_for_word() -> None:
    rows = re.findall(r"^\| (`.*?) \| (\d+) \| (.*) \|$", REFERENCE.read_text(), re.MULTILINE)

    assert rows == [(", ".join(f"`{e}`" for e in r.evidence), str(r.percent), r.says) for r in RULES]
