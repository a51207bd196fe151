"""Domains that are shown as one: by rules of the settings, and by public suffix where that is asked for. Pure.

A group is the target of an edge and never what was asked for (docs/decisions/012-noise-and-scope.md).
"""

from collections.abc import Callable, Iterable

_WILDCARD = "*."
RegistrableOf = Callable[[str], str | None]
"""Tells the domain that somebody registered of a name: the public suffix and one label; None where it is no such."""


class DomainGroups:
    """Rules like `*.s3.amazonaws.com`, the one with the most labels first; then `*.<registrable domain>`."""

    def __init__(self, rules: Iterable[str] = (), registrable_of: RegistrableOf | None = None) -> None:
        self._parents = frozenset(rule.removeprefix(_WILDCARD) for rule in rules)
        self._registrable_of = registrable_of

    def group_of(self, domain: str) -> str:
        """Return the group of a domain, or the domain itself where it is in none."""
        _, _, parent = domain.partition(".")
        while parent:
            if parent in self._parents:
                return _WILDCARD + parent
            _, _, parent = parent.partition(".")
        name = domain.removeprefix(_WILDCARD)
        registrable = self._registrable_of(name) if self._registrable_of else None
        return domain if registrable in (None, name) else f"{_WILDCARD}{registrable}"
