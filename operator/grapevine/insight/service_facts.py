"""What the cluster's own objects add to an edge: the ports of its Service, and the workloads behind it. Pure."""

from dataclasses import replace

from grapevine.graph.store import GraphStore
from grapevine.model.edge import Edge, OwnerSeen
from grapevine.model.target import ServiceDestination, ServiceTarget
from grapevine.model.workload import ServiceRef
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.names import destinations_of


class ServiceFacts:
    """Completes the edges that lead through a Service, by how the cluster is now."""

    def __init__(self, graph: GraphStore, index: ClusterIndex, cluster_domain: str) -> None:
        self._graph = graph
        self._index = index
        self._domain = cluster_domain

    def complete(self, edge: Edge) -> Edge:
        """Return the edge with its Service's port, and with the workloads behind it where the Service is the target.

        Those that answers led to stay, though they are behind it no more.
        """
        asked = destinations_of(edge.names, edge.target, self._domain)
        ports = {port for each in asked if isinstance(each, ServiceDestination) for port in self._index.ports_of(each)}
        return replace(edge, service_ports=tuple(sorted(ports)), owners=self._owners(edge))

    def with_owners(self, edge: Edge) -> Edge:
        """Return the edge with the workloads behind the Service where that is the target, and without its ports.

        Those are in no map, and to know them takes nearly as long as all else that is read of an edge.
        """
        return replace(edge, owners=self._owners(edge)) if isinstance(edge.target, ServiceTarget) else edge

    def _owners(self, edge: Edge) -> tuple[OwnerSeen, ...]:
        if not isinstance(edge.target, ServiceTarget):
            return ()
        service = ServiceRef(edge.target.namespace, edge.target.name)
        known = {each.workload: each for each in edge.owners}
        for owner in self._index.owners_of(service):
            known.setdefault(owner, OwnerSeen(owner))
        return tuple(
            replace(known[owner], connections=self._graph.connections_to(edge.client, owner)) for owner in sorted(known)
        )
