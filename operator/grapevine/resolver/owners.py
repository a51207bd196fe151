"""Owner chains: from a pod's controller up to the root that names the workload."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from grapevine.resolver.records import OwnerKey, OwnerRecord

_JOB_OF_CRONJOB = re.compile(r"(?P<cronjob>.+)-\d+")
_MAX_DEPTH = 16
"""Longer chains do not occur; a cycle, which the API does not forbid, ends here."""
MAX_TOMBSTONES = 20_000
"""Owners that are gone and kept for their pods; the one gone longest gives way, those that pods need last."""


@dataclass(frozen=True, slots=True)
class Root:
    """Top of an owner chain."""

    kind: str
    name: str
    is_certain: bool
    """False where an object that the informers should deliver is missing: it may only be late."""


class OwnerIndex:
    """Owners by (namespace, kind, name); a removed one stays while the caller keeps pods of it.

    The uid is a check among owners of one name: the one whose uid the reference carries, else the newest.
    """

    def __init__(self, readable_kinds: frozenset[str], *, max_tombstones: int = MAX_TOMBSTONES) -> None:
        self._readable_kinds = readable_kinds
        self._max_tombstones = max_tombstones
        self._records: dict[tuple[str, str, str], dict[str, OwnerRecord]] = {}
        self._gone_ms: dict[tuple[str, str, str, str], int] = {}
        self.forgotten = 0
        """Owners that gave way to the bound."""

    def put(self, record: OwnerRecord) -> bool:
        """Take in an owner; return whether anything about it is new."""
        generations = self._records.setdefault((record.namespace, record.kind, record.name), {})
        self._gone_ms.pop((record.namespace, record.kind, record.name, record.uid), None)
        if generations.get(record.uid) == record:
            return False
        generations.pop(record.uid, None)
        generations[record.uid] = record
        return True

    def mark_gone(self, record: OwnerRecord, at_ms: int) -> None:
        """Remember that the owner was deleted; its pods' look-ups may still arrive."""
        if record.uid in self._records.get((record.namespace, record.kind, record.name), ()):
            self._gone_ms[record.namespace, record.kind, record.name, record.uid] = at_ms
            if len(self._gone_ms) > self._max_tombstones:
                self.forgotten += 1
                self._drop(next(iter(self._gone_ms)))

    def forget_before(self, at_ms: int, owned: Iterable[tuple[str, OwnerKey]]) -> None:
        """Drop owners deleted before `at_ms`; `owned` are the owners, by namespace, of pods whose chains must stay."""
        due = [k for k, gone_ms in self._gone_ms.items() if gone_ms < at_ms]
        needed = self._above(owned) if due else set()
        for key in due:
            if key[:3] in needed:
                self._gone_ms[key] = self._gone_ms.pop(key)  # behind those that nobody may need
            else:
                self._drop(key)

    def root_of(self, namespace: str, owner: OwnerKey) -> Root:
        """Return the root above `owner`; where the chain cannot be read further, that reference's name and kind."""
        for _ in range(_MAX_DEPTH):
            record = self._find(namespace, owner)
            if record is None:
                return self._root_of_missing(namespace, owner)
            if record.owner is None:
                return Root(owner.kind, owner.name, is_certain=True)
            owner = record.owner
        return Root(owner.kind, owner.name, is_certain=True)

    def dns_caches(self) -> list[OwnerRecord]:
        """Return the DaemonSets of NodeLocal DNSCache that are there; O(owners)."""
        return [
            record
            for key, generations in self._records.items()
            if key[1] == "DaemonSet"
            for record in generations.values()
            if record.is_dns_cache and (*key, record.uid) not in self._gone_ms
        ]

    def _drop(self, key: tuple[str, str, str, str]) -> None:
        del self._gone_ms[key]
        generations = self._records[key[:3]]
        del generations[key[3]]
        if not generations:
            del self._records[key[:3]]

    def _above(self, owned: Iterable[tuple[str, OwnerKey]]) -> set[tuple[str, str, str]]:
        found: set[tuple[str, str, str]] = set()
        for namespace, first in owned:
            owner: OwnerKey | None = first
            while owner is not None and (key := (namespace, owner.kind, owner.name)) not in found:
                found.add(key)
                record = self._find(namespace, owner)
                owner = record.owner if record else None
        return found

    def _find(self, namespace: str, owner: OwnerKey) -> OwnerRecord | None:
        generations = self._records.get((namespace, owner.kind, owner.name))
        if not generations:
            return None
        return generations.get(owner.uid) or next(reversed(generations.values()))

    def _root_of_missing(self, namespace: str, owner: OwnerKey) -> Root:
        if owner.kind == "Job" and (match := _JOB_OF_CRONJOB.fullmatch(owner.name)):
            # A finished Job is gone soon (ttlSecondsAfterFinished, history limits); its name still tells its CronJob.
            cronjob = match["cronjob"]
            if (namespace, "CronJob", cronjob) in self._records:
                return Root("CronJob", cronjob, is_certain=True)
        return Root(owner.kind, owner.name, is_certain=owner.kind not in self._readable_kinds)
