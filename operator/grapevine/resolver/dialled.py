"""Who has the address a connection goes to. By address, never by port: a port says what is spoken, not by whom."""

from grapevine.model.observation import ConnObservation
from grapevine.model.target import Destination, ServiceDestination, WorkloadDestination
from grapevine.model.workload import WorkloadRef
from grapevine.resolver.dns_servers import DNS_PORT
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.noise import Reason, Unresolved


class Dialled:
    """Resolves dialled addresses against the cluster as it was at the connection's own time."""

    def __init__(self, index: ClusterIndex) -> None:
        self._index = index

    def destination_of(
        self, observation: ConnObservation, client: WorkloadRef, *, is_final: bool
    ) -> Destination | Unresolved | None:
        """Return who has the address in the cluster: None where nobody has, or a node, which is many things.

        A pod's address is its workload, whichever Services list it; one that no pod has may be a Service's.
        """
        ip = observation.dst_ip
        pod = None if self._index.is_host_address(ip) else self._index.pod_at(ip, observation.last_ms)
        if pod is None:
            service = self._index.service_at(ip, observation.dst_port)
            return ServiceDestination(service.namespace, service.name) if service else None
        workload, is_certain = self._index.workload_of(pod)
        if not is_certain and not is_final:
            return Unresolved(Reason.OWNER_UNKNOWN)
        first = self._index.pod_at(ip, observation.first_ms)
        if first is None or self._index.workload_of(first)[0] != workload:
            return Unresolved(Reason.CHANGED_HANDS)
        return Unresolved(Reason.ITSELF) if workload == client else WorkloadDestination(workload)


def is_dns(observation: ConnObservation) -> bool:
    """Whether the connection is for look-ups, which are told of by what they ask: DNS over TCP (RFC 7766)."""
    return observation.dst_port == DNS_PORT
