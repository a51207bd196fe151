"""The map's size, and what its bounds kept out, as metrics. Pure."""

from collections import Counter
from collections.abc import Collection, Mapping

from grapevine.graph.addresses import Addresses
from grapevine.graph.client import Client
from grapevine.graph.tally import GraphTally
from grapevine.model.metric import Metric
from grapevine.model.target import WorkloadTarget
from grapevine.model.workload import WorkloadRef


def booked_lookups(clients: Mapping[WorkloadRef, Client], tally: GraphTally) -> Counter[str]:
    """Return what became of the look-ups taken in or restored, each counted once; O(destinations)."""
    booked = Counter(tally.lookups) + Counter(tally.folded)
    edge = itself = 0
    for ref, client in clients.items():
        booked["dead"] += client.attempts.count_dead()
        for sighting in client.sightings.values():
            if sighting.lookups is not None:
                target, count = sighting.target, sighting.lookups.count
                # Names first: most differ by them; whole references at each destination take twice as long
                if isinstance(target, WorkloadTarget) and target.workload.name == ref.name and target.workload == ref:
                    itself += count
                else:
                    edge += count
    booked.update(edge=edge, itself=itself)
    return booked


def graph_metrics(
    clients: Collection[Client], addresses: Addresses, tally: GraphTally, learning_ms: int
) -> list[Metric]:
    """Return the map's size and what its bounds kept out."""
    learning = sum(c.learned_ms < learning_ms for c in clients)
    destinations = sum(len(c.sightings) for c in clients)
    dead = sum(len(c.attempts) for c in clients)
    return [
        Metric("grapevine_clients", "gauge", "Client workloads in the map.", {"": len(clients)}),
        Metric("grapevine_clients_learning", "gauge", "Of these, those whose learning period lasts.", {"": learning}),
        Metric("grapevine_destinations", "gauge", "Destinations in the map, over all clients.", {"": destinations}),
        Metric("grapevine_dead_dependencies", "gauge", "Names that never resolved, over all clients.", {"": dead}),
        Metric(
            "grapevine_addresses",
            "gauge",
            "Addresses outside the cluster kept to join look-ups and connections; unnamed ones nobody looked up.",
            {"all": len(addresses), "unnamed": addresses.count_unnamed()},
            "kind",
        ),
        Metric(
            "grapevine_lookups_folded",
            "counter",
            "Look-ups that an answer to another variant of the name explains.",
            tally.folded,
            "reason",
        ),
        Metric("grapevine_edges_retired", "counter", "Edges that left the map by age.", {"": tally.retired}),
        Metric("grapevine_graph_overflow", "counter", "What the map's bounds kept out.", tally.overflow, "bound"),
    ]
