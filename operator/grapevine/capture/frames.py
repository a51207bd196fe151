"""Frame of a link layer → the UDP datagram or TCP segment inside. Pure; hostile bytes give a `Reason`, never an error.

Ethernet (IEEE 802.3 with 802.1Q/802.1ad tags), Linux cooked v1 and v2, raw IP; IPv4 (RFC 791), IPv6 (RFC 8200),
UDP (RFC 768), TCP (RFC 9293). Link types: https://www.tcpdump.org/linktypes.html.
"""

from collections.abc import Callable, Mapping
from struct import Struct
from types import MappingProxyType
from typing import Final, NamedTuple

from grapevine.capture.counters import Reason

UDP: Final = 17
TCP: Final = 6
DNS_PORT: Final = 53

DIRECTION_UNKNOWN: Final = -1
DIRECTION_OUTGOING: Final = 4
"""`PACKET_OUTGOING` of linux/if_packet.h; 0 is HOST, 3 is OTHERHOST."""

ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_IPV6: Final = 0x86DD
_ETHERTYPES: Final = MappingProxyType({4: ETHERTYPE_IPV4, 6: ETHERTYPE_IPV6})
"""By the version in the first octet of a network header."""

_VLAN: Final = 0x8100
_VLAN_TAGS: Final = frozenset((_VLAN, 0x88A8, 0x9100))
_AFTER_TAG: Final = _VLAN_TAGS | {ETHERTYPE_IPV4, ETHERTYPE_IPV6}
_MAX_VLAN_TAGS: Final = 2
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60
_MAX_EXTENSIONS: Final = 8
"""Extension headers followed; RFC 8200 §4.1 knows fewer kinds, each at most twice."""

_U16: Final = Struct("!H")
_UDP: Final = Struct("!HHH")
_TCP: Final = Struct("!HHIIBB")


class Packet(NamedTuple):
    """One datagram or segment. A NamedTuple: one is made of every frame, and a frozen dataclass costs thrice."""

    proto: int
    """`UDP` or `TCP`."""
    src: bytes
    """Address, 4 or 16 octets."""
    dst: bytes
    src_port: int
    dst_port: int
    payload: bytes
    is_cut: bool
    """Payload is shorter than its header says: snap length, or the first of several fragments."""
    direction: int
    """Packet type of Linux (`PACKET_HOST` 0 … `PACKET_OUTGOING` 4), or `DIRECTION_UNKNOWN` (Ethernet, raw IP)."""
    flags: int
    """TCP flags octet; 0 for UDP."""
    seq: int
    """TCP sequence number; 0 for UDP."""


Location = tuple[int, int, int]
"""Where in a frame the network header starts, the ethertype before it, and the direction as in `Packet`."""


def locate(linktype: int, frame: bytes) -> Location:
    """Return where what `frame` carries begins. `linktype` must be one of `SUPPORTED_LINKTYPES`.

    A frame too short for its link layer is taken for an IPv4 packet of no octets, which `parse_network` refuses.
    """
    return _LINKS[linktype](frame)


def parse_network(data: bytes, start: int, end: int, ethertype: int, direction: int) -> Packet | Reason:
    """Return what the packet at `start` carries, of which octets up to `end` were captured.

    VLAN tags may still stand before the network header; the first one's ethertype is then `ethertype`, and what follows
    it is at `start`.
    """
    if direction != DIRECTION_UNKNOWN and end >= start + 4:
        ethertype = _cooked_ethertype(data, start, ethertype)
    for _ in range(_MAX_VLAN_TAGS):
        if ethertype not in _VLAN_TAGS:
            break
        if end < start + 4:
            return Reason.SHORT_FRAME
        (ethertype,) = _U16.unpack_from(data, start + 2)
        start += 4
    if ethertype == ETHERTYPE_IPV4:
        return _parse_ipv4(data, start, end, direction)
    if ethertype == ETHERTYPE_IPV6:
        return _parse_ipv6(data, start, end, direction)
    return Reason.NOT_IP


def _cooked_ethertype(data: bytes, start: int, ethertype: int) -> int:
    """Return what stands at `start` of a cooked packet: a tag's ethertype for the rest of a tag.

    Linux gives the ethertype of the outermost header or, on newer kernels, of the innermost. What comes in begins with
    the rest of an inner tag nevertheless, and what goes out with the network header, so the octets decide.
    """
    is_tagged = _U16.unpack_from(data, start + 2)[0] in _AFTER_TAG
    if ethertype in _VLAN_TAGS:
        return ethertype if is_tagged else _ETHERTYPES.get(data[start] >> 4, ethertype)
    is_ip = ethertype in (ETHERTYPE_IPV4, ETHERTYPE_IPV6)
    return _VLAN if is_tagged and is_ip and ethertype != _ETHERTYPES.get(data[start] >> 4) else ethertype


