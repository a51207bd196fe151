"""Which edges of a client are new: seen for the first time once its learning period is over. Pure.

Nothing that came back from the cluster's status is new, and nothing that leads where another destination of the client
led before. What retired, or was forgotten with the object, is new when it is seen again. Only time in which a source
that has seen the client was listening counts as learning (`graph.client`).
"""

from grapevine.graph.client import Client
from grapevine.graph.edges import edges_of
from grapevine.model.news import NewEdge
from grapevine.model.workload import WorkloadRef


def take_new_edges(ref: WorkloadRef, client: Client, cluster_domain: str, learning_ms: int) -> list[NewEdge]:
    """Return the edges that are new since the last call, the oldest first; none while the client is being learned.

    O(the client's destinations), and a few attributes each where nothing is new.
    """
    new = [sighting for sighting in client.sightings.values() if sighting.is_new]
    if not new:
        return []
    for sighting in new:
        sighting.is_new = False
    if client.learned_ms < learning_ms:
        return []
    fresh = {id(sighting) for sighting in new}
    known = {sighting.target for sighting in client.sightings.values() if id(sighting) not in fresh}
    targets = {sighting.target for sighting in new} - known
    edges = [edge for edge in edges_of(ref, client, cluster_domain) if edge.target in targets]
    edges.sort(key=lambda edge: (edge.first_ms, edge.names))
    return [NewEdge(edge, client.learned_ms, client.listened_ms) for edge in edges]
