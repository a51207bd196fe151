"""What is said of an object as a Kubernetes Event."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """A ClientIntents object, this one and no later one of its name."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to be said, once."""

    about: ObjectRef
    reason: str
    """For machines, UpperCamelCase: one of those in docs/reference/news.md."""
    note: str
    """For people, one line."""
    is_warning: bool = False
    subject: str = ""
    """What tells it from others of its reason about the same object; empty where there is one of the reason alone."""
