"""docs/reference/metrics.md names every metric there is, and nothing that names metrics names another."""

import re
from pathlib import Path

from tests.support.generated import check_section
from tests.support.metrics import all_families, labels_in, shown_name

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "metrics.md"
NAME = re.compile(r"\bgrapevine_[a-z_]+\b")
ELSEWHERE = re.compile(r"grapevine_(pcap|system|operator)\b|grapevine_\w*_$")
"""What looks like a metric in a text, and is none: a prefix that is continued otherwise."""


def test_the_table_is_of_the_metrics_there_are() -> None:
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for family in sorted(all_families(), key=shown_name):
        labels = ", ".join(f"`{label}`" for label in labels_in(family))
        rows.append(f"| `{shown_name(family)}` | {family.kind} | {labels} | {family.help} |")

    check_section(PAGE, "tests/unit/test_metrics_page.py", "\n".join(rows))


def test_a_metric_has_one_name_and_a_sentence() -> None:
    families = all_families()

    names = [shown_name(family) for family in families]
    assert len(names) == len(set(names))
    assert [] == [each.name for each in families if not re.fullmatch(r"[A-Z1].*\.", each.help)]
    assert [] == [each.name for each in families if not each.name.startswith(("grapevine_", "traces_service_graph_"))]


def test_no_page_dashboard_or_rule_names_a_metric_that_is_not_there() -> None:
    known = {shown_name(family) for family in all_families()}
    texts = [
        path
        for pattern in ("docs/**/*.md", "deploy/**/*.md", "deploy/**/*.yaml", "deploy/**/*.json", "README.md")
        for path in ROOT.glob(pattern)
    ]

    named = {(path.relative_to(ROOT).as_posix(), name) for path in texts for name in NAME.findall(path.read_text())}
    assert [] == sorted((path, name) for path, name in named if name not in known and not ELSEWHERE.match(name))
