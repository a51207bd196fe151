"""ExternalName Services: where each leads in the end, and which of them lead to a Service. Pure.

CoreDNS answers for one with a CNAME, and follows it where it stays in the cluster.
"""

from collections.abc import Iterable

from grapevine.model.target import CLUSTERSET_DOMAIN, ServiceDestination
from grapevine.model.workload import ServiceRef
from grapevine.resolver.names import try_service_destination

_MAX_HOPS = 8
"""As many as a chain is followed; a longer one, or a loop, resolves nowhere either."""


class ExternalNames:
    """Service → the name it stands for, and back."""

    def __init__(self, cluster_domain: str) -> None:
        self._domain = cluster_domain
        self._names: dict[ServiceRef, str] = {}
        self._aliases: dict[ServiceRef, set[ServiceRef]] = {}

    def put(self, service: ServiceRef, name: str) -> None:
        """Take in what a Service stands for; empty where it is no ExternalName, or is gone."""
        if inside := try_service_destination(self._names.pop(service, ""), self._domain):
            self._aliases[_ref(inside)].discard(service)
        if name:
            self._names[service] = name
        if inside := try_service_destination(name, self._domain):
            self._aliases.setdefault(_ref(inside), set()).add(service)

    def end_of(self, asked: ServiceDestination) -> tuple[ServiceDestination, str]:
        """Return the last Service on the way from the one asked for, and the name it stands for in turn.

        That name is empty where it stands for itself. A chain without an end is the Service that was asked for.
        """
        destination = asked
        for _ in range(_MAX_HOPS):
            name = "" if destination.zone == CLUSTERSET_DOMAIN else self._names.get(_ref(destination), "")
            inside = try_service_destination(name, self._domain)
            if inside is None:
                return destination, name
            destination = inside
        return asked, ""

    def with_aliases(self, services: Iterable[ServiceRef]) -> set[ServiceRef]:
        """Add the Services that lead to one of these, directly or through another."""
        found: set[ServiceRef] = set()
        pending = list(services)
        while pending:
            if (service := pending.pop()) not in found:
                found.add(service)
                pending += self._aliases.get(service, ())
        return found


def _ref(destination: ServiceDestination) -> ServiceRef:
    return ServiceRef(destination.namespace, destination.service)
