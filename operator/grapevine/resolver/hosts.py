"""Addresses that are a node's, or a pod network's gateway on one: never a pod's. Pure; bounded."""

from grapevine.resolver.records import NodeRecord

_MAX_NODES = 10_000
"""Nodes whose capture reported addresses; a capture without a node's name counts as a new one each time it starts."""


class Hosts:
    """The nodes there are, and their addresses: those of their objects, and those that capture reports."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, ...]] = {}
        self._reported: dict[str, tuple[str, ...]] = {}
        self._addresses: frozenset[str] = frozenset()

    def __contains__(self, ip: str) -> bool:
        return ip in self._addresses

    @property
    def names(self) -> frozenset[str]:
        """Names of the cluster's nodes."""
        return frozenset(self._told)

    def put(self, record: NodeRecord, *, gone: bool) -> None:
        """Take in a node's object, or that it is gone."""
        if gone:
            self._told.pop(record.name, None)
            self._reported.pop(record.name, None)
        else:
            self._told[record.name] = record.addresses
        self._refresh()

    def report(self, node: str, ips: tuple[str, ...]) -> bool:
        """Take in the addresses a capture process reports of its own node; return whether they are news."""
        if not ips or self._reported.get(node) == ips:
            return False
        self._reported.pop(node, None)
        self._reported[node] = ips
        if len(self._reported) > _MAX_NODES:
            del self._reported[next(iter(self._reported))]
        self._refresh()
        return True

    def _refresh(self) -> None:
        everything = (*self._told.values(), *self._reported.values())
        self._addresses = frozenset(ip for ips in everything for ip in ips)
