"""Frame in, cut windows out: joins the parts for all sources of frames. Pure; nothing in it raises.

Nearly every frame is a UDP datagram of DNS over plain IPv4 or IPv6, a query or a response known by its bytes, and what
it costs is what capture costs a node. So `Intake.frame` handles it there and then, without a call, and `Intake.block`
what is most frequent of that, IPv4 and a response whose query was heard, without even a call of `frame`. All else takes
the way of `_packet`, which gives the same for the same frame.
"""

import socket
from struct import Struct
from typing import Final, Literal

from grapevine.capture.blocks import (
    COOKED_IPV4_UDP,
    IPV4_PROTOCOL,
    REST_OF_FRAME,
    TIME,
    TIME_STEP_NS,
    UNFRAGMENTED_UDP,
    UNFRAGMENTED_UDP_MASK,
    walk,
)
from grapevine.capture.connections import Connections
from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import HEADER_BYTES, Response, find_fault, parse_response
from grapevine.capture.flood import Flood, parent_key
from grapevine.capture.frames import DNS_PORT, ETHERTYPE_IPV4, ETHERTYPE_IPV6, TCP, Packet, parse_network
from grapevine.capture.heard import MIN_QUESTION_BYTES, Heard, hear
from grapevine.capture.matching import GENERATION_MS, MAX_ASKED_BYTES, MAX_FRAMES, UNKNOWN, Exchanges
from grapevine.capture.repeats import Repeats
from grapevine.capture.streams import Streams
from grapevine.capture.window import MAX_BACKWARD_MS, Cut, Cuts, DnsTally, Window

Matching = Literal["on", "off", "auto"]
"""Whether a response must have a query. `auto`: from the first query on, for a file may have responses alone."""

_PORT: Final = DNS_PORT.to_bytes(2, "big")
_IPV4: Final = Struct("!BxH2xHxB2x4s4s2s2sH2x2s").unpack_from
"""Version and length, total length, fragment, protocol, source, destination; ports and length of UDP; id of DNS."""
_IPV6: Final = Struct("!B3xHBx16s16s2s2sH2x2s").unpack_from
"""Version, length, next header, source, destination; ports and length of UDP; id of DNS."""
_MIN_IPV4_BYTES: Final = 20 + 8 + HEADER_BYTES + MIN_QUESTION_BYTES
_MAX_QUERY_BYTES: Final = 20 + 8 + HEADER_BYTES + MAX_ASKED_BYTES
"""Of a query over IPv4 of which all is kept."""
_MIN_IPV6_BYTES: Final = 40 + 8 + HEADER_BYTES + MIN_QUESTION_BYTES
_FRAGMENTED: Final = 0x3FFF
_SYN, _SYN_MASK = 0x02, 0x17
"""SYN, and not ACK, RST or FIN."""


