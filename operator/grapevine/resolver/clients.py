"""Whose an observation is: the workload of the pod that held the address at the observation's own time."""

from grapevine.model.observation import DnsObservation, Observation
from grapevine.resolver.heard import HeardNodes
from grapevine.resolver.holders import Holder, holder_at
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.noise import Reason, Unresolved
from grapevine.resolver.records import PodRecord
from grapevine.resolver.scope import Namespaces
from grapevine.settings import ScopeSettings

_WIRE = "packet"
"""The source that two nodes may hear the same by: the client's and the server's."""


class Clients:
    """Resolves client addresses, and leaves out what is nobody's, Grapevine's own, or heard better elsewhere."""

    def __init__(self, index: ClusterIndex, heard: HeardNodes, *, own_namespace: str, scope: ScopeSettings) -> None:
        self._namespaces = Namespaces(scope)
        self._index = index
        self._heard = heard
        self._own_namespace = own_namespace

    def client_of(self, observation: Observation, node: str, clock: str, *, is_final: bool) -> Holder | Unresolved:
        """Return the client, which held the address, or why there is none.

        `node` is where the observation was made, `clock` whose clock its times are.
        """
        ip = observation.client_ip
        if self._index.is_host_address(ip):
            return Unresolved(Reason.HOST_NETWORK)
        holder = holder_at(self._index, ip, observation.first_ms, observation.last_ms, clock)
        if isinstance(holder, Unresolved):
            return holder
        pod = holder.pods[-1]
        if self._own_namespace and pod.namespace == self._own_namespace:
            return Unresolved(Reason.OWN)
        if pod.is_excluded or not self._namespaces.holds(pod.namespace):
            return Unresolved(Reason.EXCLUDED)
        # A DNS server asks for others, but the connections it opens are its own.
        if isinstance(observation, DnsObservation) and self._index.is_resolver(pod):
            return Unresolved(Reason.RESOLVER)
        if observation.source == _WIRE and pod.node != node and self._are_heard(holder.pods, node, observation, clock):
            return Unresolved(Reason.HEARD_ELSEWHERE)
        if not holder.is_certain and not is_final:
            return Unresolved(Reason.OWNER_UNKNOWN)
        return holder

    def _are_heard(self, pods: tuple[PodRecord, ...], node: str, observation: Observation, clock: str) -> bool:
        """Whether each of the pods is on another node than `node`, whose own capture tells of it as well."""
        for pod in pods:
            first_ms = self._index.in_clock_of(pod.node, observation.first_ms, clock)
            if pod.node == node or not self._heard.hears(pod.node, type(observation), first_ms):
                return False
        return True
