"""Which Service an address is of: its ClusterIPs, and endpoints that name no pod. Pure.

As the cluster is now: a ClusterIP given to another Service is the other's, whenever it was dialled.
"""

from collections.abc import Iterable, Set
from typing import TypeVar

from grapevine.model.workload import ServiceRef
from grapevine.resolver.records import ServiceRecord, SliceRecord

_NONE: Set[ServiceRef] = frozenset()


class ServiceAddresses:
    """ClusterIP → Service, and (address, port) of a bare endpoint → the Services that list it."""

    def __init__(self) -> None:
        self._cluster_ips: dict[str, ServiceRef] = {}
        self._bare: dict[tuple[str, int], set[tuple[ServiceRef, str]]] = {}
        """With the name of the slice, for one Service may list an endpoint in two."""
        self._listed: dict[str, set[tuple[ServiceRef, str]]] = {}
        """The same by address alone."""

    def is_cluster_ip(self, ip: str) -> bool:
        """Whether it is a Service's own address."""
        return ip in self._cluster_ips

    def cluster_ip_of(self, ip: str) -> ServiceRef | None:
        """Return the Service that has this address as its own."""
        return self._cluster_ips.get(ip)

    def at(self, ip: str, port: int) -> ServiceRef | None:
        """Return the Service behind an address and port; the first by name where several list the same endpoint."""
        if service := self._cluster_ips.get(ip):
            return service
        listed = self._bare.get((ip, port))
        return min(listed)[0] if listed else None

    def listing(self, ip: str) -> Set[ServiceRef]:
        """Return the Services that list the address as an endpoint without saying which pod it is."""
        listed = self._listed.get(ip)
        return {service for service, _ in listed} if listed else _NONE

    def listing_any(self, ips: Iterable[str]) -> set[ServiceRef]:
        """Return the Services that so list one of these addresses."""
        return set().union(*map(self.listing, ips))

    def bare_addresses(self) -> list[str]:
        """Return all these addresses."""
        return list(self._listed)

    def put_service(self, before: ServiceRecord | None, after: ServiceRecord | None) -> None:
        """Replace what is known of one Service."""
        if before is not None:
            service = ServiceRef(before.namespace, before.name)
            for ip in before.cluster_ips:
                if self._cluster_ips.get(ip) == service:
                    del self._cluster_ips[ip]
        if after is not None:
            self._cluster_ips.update(dict.fromkeys(after.cluster_ips, ServiceRef(after.namespace, after.name)))

    def put_slice(self, before: SliceRecord | None, after: SliceRecord | None) -> None:
        """Replace what is known of one slice."""
        for record, edit in ((before, _discard), (after, _add)):
            if record is None or not record.service:
                continue
            lister = (ServiceRef(record.namespace, record.service), record.name)
            for ip in {ip for each in record.endpoints for ip in each.addresses}:
                edit(self._listed, ip, lister)
                for port in set(record.ports):
                    edit(self._bare, (ip, port), lister)


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _add(sets: dict[_Key, set[_Value]], key: _Key, value: _Value) -> None:
    sets.setdefault(key, set()).add(value)


def _discard(sets: dict[_Key, set[_Value]], key: _Key, value: _Value) -> None:
    sets[key].discard(value)
    if not sets[key]:
        del sets[key]
