"""An observation → who asked for what, or connected where. The only place where identity, names and noise meet."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import lru_cache, partial

from grapevine.model.connection import Connection
from grapevine.model.lookup import Lookup
from grapevine.model.observation import ConnObservation, DnsObservation, Observation
from grapevine.model.target import (
    CLUSTERSET_DOMAIN,
    Destination,
    DomainDestination,
    ServiceDestination,
    WorkloadDestination,
)
from grapevine.model.workload import ServiceRef, WorkloadRef
from grapevine.resolver.clients import Clients
from grapevine.resolver.cluster_domain import try_service_by_address
from grapevine.resolver.dialled import Dialled, is_dns
from grapevine.resolver.dns_servers import DnsServers
from grapevine.resolver.heard import HeardNodes
from grapevine.resolver.holders import READ, TOLD, Holder, clock_of, holder_at
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.metadata import CloudMetadata
from grapevine.resolver.names import (
    ServiceName,
    is_address,
    try_pod_name,
    try_search_suffix,
    try_service_destination,
    try_service_name,
)
from grapevine.resolver.noise import FLOOD_PREFIX, Reason, Unresolved, noise_of_question
from grapevine.settings import ScopeSettings

_ADDRESS_TYPES = frozenset({"A", "AAAA"})
_NAMES = 8_192
"""Names of which it is remembered what they alone tell; a flood of others costs what it did without."""
_EVERYTHING = ScopeSettings()


class Resolver:
    """Resolves observations against the cluster as it was at their own time."""

    def __init__(
        self,
        index: ClusterIndex,
        *,
        cluster_domain: str,
        own_namespace: str = "",
        dns_servers: Iterable[str] = (),
        metadata: Iterable[str] = (),
        scope: ScopeSettings = _EVERYTHING,
    ) -> None:
        """Take networks in CIDR form whose DNS servers are believed besides those that `index` knows.

        `metadata` are names, addresses and networks of clouds' metadata services.
        """
        self._index = index
        self._domain = cluster_domain
        self.heard = HeardNodes()
        """To be told of every batch: what two nodes heard is taken once."""
        self.dns_servers = DnsServers(index, dns_servers)
        self._clients = Clients(index, self.heard, own_namespace=own_namespace, scope=scope)
        self._metadata = CloudMetadata(metadata, cluster_domain)
        self._dialled = Dialled(index)
        # What a name alone tells is asked of each of its look-ups, several times: the names in use are few.
        remember = lru_cache(_NAMES)
        self._noise_of = remember(noise_of_question)
        self._is_address = remember(partial(is_address, domain=cluster_domain))
        self._is_of_cluster = remember(partial(_is_under, domains=(cluster_domain,)))
        self._is_of_any_cluster = remember(partial(_is_under, domains=(cluster_domain, CLUSTERSET_DOMAIN)))
        self._service_name = remember(partial(try_service_name, domain=cluster_domain))
        self._search_suffix = remember(partial(try_search_suffix, domain=cluster_domain))

    def resolve(
        self, observation: Observation, *, node: str = "", is_final: bool = False
    ) -> Lookup | Connection | Unresolved:
        """Return the look-up or the connection, or why there is none.

        `node` is where it was observed, or the stream it came in where its sender told no node.

        `is_final` takes what is known where an owner or a Service has not been delivered: the wait is over.
        """
        if isinstance(observation, ConnObservation):
            return self._connection(observation, node, is_final=is_final)
        return self._lookup(observation, node, is_final=is_final)

    def _connection(self, observation: ConnObservation, node: str, *, is_final: bool) -> Connection | Unresolved:
        if is_dns(observation):
            return Unresolved(Reason.DNS_TRAFFIC)
        client = self._clients.client_of(observation, node, node, is_final=is_final)
        if isinstance(client, Unresolved):
            return client
        destination = self._dialled.destination_of(observation, client.workload, node, is_final=is_final)
        if isinstance(destination, Unresolved):
            return destination
        if destination is None and self._metadata.is_address(observation.dst_ip):
            return Unresolved(Reason.METADATA)
        return Connection(
            client=client.workload,
            address=observation.dst_ip,
            port=observation.dst_port,
            proto=observation.proto,
            destination=destination,
            first_ms=observation.first_ms,
            last_ms=observation.last_ms,
            count=observation.count,
            source=observation.source,
            pod=client.pods[-1].name,
        )

    def _lookup(self, observation: DnsObservation, node: str, *, is_final: bool) -> Lookup | Unresolved:
        clock = clock_of(self._index, observation, node)
        if not self._is_believed(observation, clock):
            return Unresolved(Reason.UNTRUSTED_RESOLVER)
        if noise := self._noise_of(observation.qname, observation.qtype):
            return Unresolved(noise)
        if self._is_address(observation.qname):
            return Unresolved(Reason.NOT_A_HOST_NAME)
        client = self._clients.client_of(observation, node, clock, is_final=is_final)
        if isinstance(client, Unresolved):
            return client
        is_answered = _is_answered(observation)
        wildcard = self._wildcard(observation.qname) if is_answered else ""
        destination = None if wildcard else self._destination(observation, clock, is_answered, is_final=is_final)
        if isinstance(destination, Unresolved):
            return destination
        if not isinstance(destination, ServiceDestination) and self._metadata.is_name(observation.qname):
            return Unresolved(Reason.METADATA)
        rcode = observation.rcode
        return Lookup(
            client=client.workload,
            name=observation.qname,
            destination=destination,
            is_answered=is_answered,
            rcode="NODATA" if rcode == "NOERROR" and not is_answered else rcode,
            first_ms=observation.first_ms,
            last_ms=observation.last_ms,
            count=observation.count,
            source=observation.source,
            addresses=self._addresses(observation, clock),
            wildcard=wildcard,
            owners=self._owners(observation, clock, destination),
            pod=client.pods[-1].name,
        )

    def _is_believed(self, observation: DnsObservation, clock: str) -> bool:
        """Whether who answered may: any server for the rest of the world, the cluster's own for its names."""
        if observation.source == TOLD:
            return self.dns_servers.may_tell(observation.resolver_ip, observation.last_ms, clock)
        if observation.source == READ or not self._is_of_any_cluster(observation.qname):
            return True
        return self.dns_servers.may_answer(observation.resolver_ip, observation.last_ms, clock)

    def _wildcard(self, name: str) -> str:
        """Return the search suffix behind a complete name of the cluster; empty where there is none."""
        if self._is_of_cluster(name) or name.startswith(FLOOD_PREFIX):
            return ""
        return self._search_suffix(name) or ""

    def _addresses(self, observation: DnsObservation, clock: str) -> tuple[str, ...]:
        if observation.qtype not in _ADDRESS_TYPES or observation.rcode != "NOERROR":
            return ()
        return tuple(a for a in observation.answers if not self._index.is_in_cluster(a, observation.last_ms, clock))

    def _owners(
        self, observation: DnsObservation, clock: str, destination: Destination | None
    ) -> tuple[WorkloadRef, ...]:
        """Return whose pods an answer leads to, one an address, where the Service alone does not tell."""
        if not isinstance(destination, ServiceDestination) or observation.qtype not in _ADDRESS_TYPES:
            return ()
        if not self._index.is_shared(ServiceRef(destination.namespace, destination.service)):
            return ()
        at_ms = observation.last_ms
        held = (holder_at(self._index, answer, at_ms, at_ms, clock) for answer in observation.answers)
        return tuple(holder.workload for holder in held if isinstance(holder, Holder))

    def _destination(
        self, observation: DnsObservation, clock: str, is_answered: bool, *, is_final: bool
    ) -> Destination | Unresolved | None:
        name = observation.qname
        if name.startswith(FLOOD_PREFIX):  # which of the names failed, or were a Service's, nobody knows any more
            is_domain = is_answered and not self._is_of_cluster(name)
            return DomainDestination(name) if is_domain else Unresolved(Reason.NAME_FLOOD)
        if not self._is_of_cluster(name):
            if not is_answered:
                return None
            service_here = try_service_destination(name, self._domain)
            return service_here or self._by_address(observation) or DomainDestination(name)
        if service := self._service_name(name):
            if service.host_ip:
                return self._headless_pod(service, observation, clock, is_answered, is_final=is_final)
            return self._service_destination(service, is_answered, is_final=is_final)
        if pod_name := try_pod_name(name, self._domain):
            if not is_answered:
                return None
            pod = self._pod_destination(pod_name.namespace, pod_name.ip, observation, clock, is_final=is_final)
            return pod or Unresolved(Reason.POD_UNKNOWN)
        if not is_answered:
            return None
        if ".svc." in f".{name}":
            return Unresolved(Reason.SEARCH_LIST)  # a wildcard above the cluster's own names answered
        return DomainDestination(name)  # a zone of the user's own under the cluster domain

    def _by_address(self, observation: DnsObservation) -> ServiceDestination | None:
        """Return the Service whose own address was answered for its name under another domain than the cluster's."""
        if observation.qtype not in _ADDRESS_TYPES:
            return None
        return try_service_by_address(observation.qname, observation.answers, self._index.cluster_ip_of)

    def _pod_destination(
        self, namespace: str, ip: str, observation: DnsObservation, clock: str, *, is_final: bool
    ) -> WorkloadDestination | Unresolved | None:
        """Return the workload of the pod of that namespace that held the address; None where none did."""
        holder = holder_at(self._index, ip, observation.first_ms, observation.last_ms, clock)
        if isinstance(holder, Unresolved):
            return None if holder.reason is Reason.NO_POD else holder
        if holder.workload.namespace != namespace:
            return None
        is_told = holder.is_certain or is_final
        return WorkloadDestination(holder.workload) if is_told else Unresolved(Reason.OWNER_UNKNOWN)

    def _headless_pod(
        self, name: ServiceName, observation: DnsObservation, clock: str, is_answered: bool, *, is_final: bool
    ) -> Destination | Unresolved | None:
        """Return the pod that a headless Service publishes by its address, ready or not; else the Service."""
        service = ServiceRef(name.namespace, name.service)
        if is_answered or self._index.is_headless(service):
            pod = self._pod_destination(name.namespace, name.host_ip, observation, clock, is_final=is_final)
            if pod is not None:
                return pod
        if is_answered:  # an endpoint that is no pod
            return self._service_destination(replace(name, left=()), is_answered, is_final=is_final)
        return None

    def _service_destination(
        self, name: ServiceName, is_answered: bool, *, is_final: bool
    ) -> Destination | Unresolved | None:
        service = ServiceRef(name.namespace, name.service)
        destination = ServiceDestination(name.namespace, name.service, name.host, name.port)
        if is_answered:
            if self._index.has_service(service) or is_final:
                return destination
            return Unresolved(Reason.SERVICE_UNKNOWN)
        if not self._index.has_service(service):
            return None
        if not name.left or name.port:
            return destination
        if name.host and self._index.has_pod_host(service, name.host):
            return destination  # the pod exists, is not ready, and its name answers NXDOMAIN
        return None


def _is_answered(observation: DnsObservation) -> bool:
    """Whether the name has what was asked for; a log tells no answers, so there it is enough that the name exists."""
    return observation.rcode == "NOERROR" and (bool(observation.answers) or observation.source == READ)


def _is_under(name: str, domains: Collection[str]) -> bool:
    """Whether a name is one of the domains, or below one."""
    return name in domains or name.endswith(tuple("." + domain for domain in domains))
