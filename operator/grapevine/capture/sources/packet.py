"""The node's interfaces, live: an AF_PACKET socket (packet(7)), Linux only, capability CAP_NET_RAW and no other.

Bound to no interface, so it hears those that come and go. SOCK_DGRAM: the kernel strips the link layer, whatever it is,
and VLAN tags. This is the plain form, one system call a packet; a memory-mapped ring is a later step.
"""

import errno
import socket
import time
from array import array
from struct import Struct
from typing import Final

from grapevine.capture.counters import Reason
from grapevine.capture.frames import Packet, parse_network
from grapevine.capture.sources.bpf import Instruction, dns_filter, empty_filter, encode
from grapevine.model.errors import PermanentInputError

RECEIVE_BUFFER_BYTES: Final = 4 << 20
"""Asked for; the kernel grants at most net.core.rmem_max. What it cannot hold is counted as kernel-drops."""
MAX_PACKETS_A_READ: Final = 512
"""Then signals and windows get their turn."""
MAX_PACKET_BYTES: Final = 1 << 16

_ETH_P_ALL: Final = 3
_SO_ATTACH_FILTER: Final = 26
_SOL_PACKET: Final = 263
_PACKET_STATISTICS: Final = 6
_STATISTICS: Final = Struct("II")
_PROGRAM: Final = Struct("HP")
"""`struct sock_fprog`: number of instructions, padding, pointer to them."""


class PacketSource:
    """DNS traffic of every interface of this network namespace.

    Raises:
        PermanentInputError: on making it, no Linux or no CAP_NET_RAW.
    """

    def __init__(self) -> None:
        self._socket = _open()

    def fileno(self) -> int:
        """Return the socket, to wait on."""
        return self._socket.fileno()

    def read(self) -> list[tuple[Packet | Reason, int]]:
        """Return content and time (ms since the epoch) of the packets that wait, at most `MAX_PACKETS_A_READ`.

        The time is that of the call: packets wait for less than the precision of a window.
        """
        packets: list[tuple[Packet | Reason, int]] = []
        now_ms = time.time_ns() // 1_000_000
        while len(packets) < MAX_PACKETS_A_READ:
            try:
                data, (_, ethertype, direction, *_) = self._socket.recvfrom(MAX_PACKET_BYTES)
            except BlockingIOError:
                break
            except OSError as e:
                if e.errno != errno.ENETDOWN:  # one interface went away; the socket lives on
                    raise
                continue
            packets.append((parse_network(data, 0, len(data), ethertype, direction), now_ms))
        return packets

    def take_drops(self) -> int:
        """Return the packets the kernel dropped since the last call."""
        _, drops = _STATISTICS.unpack(self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size))
        return int(drops)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _open() -> socket.socket:
    """Return a socket that hears what passes the filter and nothing else."""
    if not hasattr(socket, "AF_PACKET"):
        raise PermanentInputError(
            "--source packet needs Linux; elsewhere use `tcpdump -w - | … --source pcap --file -`"
        )
    try:
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    except PermissionError as e:
        raise PermanentInputError(
            "--source packet needs the capability CAP_NET_RAW: run as root, or `setcap cap_net_raw+ep` on the "
            "interpreter, or in a pod securityContext.capabilities.add: [NET_RAW]"
        ) from e
    try:
        packets.setblocking(False)
        packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        # The socket hears everything from its first moment (Python cannot bind one to all interfaces later), so shut
        # it, empty it, and only then let DNS in: what is read has passed the filter
        _attach(packets, empty_filter())
        _discard(packets)
        _attach(packets, dns_filter())
    except OSError as e:
        packets.close()
        raise PermanentInputError(f"--source packet: the kernel refuses the packet filter: {e.strerror}") from e
    return packets


def _attach(packets: socket.socket, program: tuple[Instruction, ...]) -> None:
    instructions = array("B", encode(program))
    address, _ = instructions.buffer_info()
    packets.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _PROGRAM.pack(len(program), address))


def _discard(packets: socket.socket) -> None:
    while True:
        try:
            packets.recv(1)
        except BlockingIOError:
            return
