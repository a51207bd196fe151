"""Search suffixes of one client that a wildcard record answers: every name of the world exists there. Pure; bounded.

With `search … corp.example` and `*.corp.example` in DNS, asking for `cart.shop.svc.cluster.local` or `api.example.com`
may be answered as `….corp.example` (kubernetes/kubernetes#49113). The proof is an answer to a complete name of the
cluster with a suffix behind it: nobody has such a host.
"""

from collections.abc import Callable, Iterable

_MAX_SUFFIXES = 8
_MAX_ADDRESSES = 64
MAX_NAMES = 4
"""Names kept of what was left out: a sample."""


class Wildcards:
    """The suffixes, each with the addresses its wildcard answers with."""

    __slots__ = ("_suffixes", "names")

    def __init__(self) -> None:
        self._suffixes: dict[str, set[str]] = {}
        self.names: tuple[str, ...] = ()
        """The newest names that were left out, the oldest first."""

    def __bool__(self) -> bool:
        return bool(self._suffixes)

    def learn(self, suffix: str, addresses: Iterable[str]) -> bool:
        """Take in a proof, `suffix` without leading dot; return whether it says anything new."""
        if suffix not in self._suffixes and len(self._suffixes) >= _MAX_SUFFIXES:
            return False
        is_new = suffix not in self._suffixes
        known = self._suffixes.setdefault(suffix, set())
        new = sorted(set(addresses) - known)[: _MAX_ADDRESSES - len(known)]
        known.update(new)
        return is_new or bool(new)

    def asked_for(self, name: str, addresses: Iterable[str], is_answered: Callable[[str], bool]) -> str | None:
        """Return the name that the application asked for, where a wildcard answered for it; None where none did.

        A name of one label may well be a host of that domain, so what is before the suffix has a dot. It is the
        wildcard's where it led to an address of the wildcard's, or where what is before the suffix resolves itself.
        """
        for suffix, known in self._suffixes.items():
            base = name.removesuffix("." + suffix)
            if base != name and "." in base and (is_answered(base) or not known.isdisjoint(addresses)):
                return base
        return None

    def is_within(self, name: str) -> bool:
        """Whether a wildcard answers for that name without a search list, too."""
        return any(name.endswith("." + suffix) for suffix in self._suffixes)

    def variants(self, name: str) -> list[str]:
        """Return what the search list makes of a name with these suffixes."""
        return [f"{name}.{suffix}" for suffix in self._suffixes]

    def leave_out(self, name: str) -> None:
        """Keep a name for who asks what was left out."""
        if name not in self.names:
            self.names = (*self.names, name)[-MAX_NAMES:]
