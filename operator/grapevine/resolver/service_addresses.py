"""Which Service an address is of: its ClusterIPs, and endpoints that are no pods. Pure.

As the cluster is now: a ClusterIP given to another Service is the other's, whenever it was dialled.
"""

from grapevine.model.workload import ServiceRef
from grapevine.resolver.records import ServiceRecord, SliceRecord


class ServiceAddresses:
    """ClusterIP → Service, and (address, port) of a bare endpoint → the Services that list it."""

    def __init__(self) -> None:
        self._cluster_ips: dict[str, ServiceRef] = {}
        self._bare: dict[tuple[str, int], set[tuple[ServiceRef, str]]] = {}
        """With the name of the slice, for one Service may list an endpoint in two."""

    def is_cluster_ip(self, ip: str) -> bool:
        """Whether it is a Service's own address."""
        return ip in self._cluster_ips

    def at(self, ip: str, port: int) -> ServiceRef | None:
        """Return the Service behind an address and port; the first by name where several list the same endpoint."""
        if service := self._cluster_ips.get(ip):
            return service
        listed = self._bare.get((ip, port))
        return min(listed)[0] if listed else None

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
        for key, lister in _bare_endpoints(before):
            listed = self._bare[key]
            listed.discard(lister)
            if not listed:
                del self._bare[key]
        for key, lister in _bare_endpoints(after):
            self._bare.setdefault(key, set()).add(lister)


def _bare_endpoints(record: SliceRecord | None) -> set[tuple[tuple[str, int], tuple[ServiceRef, str]]]:
    if record is None or not record.service:
        return set()
    lister = (ServiceRef(record.namespace, record.service), record.name)
    return {((ip, port), lister) for each in record.endpoints for ip in each.addresses for port in record.ports}
