"""What Grapevine may do to ClientIntents objects: a value, so that no writer decides it by an `if` of its own."""

from enum import StrEnum


class WritePolicy(StrEnum):
    """Each allows what the one before it does, and more. None touches the spec of a person's object."""

    OBSERVE = "observe"
    """Reports into the status of objects that are there, and makes or changes nothing else."""
    UPSERT_ONLY = "upsert-only"
    """Also makes discovered objects and keeps their spec; deletes none, so it needs no right to."""
    SYNC = "sync"
    """Also deletes discovered objects that say nothing any more, or that a person's object replaces."""