class Intake:
    """Takes frames and the passing of time; gives windows of observations.

    Work a frame is constant but for decoding what is new; memory is bounded by the bounds of its parts.
    """

    def __init__(
        self,
        source: str,
        window_ms: int,
        counters: Counters,
        *,
        matching: Matching = "auto",
        takes_connections: bool = True,
        is_patient: bool = False,
    ) -> None:
        """Make one for a source; `is_patient` as in `Window`."""
        self._counters = counters
        self._takes_connections = takes_connections
        self._streams = Streams(counters)
        self._exchanges = Exchanges(counters, is_matching=matching == "on")
        self._awaits_query = matching == "auto"
        self._repeats: Repeats[DnsTally] = Repeats(counters)
        self._connections = Connections(counters)
        self._flood = Flood()
        self._flood_window = 0
        self._window = Window(source, window_ms, counters, is_patient=is_patient)
        self._cuts: list[Cut] = []
        self.first_ms: int | None = None
        """Time of the first frame; None before it."""
        self.lone_direction: int | None = None
        """Packet type of responses that are known to come in one copy: in blocks they are counted at once. None where
        that is not known."""
        self._newest_ms = 0
        self._last_ms = 0
        self._low_ms = self._due_ms = 0
        """A frame's time must be between them, or something is to be done before it."""
        self._queries_left = self._queries_granted = 0 if self._awaits_query else MAX_FRAMES
        self._responses_left = MAX_FRAMES
        """What the generation of `Exchanges` may still take; counted down, so that it counts and bounds in one."""

    @property
    def newest_ms(self) -> int:
        """Newest time heard of; 0 before the first frame."""
        return max(self._newest_ms, self._last_ms)

    def is_idle(self) -> bool:
        """Tell whether nothing is held that the passing of time would cut."""
        return not self._exchanges and not self._window

    def frame(  # noqa: C901 - a call more would cost a tenth of it
        self, data: bytes, start: int, end: int, ethertype: int, direction: int, time_ms: int
    ) -> None:
        """Take one frame: its network header is at `start` of `data`, octets up to `end` were captured.

        `ethertype` may be a VLAN tag's, whose rest then stands at `start`; `direction` is as in `frames.Packet`.
        """
        if not self._low_ms <= time_ms < self._due_ms:
            self._begin(time_ms)
        self._last_ms = time_ms
        if ethertype == ETHERTYPE_IPV4 and end - start >= _MIN_IPV4_BYTES:
            version, length, fragment, proto, src, dst, src_port, dst_port, udp_length, transaction = _IPV4(data, start)
            stop = start + length
            is_plain = version == 0x45 and proto == 17 and not fragment & _FRAGMENTED and length == udp_length + 20
            message = start + 28
        elif ethertype == ETHERTYPE_IPV6 and end - start >= _MIN_IPV6_BYTES:
            version, length, proto, src, dst, src_port, dst_port, udp_length, transaction = _IPV6(data, start)
            stop = start + 40 + length
            is_plain = proto == 17 and length == udp_length and version >> 4 == 6
            message = start + 48
        else:
            self._packet(parse_network(data, start, end, ethertype, direction), time_ms)
            return
        if is_plain and stop <= end:
            behind = data.find(0, message + 12, stop) + 5
            if behind > 4 and behind <= stop:
                if src_port == _PORT:
                    self._responses_left = left = self._responses_left - 1
                    if left < 0:
                        self._end_generation(time_ms)
                    key = dst + dst_port + transaction
                    name = src + dst + data[message + 2 : behind]
                    entry = self._repeats.recent.get(name)
                    if entry is not None:
                        known: DnsTally | None = entry.known
                        if behind + entry.size > stop or data[behind : behind + entry.size] != entry.raw:
                            known = self._repeats.vary(entry, data, behind, stop)
                        if known is not None:
                            response = (known, data[message + 12 : behind], time_ms, direction)
                            recent = self._exchanges.recent
                            state = recent.get(key, UNKNOWN)
                            if isinstance(state, bytes):
                                if state.startswith(response[1]):
                                    recent[key] = response
                                    return
                            elif state[1] == response[1]:
                                self._exchanges.fold(recent, key, response)
                                return
                            elif state is UNKNOWN and not self._exchanges.is_matching:
                                self._exchanges.hold(key, response)
                                return
                    heard = Heard(data[message:stop], behind - message, dst, dst_port, src, "udp", key, name)
                    self._respond(heard, direction, time_ms)
                    return
                if dst_port == _PORT:
                    self._queries_left = left = self._queries_left - 1
                    if left < 0:
                        self._end_generation(time_ms)
                    asked = data[message + 12 : min(stop, message + 12 + MAX_ASKED_BYTES)]
                    self._exchanges.ask(src + src_port + transaction, asked)
                    return
        self._packet(parse_network(data, start, end, ethertype, direction), time_ms)

    def block(self, data: bytes, at: int, count: int) -> None:  # noqa: C901 - as above
        """Take the `count` frames of a block of the ring, the first of which is at `at`; see `blocks`."""
        if self._awaits_query:
            for start, end, ethertype, direction, time_ms, _ in walk(data, at, count):
                self.frame(data, start, end, ethertype, direction, time_ms)
            return
        exchanges, repeats, lone, port = self._exchanges, self._repeats, self.lone_direction, _PORT
        is_off = not exchanges.is_matching
        unpack, find, starts_with = COOKED_IPV4_UDP.unpack_from, data.find, data.startswith
        recent, before = exchanges.recent, exchanges.before.get
        known_by, known_as = repeats.recent.get, repeats.verbatim.get
        # The offsets below: 96 octets to the network header (`NETWORK_OFFSET`), 28 for IPv4 and UDP, 2 to the flags of
        # DNS, 10 to the question. Written out, for a sum of names is made anew for every frame
        responses = held = begun = others = step = 0
        time_ms, low_ns, high_ns = self._last_ms, 1, 0
        for _ in range(count):
            at += step
            step, ns, captured, direction, version, kind, src, dst, src_port, dst_port, transaction = unpack(data, at)
            if not low_ns <= ns < high_ns:
                low_ns, high_ns = ns, ns + TIME_STEP_NS
                seconds, _ = TIME.unpack_from(data, at)
                time_ms = seconds * 1_000 + ns // 1_000_000
                if not self._low_ms <= time_ms < self._due_ms:
                    self._begin(time_ms)
                    recent, before = exchanges.recent, exchanges.before.get
                    known_by, known_as = repeats.recent.get, repeats.verbatim.get
                self._last_ms = time_ms
            if src_port == port:
                whole = src + dst + data[at + 126 : at + 96 + captured]
                found = known_as(whole)
                if found is None and version == 0x45 and kind & UNFRAGMENTED_UDP_MASK == UNFRAGMENTED_UDP:
                    offset, protocol, high, low, udp_high, udp_low = REST_OF_FRAME.unpack_from(data, at)
                    if high << 8 | low == captured == (udp_high << 8 | udp_low) + 20 and protocol == IPV4_PROTOCOL:
                        stop = at + 96 + captured
                        behind = find(0, at + 136, stop) + 5
                        entry = known_by(src + dst + data[at + 126 : behind]) if 4 < behind <= stop else None
                        if entry is not None:
                            if starts_with(entry.raw, behind) and behind + entry.size <= stop:
                                found = repeats.learn_verbatim(whole, entry.known, data[at + 136 : behind])
                            else:
                                known = repeats.vary(entry, data, behind, stop)
                                if known is not None:
                                    found = known, data[at + 136 : behind]
                if found is not None:
                    tally, question = found
                    key = dst + dst_port + transaction
                    state = recent.get(key) or before(key)
                    if (
                        state == question
                        or (isinstance(state, bytes) and state.startswith(question))
                        or (is_off and state is None)
                    ):
                        responses += 1
                        if direction != lone:
                            held += 1
                            recent[key] = (tally, question, time_ms, direction)
                            continue
                        recent[key] = found
                        if tally.count:
                            tally.count += 1
                            if time_ms > tally.last_ms:
                                tally.last_ms = time_ms
                            elif time_ms < tally.first_ms:
                                tally.first_ms = time_ms
                        else:
                            begun += 1
                            self._keep(self._window.count(tally, time_ms))
                        continue
            elif (
                dst_port == port
                and version == 0x45
                and kind & UNFRAGMENTED_UDP_MASK == UNFRAGMENTED_UDP
                and captured <= _MAX_QUERY_BYTES
            ):
                asked = data[at + 136 : at + 96 + captured]
                if asked:
                    key = src + src_port + transaction
                    if key not in recent:
                        recent[key] = asked
                    elif recent[key] != asked:
                        exchanges.ask(key, asked)
                    continue
            others += 1
            offset, protocol, *_ = REST_OF_FRAME.unpack_from(data, at)
            start = at + offset
            self.frame(data, start, start + captured, socket.ntohs(protocol), direction, time_ms)
            recent, before = exchanges.recent, exchanges.before.get
            known_by, known_as = repeats.recent.get, repeats.verbatim.get
        self._queries_left -= count - responses - others
        self._responses_left -= responses
        self._counters.add(Reason.EVENTS, responses - held - begun)
        if self._queries_left < 0 or self._responses_left < 0:
            self._end_generation(time_ms)

    def advance(self, now_ms: int) -> None:
        """Let time pass: what has waited long enough is released, a window that is over is cut."""
        if now_ms < self._newest_ms - MAX_BACKWARD_MS:
            self.flush()
            self._newest_ms = self._last_ms = now_ms
            self._exchanges.reset()
            self._repeats.reset()
            self._connections.reset()
        now_ms = self._newest_ms = max(self.newest_ms, now_ms)
        self._settle()
        due_ms = self._exchanges.due_ms
        if now_ms >= due_ms:
            self._turn(now_ms)
            if now_ms >= due_ms + GENERATION_MS:
                self._turn(now_ms)
        self._repeats.advance(now_ms)
        self._keep(self._window.advance(now_ms))
        if self._flood_window != self._window.number:
            self._flood_window = self._window.number
            self._flood.clear()
        self._low_ms = now_ms - MAX_BACKWARD_MS
        self._due_ms = 0 if self.first_ms is None else min(self._exchanges.due_ms, self._window.end_ms)

    def flush(self) -> None:
        """Cut everything held, complete or not."""
        self._settle()
        for _ in range(2):
            self._turn(self.newest_ms)
        self._keep(self._window.flush())

    def has_cuts(self) -> bool:
        """Tell whether windows have been cut since the last call of `take`."""
        return bool(self._cuts)

    def take(self) -> list[Cut]:
        """Return the windows cut since the last call."""
        cuts, self._cuts = self._cuts, []
        return cuts

    def _begin(self, time_ms: int) -> None:
        """Let time pass before a frame."""
        if self.first_ms is None:
            self.first_ms = time_ms
        self.advance(time_ms)

    def _packet(self, packet: Packet | Reason, time_ms: int) -> None:
        self._counters.add(Reason.FRAMES)
        if isinstance(packet, Reason):
            self._counters.add(packet)
        elif packet.src_port == DNS_PORT or packet.dst_port == DNS_PORT:
            self._payload(packet, time_ms)
        elif packet.flags & _SYN_MASK == _SYN and packet.proto == TCP and self._takes_connections and packet.dst_port:
            # To port 0, which is reserved (RFC 6335 §6), goes no connection, only what somebody forged
            tally = self._connections.find(packet, time_ms)
            if tally is not None:
                self._keep(self._window.count(tally, time_ms))
        else:
            self._counters.add(Reason.OTHER_PORT)

    def _payload(self, packet: Packet, time_ms: int) -> None:
        if packet.is_cut:
            self._counters.add(Reason.CUT_PAYLOAD)
        if packet.proto == TCP:
            self._counters.add(Reason.SEGMENTS)
            for message in self._streams.feed(packet, time_ms):
                self._message(message, packet, "tcp", time_ms)
        else:
            self._message(packet.payload, packet, "udp", time_ms)

    def _message(self, message: bytes, packet: Packet, transport: str, time_ms: int) -> None:
        """Take a message that came by another way than nearly all do."""
        if self._exchanges.is_full():
            self._end_generation(time_ms)
        if packet.src_port == DNS_PORT:
            self._counters.add(Reason.MESSAGES)
            port = packet.dst_port.to_bytes(2, "big")
            self._respond(hear(message, packet.dst, port, packet.src, transport), packet.direction, time_ms)
        else:
            self._counters.add(Reason.QUERIES)
            port = packet.src_port.to_bytes(2, "big")
            self._ask(hear(message, packet.src, port, packet.dst, transport))

    def _ask(self, heard: Heard) -> None:
        self._exchanges.ask(heard.key, heard.message[HEADER_BYTES : HEADER_BYTES + MAX_ASKED_BYTES])
        self._find_first_query()

    def _find_first_query(self) -> bool:
        """Have responses matched from the first query on; tell whether this was it."""
        is_first = self._awaits_query
        if is_first:
            self._awaits_query = False
            self._exchanges.is_matching = True
            self._settle()
        return is_first

    def _respond(self, heard: Heard, direction: int, time_ms: int) -> None:
        """Take a response that is new, a copy, unsolicited or no response at all."""
        fault = find_fault(heard.message)
        if fault is not None:
            self._counters.add(fault)
            if fault is Reason.QUERY and heard.port == _PORT:  # some servers ask from port 53
                self._ask(hear(heard.message, heard.resolver, _PORT, heard.client, heard.transport))
            return
        refusal = self._exchanges.expects(heard.key, heard.question, direction)
        if refusal is not None:
            self._counters.add(refusal)
            return
        message, behind, name = heard.message, heard.behind, heard.name
        tally = self._repeats.find(name, message, behind, len(message), time_ms) or self._decode(heard, time_ms)
        if tally is not None:
            self._exchanges.hold(heard.key, (tally, heard.question, time_ms, direction))

    def _decode(self, heard: Heard, time_ms: int) -> DnsTally | None:
        """Return what a response that is not known counts on; None if it is none, or does not fit into the window."""
        if not self._repeats.is_due_again(heard.name) and not self._flood.admits_name(heard.client):
            return self._fold(heard)
        response = self._parse(heard.message)
        if response is None:
            return None
        tally = self._window.tally(heard.client, heard.resolver, response, heard.transport)
        self._repeats.learn(heard.name, heard.message, heard.behind, response, tally, time_ms)
        return tally

    def _fold(self, heard: Heard) -> DnsTally | None:
        """Return the tally of all names below the parent of this one's, which is not decoded but for the first."""
        sockets = heard.name[: -(heard.behind - 2)]
        key = parent_key(sockets, heard.message, heard.message[HEADER_BYTES : heard.behind])
        tally = self._flood.folded.get(key)
        if tally is not None:
            return tally
        if self._flood.admits_parent(heard.client):
            response = self._parse(heard.message)
            if response is None:
                return None
            tally = self._window.fold(self._window.tally(heard.client, heard.resolver, response, heard.transport))
            if tally is not None:
                self._flood.folded[key] = tally
                return tally
        self._counters.add(Reason.WINDOW_FULL)
        return None

    def _parse(self, message: bytes) -> Response | None:
        response = parse_response(message)
        if isinstance(response, Reason):
            self._counters.add(response)
            return None
        for note in response.notes:
            self._counters.add(note)
        return response

    def _end_generation(self, time_ms: int) -> None:
        """Make room in the table of queries and responses before its time, or see that this is the first query."""
        if not self._find_first_query():
            self._settle()
            self._turn(time_ms, is_early=True)

    def _turn(self, now_ms: int, *, is_early: bool = False) -> None:
        """Count the responses whose copies must have come."""
        events = 0
        for tally, _, time_ms, _ in self._exchanges.turn(now_ms, is_early=is_early):
            if tally.count:
                events += 1
                tally.count += 1
                if time_ms != tally.last_ms:
                    tally.widen(time_ms)
            else:
                self._keep(self._window.count(tally, time_ms))
        self._counters.add(Reason.EVENTS, events)
        self._due_ms = min(self._exchanges.due_ms, self._window.end_ms)

    def _settle(self) -> None:
        """Put the frames counted down into the counters."""
        queries = self._queries_granted - self._queries_left
        responses = MAX_FRAMES - self._responses_left
        self._counters.add(Reason.FRAMES, queries + responses)
        self._counters.add(Reason.QUERIES, queries)
        self._counters.add(Reason.MESSAGES, responses)
        self._queries_left = self._queries_granted = 0 if self._awaits_query else MAX_FRAMES
        self._responses_left = MAX_FRAMES

    def _keep(self, cuts: Cuts) -> None:
        self._cuts += cuts
