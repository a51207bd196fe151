"""The node's interfaces, live, Linux only: a ring and the filter before it. Needs CAP_NET_RAW to open."""

from grapevine.capture.sources.bpf import Wanted, wanted_filter
from grapevine.capture.sources.ring import Ring, Sink


class PacketSource:
    """Packets from port 53 of every interface of this network namespace and, where wanted, queries and new connections.

    Raises:
        PermanentInputError: on making it, see `Ring`.
    """

    def __init__(self, *, has_queries: bool, has_connections: bool) -> None:
        self._wanted = Wanted(
            queries=() if has_queries else None,
            openings=() if has_connections else None,
        )
        self._ring = Ring(wanted_filter(self._wanted))

    def fileno(self) -> int:
        """Return the socket, to wait on."""
        return self._ring.fileno()

    def drain(self, sink: Sink) -> None:
        """Give the frames that wait to `sink`."""
        self._ring.drain(sink)

    def take_drops(self) -> int:
        """Return the packets the kernel dropped since the last call."""
        return self._ring.take_drops()

    def close(self) -> None:
        """Give back memory and socket."""
        self._ring.close()
