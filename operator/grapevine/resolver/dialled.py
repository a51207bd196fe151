"""Who has the address a connection goes to. By address, never by port: a port says what is spoken, not by whom."""

from grapevine.model.observation import ConnObservation
from grapevine.model.target import Destination, ServiceDestination, WorkloadDestination
from grapevine.model.workload import WorkloadRef
from grapevine.resolver.dns_servers import DNS_PORT
from grapevine.resolver.holders import Holder, holder_at
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.noise import Reason, Unresolved


class Dialled:
    """Resolves dialled addresses against the cluster as it was at the connection's own time."""

    def __init__(self, index: ClusterIndex) -> None:
        self._index = index

    def destination_of(
        self, observation: ConnObservation, client: WorkloadRef, clock: str, *, is_final: bool
    ) -> Destination | Unresolved | None:
        """Return who has the address in the cluster: None where nobody has, or a node, which is many things.

        A pod's address is its workload, whichever Services list it; one that no pod has may be a Service's. `clock` is
        whose clock the observation's times are.
        """
        ip = observation.dst_ip
        holder: Holder | Unresolved = Unresolved(Reason.NO_POD)
        if not self._index.is_host_address(ip):
            holder = holder_at(self._index, ip, observation.first_ms, observation.last_ms, clock)
        if isinstance(holder, Unresolved):
            if holder.reason is not Reason.NO_POD:
                return holder
            service = self._index.service_at(ip, observation.dst_port)
            return ServiceDestination(service.namespace, service.name) if service else None
        if not holder.is_certain and not is_final:
            return Unresolved(Reason.OWNER_UNKNOWN)
        return Unresolved(Reason.ITSELF) if holder.workload == client else WorkloadDestination(holder.workload)


def is_dns(observation: ConnObservation) -> bool:
    """Whether the connection is for look-ups, which are told of by what they ask: DNS over TCP (RFC 7766)."""
    return observation.dst_port == DNS_PORT
