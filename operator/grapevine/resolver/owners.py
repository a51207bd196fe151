"""Owner chains: from a pod's controller up to the root that names the workload."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from grapevine.resolver.records import OwnerKey, OwnerRecord

STANDARD_OWNERS = {
    "ReplicaSet": "apps",
    "Deployment": "apps",
    "StatefulSet": "apps",
    "DaemonSet": "apps",
    "Job": "batch",
    "CronJob": "batch",
}
"""Kinds of owners that are always followed, with their API groups."""
_JOB_OF_CRONJOB = re.compile(r"(?P<cronjob>.+)-\d+")
_MAX_DEPTH = 16
"""Longer chains do not occur; a cycle, which the API does not forbid, ends here."""
MAX_TOMBSTONES = 20_000
"""Owners that are gone and kept for their pods; the one gone longest gives way, those that pods need last."""


Place = tuple[str, str, str, str]
"""Namespace, group, kind and name; no namespace for what is of the whole cluster."""


@dataclass(frozen=True, slots=True)
class Root:
    """Top of an owner chain."""

    kind: str
    name: str
    is_certain: bool
    """False where an object that the informers should deliver is missing: it may only be late."""
    unread: str = ""
    """Kind and group of an owner that could not be read, so that it stands for what may be above it; else empty."""


class OwnerIndex:
    """Owners by namespace, group, kind and name; a removed one stays while the caller keeps pods of it.

    The uid is a check among owners of one name: the one whose uid the reference carries, else the newest.
    """

    def __init__(self, *, max_tombstones: int = MAX_TOMBSTONES) -> None:
        self._followed = {(group, kind) for kind, group in STANDARD_OWNERS.items()}
        self._max_tombstones = max_tombstones
        self._records: dict[Place, dict[str, OwnerRecord]] = {}
        self._gone_ms: dict[tuple[Place, str], int] = {}
        self.forgotten = 0
        """Owners that gave way to the bound."""

    def follow(self, group: str, kind: str) -> None:
        """Take in that all owners of a kind are told of from now on: one that is missing may only be late."""
        self._followed.add((group, kind))

    def put(self, record: OwnerRecord) -> bool:
        """Take in an owner; return whether anything about it is new."""
        place = _place(record)
        generations = self._records.setdefault(place, {})
        self._gone_ms.pop((place, record.uid), None)
        if generations.get(record.uid) == record:
            return False
        generations.pop(record.uid, None)
        generations[record.uid] = record
        return True

    def mark_gone(self, record: OwnerRecord, at_ms: int) -> None:
        """Remember that the owner was deleted; its pods' look-ups may still arrive."""
        place = _place(record)
        if record.uid in self._records.get(place, ()):
            self._gone_ms[place, record.uid] = at_ms
            if len(self._gone_ms) > self._max_tombstones:
                self.forgotten += 1
                self._drop(next(iter(self._gone_ms)))

    def forget_before(self, at_ms: int, owned: Iterable[tuple[str, OwnerKey]]) -> None:
        """Drop owners deleted before `at_ms`; `owned` are the owners, by namespace, of pods whose chains must stay."""
        due = [k for k, gone_ms in self._gone_ms.items() if gone_ms < at_ms]
        needed = self._above(owned) if due else set()
        for key in due:
            if key[0] in needed:
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
            if key[2] == "DaemonSet"
            for record in generations.values()
            if record.is_dns_cache and (key, record.uid) not in self._gone_ms
        ]

    def _drop(self, key: tuple[Place, str]) -> None:
        del self._gone_ms[key]
        place, uid = key
        generations = self._records[place]
        del generations[uid]
        if not generations:
            del self._records[place]

    def _above(self, owned: Iterable[tuple[str, OwnerKey]]) -> set[Place]:
        found: set[Place] = set()
        for namespace, first in owned:
            owner: OwnerKey | None = first
            while owner is not None and (place := (namespace, owner.group, owner.kind, owner.name)) not in found:
                found |= {place, ("", *place[1:])}
                record = self._find(namespace, owner)
                owner = record.owner if record else None
        return found

    def _find(self, namespace: str, owner: OwnerKey) -> OwnerRecord | None:
        generations = self._records.get((namespace, owner.group, owner.kind, owner.name)) or self._records.get(
            ("", owner.group, owner.kind, owner.name)
        )
        if not generations:
            return None
        return generations.get(owner.uid) or next(reversed(generations.values()))

    def _root_of_missing(self, namespace: str, owner: OwnerKey) -> Root:
        if owner.kind == "Job" and (match := _JOB_OF_CRONJOB.fullmatch(owner.name)):
            # A finished Job is gone soon (ttlSecondsAfterFinished, history limits); its name still tells its CronJob.
            cronjob = match["cronjob"]
            if (namespace, owner.group, "CronJob", cronjob) in self._records:
                return Root("CronJob", cronjob, is_certain=True)
        kind = f"{owner.kind}.{owner.group}" if owner.group else owner.kind
        return Root(owner.kind, owner.name, is_certain=(owner.group, owner.kind) not in self._followed, unread=kind)


def _place(record: OwnerRecord) -> Place:
    return record.namespace, record.group, record.kind, record.name
