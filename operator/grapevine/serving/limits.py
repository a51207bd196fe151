"""How much one peer may ask for. Pure: the caller brings the time."""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListenLimits:
    """Bounds of a listener and of what is sent to it; what is over one is refused and counted by its result."""

    max_connections: int = 2_048
    """Open at once on one listener, handshakes included; capture keeps one a node. More are closed on arrival
    (`connections-full`)."""
    max_connections_per_peer: int = 32
    """Of those, by one address (`connections-full`)."""
    max_in_flight: int = 64
    """Requests being read or decoded at once: bounds memory to as many bodies of 1 MiB. More are told 429 (`busy`)."""
    max_in_flight_per_peer: int = 4
    """Of those, by one address, so that one slow peer cannot hold them all (`busy`)."""
    requests_per_s: float = 20.0
    """Sustained rate of one address; capture sends a batch every few seconds (`rate`)."""
    burst: int = 200
    """Requests one address may send at once: capture sends again what it keeps to a new operator (`rate`)."""
    max_peers: int = 4_096
    """Addresses remembered; the one silent longest is forgotten, and starts with a full burst again."""
    body_timeout_s: float = 15.0
    """For a whole body to arrive (`slow`)."""
    greeting_s: float = 10.0
    """From connecting to the first complete request head, TLS handshake included (`handshake`, `silent`)."""
    idle_s: float = 75.0
    """From the last answer to the next complete request head: ends silent and dripping peers (`idle`)."""
    refused_cost: float = 20.0
    """What a refused token takes from an address's rate, so that guessing, and the reviews it causes, is slow."""
    shutdown_s: float = 5.0
    """For requests under way when the server stops."""


@dataclass(slots=True)
class _Peer:
    tokens: float
    at_s: float
    in_flight: int = 0


class PeerTable:
    """Token bucket and requests in flight by address; the table is bounded."""

    def __init__(self, limits: ListenLimits) -> None:
        self._limits = limits
        self._peers: OrderedDict[str, _Peer] = OrderedDict()
        self.in_flight = 0

    def __len__(self) -> int:
        return len(self._peers)

    def try_enter(self, address: str, now_s: float) -> str | None:
        """Begin a request of `address`; return None, or why it may not: `rate` or `busy`. `leave` ends what began."""
        peer = self._peer(address, now_s)
        if peer.tokens < 1:
            return "rate"
        peer.tokens -= 1
        if self.in_flight >= self._limits.max_in_flight or peer.in_flight >= self._limits.max_in_flight_per_peer:
            return "busy"
        peer.in_flight += 1
        self.in_flight += 1
        return None

    def try_spend(self, address: str, now_s: float, tokens: float = 1.0) -> str | None:
        """Take `tokens` from the rate of `address`, all that is left where that is less; return None, or `rate`."""
        peer = self._peer(address, now_s)
        is_short = peer.tokens < tokens
        peer.tokens = max(0.0, peer.tokens - tokens)
        return "rate" if is_short else None

    def leave(self, address: str) -> None:
        """End a request that `try_enter` let in."""
        self.in_flight -= 1
        peer = self._peers.get(address)
        if peer is not None:
            peer.in_flight = max(0, peer.in_flight - 1)  # it may have been forgotten in between, and come anew

    def _peer(self, address: str, now_s: float) -> _Peer:
        """Return the peer with its bucket filled up to now; forgets the one silent longest where the table is full."""
        peer = self._peers.get(address)
        if peer is None:
            if len(self._peers) >= self._limits.max_peers:
                self._peers.popitem(last=False)
            peer = self._peers[address] = _Peer(self._limits.burst, now_s)
        self._peers.move_to_end(address)
        filled = peer.tokens + (now_s - peer.at_s) * self._limits.requests_per_s
        peer.tokens, peer.at_s = min(self._limits.burst, filled), now_s
        return peer
