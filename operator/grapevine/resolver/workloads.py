"""Which workload a pod is of: its override, or the root above its controller; remembered until an owner changes."""

import re
from collections.abc import Collection

from grapevine.model.workload import WorkloadRef
from grapevine.resolver.owners import OwnerIndex
from grapevine.resolver.records import OwnerRecord, PodRecord

_WORKLOAD_NAME = re.compile(r"[A-Za-z0-9_-]{1,253}")
"""Names that the resource accepts; an override annotation with another value is no override."""
_MAX_REMEMBERED = 40_000
"""Pods; over it all are asked about anew."""
_MAX_UNREAD = 10_000
"""Workloads remembered as named by an owner that could not be read; the first gives way."""


class Workloads:
    """Owners, joined with the pods that are asked about."""

    def __init__(self) -> None:
        self.owners = OwnerIndex()
        """To be asked; fed through here alone."""
        self._remembered: dict[str, tuple[PodRecord, tuple[WorkloadRef, bool]]] = {}
        """By the pod's uid."""
        self.unread: dict[WorkloadRef, str] = {}
        """Workloads named by an owner that could not be read → its kind and group."""

    def follow(self, group: str, kind: str) -> None:
        """Take in that all owners of a kind are told of from now on: one that is missing may only be late."""
        self.owners.follow(group, kind)
        self._remembered.clear()

    def put(self, record: OwnerRecord) -> bool:
        """Take in an owner; return whether anything about it is new."""
        is_new = self.owners.put(record)
        if is_new:
            self._remembered.clear()
            self.unread.pop(WorkloadRef(record.namespace, record.kind, record.name.replace(".", "_")), None)
        return is_new

    def mark_gone(self, record: OwnerRecord, at_ms: int) -> None:
        """Remember that the owner was deleted; its pods' look-ups may still arrive."""
        self.owners.mark_gone(record, at_ms)
        self._remembered.clear()

    def forget_before(self, at_ms: int, pods: Collection[PodRecord]) -> None:
        """Drop owners deleted before `at_ms`, and what is remembered; `pods` are those whose chains must stay."""
        self._remembered.clear()
        self.owners.forget_before(at_ms, ((p.namespace, p.owner) for p in pods if p.owner))

    def workload_of(self, pod: PodRecord) -> tuple[WorkloadRef, bool]:
        """Return the pod's workload, and whether that is certain (False: an owner may only be late)."""
        known = self._remembered.get(pod.uid)
        if known is None or known[0] is not pod:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            known = self._remembered[pod.uid] = pod, self._find(pod)
        return known[1]

    def _find(self, pod: PodRecord) -> tuple[WorkloadRef, bool]:
        if _WORKLOAD_NAME.fullmatch(pod.override):
            return WorkloadRef(pod.namespace, "", pod.override), True
        if pod.owner is None:
            return WorkloadRef(pod.namespace, "Pod", pod.name.replace(".", "_")), True
        if pod.owner.kind == "Node":
            # A mirror pod is named <manifest>-<node>: one workload over all nodes.
            return WorkloadRef(
                pod.namespace, "Pod", pod.name.removesuffix("-" + pod.owner.name).replace(".", "_")
            ), True
        root = self.owners.root_of(pod.namespace, pod.owner)
        name = pod.images if pod.images and root.kind == "Job" else root.name
        workload = WorkloadRef(pod.namespace, root.kind, name.replace(".", "_"))
        if root.unread and workload not in self.unread:
            self.unread[workload] = root.unread
            if len(self.unread) > _MAX_UNREAD:
                del self.unread[next(iter(self.unread))]
        return workload, root.is_certain
