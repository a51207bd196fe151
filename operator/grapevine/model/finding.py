"""Something that was looked at and found, good or bad: what `grapevine doctor` prints."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; nothing has to be done."""
    WARNING = "warning"
    """Works, but not wholly, or not tried."""
    UNKNOWN = "unknown"
    """Could not be looked at."""
    BLOCKER = "blocker"
    """Before an apply: do not yet. Of a running operator: the map is not to be relied on."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    check: str
    """What was looked at, in a word or two; of a running operator a code, the label value of `grapevine_findings`."""
    level: Level
    found: str
    means: str = ""
    """For Grapevine; empty where that is plain."""
    remedy: str = ""
    """What to do, where there is something; a command where one does it."""
