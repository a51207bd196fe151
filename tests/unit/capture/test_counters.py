from pathlib import Path

from grapevine.capture.counters import Counters, Reason
from grapevine.wire.schema import MAX_COUNTERS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "capture.md"


def test_every_reason_stands_in_the_reference_as_the_code_has_it() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `") and "`" in line]
    expected = [f"| `{r}` | {r.kind} | {r.meaning} |" for r in Reason]
    assert [row for row in rows if row in expected] == expected


def test_a_snapshot_has_what_occurred_and_fits_the_wire() -> None:
    counters = Counters()
    counters.add(Reason.FOLDED)
    counters.add(Reason.FRAMES, 2)
    counters.add(Reason.EVENTS, 0)
    assert counters.snapshot() == {"frames": 2, "folded": 1}
    assert len(Reason) < MAX_COUNTERS
