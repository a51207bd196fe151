"""How sure an edge is, from what it was seen by alone. The scale: docs/reference/confidence.md."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Rule:
    """What one combination of evidence is worth."""

    evidence: tuple[str, ...]
    """Kinds that must all be there, sorted."""
    percent: int
    says: str
    """What is known then, and what is not."""


RULES = (
    Rule(
        ("connection", "dns"),
        95,
        "it looked the name up, was answered, and opened a connection there: two sources that know nothing of each "
        "other agree",
    ),
    Rule(
        ("connection",),
        90,
        "it opened a connection to an address of the target's; nobody was heard to look it up",
    ),
    Rule(("dns",), 75, "it looked the name up and was answered; that it then connected is likely, and was not seen"),
    Rule(
        ("dns-unready",),
        50,
        "it looked up a Service that exists, and nothing ready was there to be answered with",
    ),
)
"""The first one whose evidence is all there counts."""


def rule_of(evidence: Iterable[str]) -> Rule | None:
    """Return the rule that counts; None where no kind of evidence is known."""
    return _rule_of(frozenset(evidence))


def confidence(evidence: Iterable[str]) -> int:
    """Return percent; 0 where no kind of evidence is known."""
    rule = rule_of(evidence)
    return rule.percent if rule else 0


@lru_cache(maxsize=64)  # a map asks for each of its calls; the kinds of a status may be anything
def _rule_of(kinds: frozenset[str]) -> Rule | None:
    return next((rule for rule in RULES if kinds.issuperset(rule.evidence)), None)
