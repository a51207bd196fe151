"""What a client's search list made of a name, and back.

A resolver library tries `name.<suffix>` for each suffix of its list before or after the bare name (resolv.conf(5),
`ndots`). The application asked for one name; DNS shows up to a dozen. The cluster's suffixes are known (kubelet writes
`<namespace>.svc.<domain>`, `svc.<domain>`, `<domain>`); those of the node are learned from the client's own attempts.
"""

from collections import OrderedDict

_MAX_SEARCHED = 512
_MAX_CANDIDATES = 64
_MAX_LEARNED = 32
"""Suffixes kept; the kubelet allows a pod no more."""
_BASES_TO_LEARN = 2
"""A suffix tried behind this many different names is one of the search list."""


class SearchList:
    """One client's search suffixes: the cluster's, and those learned."""

    def __init__(self, namespace: str, cluster_domain: str) -> None:
        self._cluster = (f".{namespace}.svc.{cluster_domain}", f".svc.{cluster_domain}", f".{cluster_domain}")
        self._learned: list[str] = []
        self._searched: OrderedDict[str, None] = OrderedDict()
        self._candidates: OrderedDict[str, set[str]] = OrderedDict()

    def base(self, name: str) -> str:
        """Return the name as the application has it: every suffix stripped, longest first, until none applies."""
        suffixes = (*self._cluster, *self._learned)
        while suffix := next((s for s in suffixes if name.endswith(s) and len(name) > len(s)), None):
            name = name.removesuffix(suffix)
        return name

    def variants(self, name: str) -> set[str]:
        """Return every name that leads to `name` through the search list: `name` with some suffixes stripped.

        `cart.orders.svc.cluster.local` is what asking for `cart`, `cart.orders` and `cart.orders.svc` ends in.
        """
        found: set[str] = set()
        pending = [name]
        while pending:
            variant = pending.pop()
            if variant not in found:
                found.add(variant)
                pending += [
                    variant.removesuffix(s)
                    for s in (*self._cluster, *self._learned)
                    if variant.endswith(s) and len(variant) > len(s)
                ]
        return found

    def note_attempt(self, name: str) -> bool:
        """Remember a failed name that carried a suffix of the cluster: its base went through the search list.

        Return whether that base is news.
        """
        if not name.endswith(self._cluster):
            return False
        base = self.base(name)
        is_new = base not in self._searched
        self._searched[base] = None
        self._searched.move_to_end(base)
        if len(self._searched) > _MAX_SEARCHED:
            self._searched.popitem(last=False)
        return is_new

    def learn_from_failure(self, name: str, answered: OrderedDict[str, None]) -> bool:
        """Look for a suffix in a failed name outside the cluster; return whether one was learned.

        `answered` holds names that resolved: behind one of those that was also searched, a suffix is certain at once.
        """
        for base in self._bases_before(name):
            suffix = name[len(base) :]
            tried = self._candidates.setdefault(suffix, set())
            tried.add(base)
            if len(self._candidates) > _MAX_CANDIDATES:
                self._candidates.popitem(last=False)
            if base in answered or len(tried) >= _BASES_TO_LEARN:
                return self._learn(suffix)
        return False

    def learn_from_answer(self, name: str, failed: list[str]) -> bool:
        """Look for failed names that are an answered, searched name and a suffix; return whether one was learned."""
        if name not in self._searched:
            return False
        suffixes = {f[len(name) :] for f in failed if f.startswith(name + ".")}
        return sum(map(self._learn, suffixes)) > 0

    def _bases_before(self, name: str) -> list[str]:
        labels = name.split(".")
        return [b for n in range(1, len(labels)) if (b := ".".join(labels[:n])) in self._searched]

    def _learn(self, suffix: str) -> bool:
        if suffix in self._learned or suffix in self._cluster or len(self._learned) >= _MAX_LEARNED:
            return False
        self._learned = sorted([*self._learned, suffix], key=len, reverse=True)
        self._candidates.pop(suffix, None)
        return True
