"""Whose word is taken on the cluster's own names: its DNS servers', which are found without being told.

A pod may ask any server for anything, and anybody can send dnstap. Names of the cluster are believed from

| server | heard on the wire | told by dnstap |
|---|---|---|
| ClusterIPs of the Services on port 53 in `kube-system` and `openshift-dns` | yes | no: nobody sends from one |
| the pods behind these, as they were at that time, and their endpoints that are no pods | yes | yes |
| link-local addresses: NodeLocal DNSCache, the node's own resolver, a cloud's | yes | no |
| addresses of nodes: DNS on the host network, a resolver of the host | yes | no: pods are masqueraded as these |
| networks from the settings | yes | yes |

Only who rules the cluster can make a Service in these namespaces. Where there is none, and no network was set, the
cluster's DNS is not known: then every server heard is believed, and of those that tell, pods behind any Service on
port 53. Lost true edges would be worse than what a forger gains there; a metric says so.
"""

import ipaddress
from collections.abc import Iterable

from grapevine.model.workload import ServiceRef
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.records import PodRecord

DNS_PORT = 53
_NAMESPACES = frozenset({"kube-system", "openshift-dns"})
_LINK_LOCAL = ("169.254.", "fe80:")
"""RFC 3927, RFC 4291 §2.5.6, canonical text: no pod's, and not routed, so the server is on the client's node."""


class DnsServers:
    """The cluster's DNS servers, by what `index` knows and the settings add."""

    def __init__(self, index: ClusterIndex, networks: Iterable[str] = ()) -> None:
        """Take networks in CIDR form (valid: `settings` has checked them) whose servers are believed as well."""
        self._index = index
        self._networks = [ipaddress.ip_network(each) for each in networks]

    def services(self) -> set[ServiceRef]:
        """Return the Services that are the cluster's DNS; empty where it is not known."""
        return {each for each in self._index.services_on(DNS_PORT) if each.namespace in _NAMESPACES}

    def pods(self) -> list[PodRecord]:
        """Return the pods there are now behind these, by namespace and name."""
        behind = (pod for service in self.services() for pod in self._index.pods_behind(service))
        return sorted({pod.uid: pod for pod in behind}.values(), key=lambda pod: (pod.namespace, pod.name))

    def may_answer(self, ip: str, at_ms: int, clock: str) -> bool:
        """Whether an answer heard from that address, at a time that `clock` wrote, counts as the cluster's."""
        service = self._index.service_at(ip, DNS_PORT)
        if service is not None and service.namespace in _NAMESPACES and service in self._index.services_on(DNS_PORT):
            return True
        if ip.startswith(_LINK_LOCAL) or self._index.is_host_address(ip):
            return True
        return self._is_endpoint(ip, at_ms, clock) or self._is_listed(ip) or not self._is_known()

    def may_tell(self, ip: str, at_ms: int, clock: str) -> bool:
        """Whether what is told from that address, by a connection it made, counts as the cluster's."""
        if self._is_listed(ip):
            return True
        if self._index.is_host_address(ip):
            return False
        if self._is_known():
            return self._is_endpoint(ip, at_ms, clock)
        senders = self._index.held(ip, at_ms, at_ms, clock).pods
        return bool(senders) and all(self._index.is_resolver(each) for each in senders)

    def _is_known(self) -> bool:
        return bool(self._networks or self.services())

    def _is_endpoint(self, ip: str, at_ms: int, clock: str) -> bool:
        services = self.services()
        pods = self._index.held(ip, at_ms, at_ms, clock).pods
        if pods and all(self._index.is_behind(each, services) for each in pods):
            return True
        return any(ip in self._index.bare_addresses_behind(each) for each in services)

    def _is_listed(self, ip: str) -> bool:
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(ip)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
