"""An observation → who asked for what. The only place where the rules of identity, names and noise meet."""

from dataclasses import dataclass

from grapevine.model.lookup import Lookup
from grapevine.model.observation import DnsObservation
from grapevine.model.target import Destination, DomainDestination, ServiceDestination, WorkloadDestination
from grapevine.model.workload import ServiceRef, WorkloadRef
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.names import ServiceName, try_pod_name, try_service_name
from grapevine.resolver.noise import RETRIED, Reason, noise_of_question

_TOLD = "dnstap"
"""Source of what was told over the network and not heard on it; who told stands in `resolver_ip`."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An observation that became no look-up of a workload."""

    reason: Reason

    @property
    def may_resolve_later(self) -> bool:
        """Whether a record still under way can change that."""
        return self.reason in RETRIED


class Resolver:
    """Resolves observations against the cluster as it was at their own time."""

    def __init__(self, index: ClusterIndex, *, cluster_domain: str, own_namespace: str = "") -> None:
        self._index = index
        self._domain = cluster_domain
        self._own_namespace = own_namespace

    def resolve(self, observation: DnsObservation, *, is_final: bool = False) -> Lookup | Unresolved:
        """Return the look-up, or why there is none.

        `is_final` takes what is known where an owner or a Service has not been delivered: the wait is over.
        """
        if observation.source == _TOLD and not self._is_told_by_resolver(observation):
            return Unresolved(Reason.UNTRUSTED_RESOLVER)
        if noise := noise_of_question(observation.qname, observation.qtype):
            return Unresolved(noise)
        client = self._client(observation, is_final=is_final)
        if isinstance(client, Unresolved):
            return client
        is_answered = observation.rcode == "NOERROR" and bool(observation.answers)
        destination = self._destination(observation.qname, observation.last_ms, is_answered, is_final=is_final)
        if isinstance(destination, Unresolved):
            return destination
        rcode = observation.rcode
        return Lookup(
            client=client,
            name=observation.qname,
            destination=destination,
            is_answered=is_answered,
            rcode="NODATA" if rcode == "NOERROR" and not is_answered else rcode,
            first_ms=observation.first_ms,
            last_ms=observation.last_ms,
            count=observation.count,
        )

    def _is_told_by_resolver(self, observation: DnsObservation) -> bool:
        """Whether the sender's address is that of a pod behind a Service on port 53, such as kube-dns."""
        sender = self._index.pod_at(observation.resolver_ip, observation.last_ms)
        return sender is not None and self._index.is_resolver(sender)

    def _client(self, observation: DnsObservation, *, is_final: bool) -> WorkloadRef | Unresolved:
        ip = observation.client_ip
        if self._index.is_host_address(ip):
            return Unresolved(Reason.HOST_NETWORK)
        pod = self._index.pod_at(ip, observation.last_ms)
        if pod is None:
            return Unresolved(Reason.NO_POD)
        if self._own_namespace and pod.namespace == self._own_namespace:
            return Unresolved(Reason.OWN)
        if self._index.is_resolver(pod):
            return Unresolved(Reason.RESOLVER)
        workload, is_certain = self._index.workload_of(pod)
        if not is_certain and not is_final:
            return Unresolved(Reason.OWNER_UNKNOWN)
        first = self._index.pod_at(ip, observation.first_ms)
        if first is None or self._index.workload_of(first)[0] != workload:
            return Unresolved(Reason.CHANGED_HANDS)
        return workload

    def _destination(
        self, name: str, at_ms: int, is_answered: bool, *, is_final: bool
    ) -> Destination | Unresolved | None:
        if not name.endswith("." + self._domain) and name != self._domain:
            return DomainDestination(name) if is_answered else None
        if service := try_service_name(name, self._domain):
            return self._service_destination(service, is_answered, is_final=is_final)
        if pod_name := try_pod_name(name, self._domain):
            pod = self._index.pod_at(pod_name.ip, at_ms) if is_answered else None
            if pod is not None and pod.namespace == pod_name.namespace:
                workload, is_certain = self._index.workload_of(pod)
                return WorkloadDestination(workload) if is_certain or is_final else Unresolved(Reason.OWNER_UNKNOWN)
            return Unresolved(Reason.POD_UNKNOWN) if is_answered else None
        if not is_answered:
            return None
        if ".svc." in f".{name}":
            return Unresolved(Reason.SEARCH_LIST)  # a wildcard above the cluster's own names answered
        return DomainDestination(name)  # a zone of the user's own under the cluster domain

    def _service_destination(
        self, name: ServiceName, is_answered: bool, *, is_final: bool
    ) -> Destination | Unresolved | None:
        service = ServiceRef(name.namespace, name.service)
        destination = ServiceDestination(name.namespace, name.service, name.host)
        if is_answered:
            if self._index.has_service(service) or is_final:
                return destination
            return Unresolved(Reason.SERVICE_UNKNOWN)
        if not self._index.has_service(service):
            return None
        if not name.left or name.is_port:
            return ServiceDestination(name.namespace, name.service)
        if name.host and self._index.has_pod_host(service, name.host):
            return destination  # the pod exists, is not ready, and its name answers NXDOMAIN
        return None
