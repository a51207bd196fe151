"""Which pods the map is about, as clients: by namespace, label and annotation. Pure.

Leaving a workload out never cuts an edge that leads to it: the map of another client would be wrong without
(docs/decisions/012-noise-and-scope.md).
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from grapevine.settings import ScopeSettings

_TRUE = frozenset({"true", "1", "yes"})


def is_pod_in(scope: ScopeSettings, labels: Mapping[str, str], annotations: Mapping[str, str]) -> bool:
    """Whether a pod's own metadata leaves it in; asked once, when its record is made."""
    if annotations.get(scope.ignore_annotation, "").lower() in _TRUE:
        return False
    if scope.labels and not _carries_one(labels, scope.labels):
        return False
    return not _carries_one(labels, scope.excluded_labels)


def _carries_one(labels: Mapping[str, str], wanted: Iterable[str]) -> bool:
    for each in wanted:
        key, has_value, value = each.partition("=")
        if labels.get(key) == value if has_value else key in labels:
            return True
    return False


class Namespaces:
    """The namespaces the map is about; remembers what it was asked, of which there are as many as namespaces."""

    def __init__(self, scope: ScopeSettings) -> None:
        self._scope = scope
        self._known: dict[str, bool] = {}

    def holds(self, namespace: str) -> bool:
        """Whether the namespace is included, if any are named, and not excluded."""
        known = self._known.get(namespace)
        if known is None:
            scope = self._scope
            is_included = not scope.namespaces or any(fnmatchcase(namespace, each) for each in scope.namespaces)
            is_excluded = any(fnmatchcase(namespace, each) for each in scope.excluded_namespaces)
            known = self._known[namespace] = is_included and not is_excluded
        return known
