"""DNS over TCP: segments → messages (RFC 7766 §8: two octets of length, then the message). Pure; time is packet time.

A flow is one direction of a connection, (source, port, destination, port), so the copies of a connection that a node
shows, before and after un-NAT, are flows of their own; their messages are folded later.

Bounds: flows, bytes kept in all of them, segments and bytes out of order in one, silence. What goes over is counted
and the flow is dropped; a dropped flow is taken up again at the next segment that starts with a message.
Amortised constant work a segment, but for out-of-order ones (linear in at most `MAX_PENDING_SEGMENTS`).
"""

from struct import Struct
from typing import Final

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import HEADER_BYTES
from grapevine.capture.frames import DNS_PORT, Packet

MAX_FLOWS: Final = 1_024
MAX_BYTES: Final = 2 << 20
"""Bytes kept in all flows together."""
MAX_PENDING_SEGMENTS: Final = 64
MAX_PENDING_BYTES: Final = 128 << 10
"""Out of order in one flow: twice the largest message."""
IDLE_MS: Final = 30_000
"""Silence after which a flow is forgotten; resolvers close idle connections after seconds (RFC 7766 §6.2.3)."""

_FIN, _SYN, _RST = 0x01, 0x02, 0x04
_LENGTH: Final = Struct("!H")
_START: Final = Struct("!H2xB")

FlowKey = tuple[bytes, int, bytes, int]


class _Flow:
    """What is kept of one direction of one connection."""

    __slots__ = ("buffer", "is_broken", "last_ms", "next_seq", "pending", "pending_bytes")

    def __init__(self, next_seq: int, time_ms: int) -> None:
        self.next_seq = next_seq
        self.last_ms = time_ms
        self.buffer = bytearray()
        """In order, from the start of a message."""
        self.pending: dict[int, bytes] = {}
        """Ahead of `next_seq`, by sequence number."""
        self.pending_bytes = 0
        self.is_broken = False
        """Must be dropped, and has been counted."""

    def held_bytes(self) -> int:
        return len(self.buffer) + self.pending_bytes


class Streams:
    """Reassembles every DNS connection heard."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._flows: dict[FlowKey, _Flow] = {}
        """Longest silent first: a flow moves to the end whenever it is heard."""
        self._bytes = 0

    def feed(self, packet: Packet, time_ms: int) -> list[bytes]:
        """Return the messages that `packet`, a TCP segment from or to port 53, completes; mostly none or one."""
        self._expire(time_ms)
        key = (packet.src, packet.src_port, packet.dst, packet.dst_port)
        flow = self._flows.pop(key, None)
        if flow is not None:
            self._bytes -= flow.held_bytes()
        if packet.flags & _RST:
            return []
        seq = packet.seq
        if packet.flags & _SYN:
            seq = (seq + 1) & 0xFFFFFFFF
            if flow is None or flow.next_seq != seq:
                flow = _Flow(seq, time_ms)
        elif flow is None:
            flow = self._adopt(packet, time_ms)
            if flow is None:
                return []
        flow.last_ms = time_ms
        messages = self._take(flow, seq, packet.payload)
        if flow.is_broken or (packet.flags & _FIN and not flow.held_bytes()):
            return messages
        self._flows[key] = flow
        self._bytes += flow.held_bytes()
        while len(self._flows) > MAX_FLOWS or self._bytes > MAX_BYTES:
            self._forget(next(iter(self._flows)))
            self._counters.add(Reason.STREAM_EVICTED)
        return messages

    def _adopt(self, packet: Packet, time_ms: int) -> _Flow | None:
        """Return a new flow where the segment starts with a message, for the connection's start was not seen."""
        if not packet.payload:
            return None
        if len(packet.payload) >= _START.size:
            length, flags = _START.unpack_from(packet.payload)
            if length >= HEADER_BYTES and bool(flags & 0x80) == (packet.src_port == DNS_PORT):
                return _Flow(packet.seq, time_ms)
        self._counters.add(Reason.MIDWAY)
        return None

    def _take(self, flow: _Flow, seq: int, payload: bytes) -> list[bytes]:
        """Return the messages completed by `payload`."""
        if not payload:
            return []
        ahead = (seq - flow.next_seq) & 0xFFFFFFFF
        if ahead and ahead < 1 << 31:
            self._keep_for_later(flow, seq, payload)
            return []
        if not self._append(flow, seq, payload):
            self._counters.add(Reason.RETRANSMITTED)
            return []
        while flow.pending:
            for early in list(flow.pending):
                gap = (early - flow.next_seq) & 0xFFFFFFFF
                if not gap or gap >= 1 << 31:
                    data = flow.pending.pop(early)
                    flow.pending_bytes -= len(data)
                    self._append(flow, early, data)
                    break
            else:
                break
        return self._cut_messages(flow)

    def _append(self, flow: _Flow, seq: int, payload: bytes) -> bool:
        """Put what is new of `payload` behind the buffer; return whether anything was. `seq` must not leave a gap."""
        known = (flow.next_seq - seq) & 0xFFFFFFFF
        if known >= len(payload):
            return False
        flow.buffer += payload[known:]
        flow.next_seq = (seq + len(payload)) & 0xFFFFFFFF
        return True

    def _keep_for_later(self, flow: _Flow, seq: int, payload: bytes) -> None:
        known = flow.pending.get(seq)
        if known is not None:
            if len(known) >= len(payload):
                self._counters.add(Reason.RETRANSMITTED)
                return
            flow.pending_bytes -= len(known)
        flow.pending[seq] = payload
        flow.pending_bytes += len(payload)
        if len(flow.pending) > MAX_PENDING_SEGMENTS or flow.pending_bytes > MAX_PENDING_BYTES:
            self._counters.add(Reason.STREAM_OVERFLOW)
            flow.is_broken = True

    def _cut_messages(self, flow: _Flow) -> list[bytes]:
        messages: list[bytes] = []
        start = 0
        buffer = flow.buffer
        while len(buffer) >= start + 2:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length < HEADER_BYTES:
                self._counters.add(Reason.STREAM_GARBAGE)
                flow.is_broken = True
                break
            if len(buffer) < start + 2 + length:
                break
            messages.append(bytes(buffer[start + 2 : start + 2 + length]))
            start += 2 + length
        del buffer[:start]
        return messages

    def _expire(self, time_ms: int) -> None:
        while self._flows:
            key = next(iter(self._flows))
            flow = self._flows[key]
            if flow.last_ms + IDLE_MS > time_ms:
                return
            if flow.held_bytes():
                self._counters.add(Reason.STREAM_IDLE)
            self._forget(key)

    def _forget(self, key: FlowKey) -> None:
        self._bytes -= self._flows.pop(key).held_bytes()
