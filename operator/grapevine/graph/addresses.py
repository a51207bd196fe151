"""Addresses that nothing in the cluster explains: which look-ups led to them, and which were dialled. Pure; bounded.

Look-ups and connections are heard apart and come in any order, so an address keeps both and whichever comes second
finds the other. An address that several names lead to (a content network) confirms them all: which one was meant,
only the client knows.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from grapevine.graph.sighting import MAX_PORTS, Port
from grapevine.graph.tally import GraphTally, Seen
from grapevine.model.connection import Connection
from grapevine.model.edge import UnnamedAddress
from grapevine.model.target import Destination
from grapevine.model.workload import WorkloadRef
from grapevine.settings import GraphSettings

RECENT_MS = 3_600_000
"""How far look-up and connection may be apart: clients keep addresses past their TTL, providers give them to others."""
_MAX_NAMES = 16
"""Destinations kept of one address; the one looked up longest ago gives way."""


@dataclass(slots=True)
class _Address:
    names: dict[Destination, int] = field(default_factory=dict)
    """Destinations whose look-ups led here, each with the newest one's time; the oldest first."""
    ports: set[Port] = field(default_factory=set)
    """Ports that were dialled."""
    dialled: Seen | None = None
    is_named: bool = False
    """Whether a look-up explains what was dialled."""

    @property
    def last_ms(self) -> int:
        return max([*self.names.values(), self.dialled.last_ms if self.dialled else 0])

    def names_near(self, at_ms: int) -> list[Destination]:
        """Return the destinations looked up not too long before or after."""
        return [each for each, looked_up_ms in self.names.items() if abs(at_ms - looked_up_ms) <= RECENT_MS]


@dataclass(frozen=True, slots=True)
class Dialled:
    """Connections to an address that a look-up has now led to."""

    ports: frozenset[Port]
    first_ms: int
    last_ms: int


class Addresses:
    """Addresses by client, the one heard of longest ago first."""

    def __init__(self, settings: GraphSettings, tally: GraphTally) -> None:
        self._bounds = settings
        self._tally = tally
        self._clients: dict[WorkloadRef, OrderedDict[str, _Address]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def answer(
        self, client: WorkloadRef, destination: Destination, addresses: tuple[str, ...], at_ms: int
    ) -> list[Dialled]:
        """Note that a look-up of a destination led to these addresses; return the connections to them."""
        found: list[Dialled] = []
        for text in addresses:
            address = self._enter(client, text)
            if address is None:
                continue
            address.names[destination] = max(at_ms, address.names.pop(destination, 0))
            if len(address.names) > _MAX_NAMES:
                del address.names[next(iter(address.names))]
                self._tally.overflow["address-names-full"] += 1
            dialled = address.dialled
            if dialled is not None and abs(dialled.last_ms - address.names[destination]) <= RECENT_MS:
                address.is_named = True
                found.append(Dialled(frozenset(address.ports), dialled.first_ms, dialled.last_ms))
        return found

    def dial(self, connection: Connection) -> list[Destination]:
        """Note connections to an address; return the destinations whose look-ups led there."""
        address = self._enter(connection.client, connection.address)
        if address is None:
            return []
        if address.dialled is None:
            address.dialled = Seen(connection.first_ms, connection.last_ms, connection.count)
        else:
            address.dialled.add(connection.first_ms, connection.last_ms, connection.count)
        if len(address.ports) < MAX_PORTS:
            address.ports.add((connection.port, connection.proto))
        names = address.names_near(connection.last_ms)
        address.is_named |= bool(names)
        return names

    def is_looked_up(self, connection: Connection) -> bool:
        """Whether a look-up of the client led to the address it connects to."""
        mine = self._clients.get(connection.client)
        address = mine.get(connection.address) if mine else None
        return address is not None and bool(address.names_near(connection.last_ms))

    def led_to(self, client: WorkloadRef, destination: Destination) -> list[str]:
        """Return the addresses that look-ups of a destination led to, as far as they are remembered."""
        return [text for text, address in self._clients.get(client, {}).items() if destination in address.names]

    def sharing(self, client: WorkloadRef, destination: Destination) -> list[Destination]:
        """Return what else was looked up by the client and led to an address it dialled; sorted by its text.

        A connection to such an address confirms all of them, and was meant for one.
        """
        mine = self._clients.get(client)
        found = {d for a in (mine or {}).values() if a.dialled and destination in a.names for d in a.names}
        return sorted(found - {destination}, key=str)

    def unnamed(self, client: WorkloadRef) -> list[UnnamedAddress]:
        """Return what the client dialled and never looked up, sorted by address."""
        return [
            UnnamedAddress(client, text, tuple(sorted({port for port, _ in a.ports})), d.first_ms, d.last_ms, d.count)
            for text, a in sorted(self._clients[client].items() if client in self._clients else ())
            if (d := a.dialled) and not a.is_named
        ]

    def count_unnamed(self) -> int:
        """Return the number of these, over all clients."""
        return sum(a.dialled is not None and not a.is_named for each in self._clients.values() for a in each.values())

    def forget_before(self, at_ms: int) -> None:
        """Drop addresses not heard of since `at_ms` (observation time)."""
        for client, addresses in list(self._clients.items()):
            for text in [text for text, address in addresses.items() if address.last_ms < at_ms]:
                del addresses[text]
                self._size -= 1
            if not addresses:
                del self._clients[client]

    def _enter(self, client: WorkloadRef, text: str) -> _Address | None:
        """Return the entry of an address, made where it is new and there is room."""
        addresses = self._clients.setdefault(client, OrderedDict())
        address = addresses.get(text)
        if address is not None:
            addresses.move_to_end(text)
            return address
        if len(addresses) >= self._bounds.max_client_addresses:
            addresses.popitem(last=False)
            self._size -= 1
            self._tally.overflow["addresses-full"] += 1
        elif self._size >= self._bounds.max_addresses:
            self._tally.overflow["addresses-full"] += 1
            return None
        self._size += 1
        address = addresses[text] = _Address()
        return address