def _locate_ethernet(frame: bytes) -> Location:
    if len(frame) < 14:
        return len(frame), ETHERTYPE_IPV4, DIRECTION_UNKNOWN
    return 14, _U16.unpack_from(frame, 12)[0], DIRECTION_UNKNOWN


def _locate_cooked_v1(frame: bytes) -> Location:
    if len(frame) < 16:
        return len(frame), ETHERTYPE_IPV4, DIRECTION_UNKNOWN
    return 16, _U16.unpack_from(frame, 14)[0], _U16.unpack_from(frame, 0)[0]


def _locate_cooked_v2(frame: bytes) -> Location:
    if len(frame) < 20:
        return len(frame), ETHERTYPE_IPV4, DIRECTION_UNKNOWN
    return 20, _U16.unpack_from(frame, 0)[0], frame[10]


def _locate_raw(frame: bytes) -> Location:
    version = frame[0] >> 4 if frame else 4
    return 0, _ETHERTYPES.get(version, 0), DIRECTION_UNKNOWN


_LINKS: Final[Mapping[int, Callable[[bytes], Location]]] = MappingProxyType(
    {
        1: _locate_ethernet,
        101: _locate_raw,
        113: _locate_cooked_v1,
        228: _locate_raw,
        229: _locate_raw,
        276: _locate_cooked_v2,
    }
)

SUPPORTED_LINKTYPES: Final = frozenset(_LINKS)


def _parse_ipv4(data: bytes, start: int, captured: int, direction: int) -> Packet | Reason:
    if captured < start + 20 or data[start] >> 4 != 4:
        return Reason.SHORT_FRAME
    body = start + (data[start] & 0x0F) * 4
    total = _U16.unpack_from(data, start + 2)[0]
    # 0: the kernel merged segments (GRO, TSO) to more than the field can say
    end = start + total if total else captured
    if body < start + 20 or end < body:
        return Reason.SHORT_FRAME
    if _U16.unpack_from(data, start + 6)[0] & 0x1FFF:
        return Reason.LATER_FRAGMENT
    addresses = data[start + 12 : start + 16], data[start + 16 : start + 20]
    return _parse_transport(data[start + 9], addresses, data, body, end, captured, direction)


def _parse_ipv6(data: bytes, start: int, captured: int, direction: int) -> Packet | Reason:
    body = start + 40
    if captured < body or data[start] >> 4 != 6:
        return Reason.SHORT_FRAME
    length = _U16.unpack_from(data, start + 4)[0]
    end = body + length if length else captured  # 0: jumbogram (RFC 2675) or merged segments
    header = data[start + 6]
    for _ in range(_MAX_EXTENSIONS):
        if header in (UDP, TCP):
            addresses = data[start + 8 : start + 24], data[start + 24 : start + 40]
            return _parse_transport(header, addresses, data, body, end, captured, direction)
        if header not in (_HOP_BY_HOP, _ROUTING, _DESTINATION, _FRAGMENT):
            return Reason.NOT_UDP_TCP
        if captured < body + 8:
            return Reason.SHORT_FRAME
        if header == _FRAGMENT and _U16.unpack_from(data, body + 2)[0] & 0xFFF8:
            return Reason.LATER_FRAGMENT
        size = 8 if header == _FRAGMENT else 8 + data[body + 1] * 8
        header = data[body]
        body += size
    return Reason.NOT_UDP_TCP


def _parse_transport(
    proto: int, addresses: tuple[bytes, bytes], data: bytes, start: int, end: int, captured: int, direction: int
) -> Packet | Reason:
    """Return the datagram or segment at `start`; `end` is where the IP header says that the packet ends."""
    src, dst = addresses
    available = min(end, captured)
    if proto == UDP:
        if available < start + 8:
            return Reason.SHORT_FRAME
        src_port, dst_port, length = _UDP.unpack_from(data, start)
        if 0 < length < 8:
            return Reason.SHORT_FRAME
        stop = start + length if length else end
        payload = data[start + 8 : min(stop, available)]
        return Packet(UDP, src, dst, src_port, dst_port, payload, stop > available, direction, 0, 0)
    if proto == TCP:
        if available < start + 20:
            return Reason.SHORT_FRAME
        src_port, dst_port, seq, _, offset, flags = _TCP.unpack_from(data, start)
        body = start + (offset >> 4) * 4
        if body < start + 20 or body > end:
            return Reason.SHORT_FRAME
        return Packet(TCP, src, dst, src_port, dst_port, data[body:available], end > available, direction, flags, seq)
    return Reason.NOT_UDP_TCP
