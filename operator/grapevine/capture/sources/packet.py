"""The node's interfaces, live, Linux only: a ring, the filter before it, and what the filter learns of the node."""

import socket
from collections.abc import Iterable

from grapevine.capture.sources.bpf import Wanted, wanted_filter
from grapevine.capture.sources.learning import Learning
from grapevine.capture.sources.ring import Ring, Sink


class PacketSource:
    """Packets from port 53 of every interface of this network namespace and, where wanted, queries and new connections.

    Of the copies of a packet it leaves out those that `learning` has found to be of no use.

    Raises:
        PermanentInputError: on making it, see `Ring`.
    """

    def __init__(self, *, has_queries: bool, has_connections: bool, host_ips: Iterable[str], now_s: float) -> None:
        """Open it at `now_s`, monotonic. `host_ips` are the node's own addresses."""
        everything = Wanted(queries=() if has_queries else None, openings=() if has_connections else None)
        self._learning = Learning(everything, now_s)
        self._learning.set_host_addresses(_pack(host_ips))
        self._passed = self._learning.wanted
        self._ring = Ring(wanted_filter(self._passed))

    def fileno(self) -> int:
        """Return the socket, to wait on."""
        return self._ring.fileno()

    @property
    def lone_direction(self) -> int | None:
        """Packet type of the responses that come in one copy, see `Intake.lone_direction`."""
        return self._learning.lone_direction

    def drain(self, sink: Sink) -> None:
        """Give the blocks of frames that wait to `sink`."""
        notes = self._learning.notes
        self._ring.drain(sink, notes.watch if notes else None)

    def advance(self, now_s: float, responses: int, frames: int) -> None:
        """Let time pass, as `Learning.advance`; costs next to nothing most of the time."""
        self._learning.advance(now_s, responses, frames)
        if self._learning.wanted is not self._passed:
            self._passed = self._learning.wanted
            self._ring.attach(wanted_filter(self._passed))

    def set_host_ips(self, host_ips: Iterable[str]) -> None:
        """Take the node's own addresses anew, as they may change."""
        self._learning.set_host_addresses(_pack(host_ips))

    def take_drops(self) -> int:
        """Return the packets the kernel dropped since the last call."""
        drops = self._ring.take_drops()
        if self._learning.notes:
            self._learning.notes.lost += drops
        return drops

    def close(self) -> None:
        """Give back memory and socket."""
        self._ring.close()


def _pack(addresses: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(socket.inet_pton(socket.AF_INET6 if ":" in each else socket.AF_INET, each) for each in addresses)
