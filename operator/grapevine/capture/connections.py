"""TCP connections as they begin: SYN without ACK, from the client to what it dials. Pure; time is packet time.

RFC 9293 §3.5, with or without ECN setup (RFC 3168 §6.1.1). Who sends a SYN is the client, whatever the ports. Its
copies on a node, before and after NAT, have the client's address and port and the sequence number in common; the first
is kept, for its destination is what the client dialled: a Service's address where kube-proxy has yet to choose a pod. A
SYN that is sent again for want of an answer has all three in common, too.

Bounds: two generations of SYNs, tallies; both are only lost knowledge, so that a copy may count again.
"""

from typing import Final

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.frames import Packet
from grapevine.capture.window import ConnTally

GENERATION_MS: Final = 2_000
"""A SYN is known for one to two of these: it is sent again after 1 s and after 3 s (RFC 6298 §2)."""
MAX_SYNS: Final = 4_096
"""SYNs of a generation."""
MAX_TALLIES: Final = 4_096


class Connections:
    """Folds the copies of SYNs and knows what they count on."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._recent: set[bytes] = set()
        self._before: set[bytes] = set()
        self._due_ms = 0
        self._tallies: dict[bytes, ConnTally] = {}

    def find(self, packet: Packet, time_ms: int) -> ConnTally | None:
        """Return what the SYN in `packet` counts on, None for a further copy."""
        self._advance(time_ms)
        syn = packet.src + (packet.src_port << 32 | packet.seq).to_bytes(6, "big")
        if syn in self._recent or syn in self._before:
            self._counters.add(Reason.CONNECTIONS_FOLDED)
            return None
        self._recent.add(syn)
        key = packet.src + packet.dst + packet.dst_port.to_bytes(2, "big")
        tally = self._tallies.get(key)
        if tally is None:
            if len(self._tallies) >= MAX_TALLIES:
                self._tallies.clear()
            tally = self._tallies[key] = ConnTally(packet.src, packet.dst, packet.dst_port)
        return tally

    def reset(self) -> None:
        """Forget all SYNs: the clock was set back."""
        self._recent, self._before = set(), set()
        self._due_ms = 0

    def _advance(self, now_ms: int) -> None:
        if now_ms < self._due_ms and len(self._recent) < MAX_SYNS:
            return
        self._before = self._recent if now_ms < self._due_ms + GENERATION_MS else set()
        self._recent = set()
        self._due_ms = now_ms + GENERATION_MS
