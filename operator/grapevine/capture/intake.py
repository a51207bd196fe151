"""Frame in, cut windows out: joins frames, streams, dns and window for all sources of frames. Pure; nothing raises."""

from typing import Final

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import Response, parse_response
from grapevine.capture.frames import TCP, Packet, parse_network
from grapevine.capture.streams import Streams
from grapevine.capture.window import MAX_BACKWARD_MS, Copy, Cut, Folder, Window

DNS_PORT: Final = 53


class Intake:
    """Takes packets and the passing of time; gives windows of observations.

    Work a packet is constant but for decoding the DNS message; memory is bounded by the bounds of its parts.
    """

    def __init__(self, source: str, window_ms: int, counters: Counters) -> None:
        self._counters = counters
        self._streams = Streams(counters)
        self._folder = Folder(counters)
        self._window = Window(source, window_ms, counters)
        self._cuts: list[Cut] = []
        self.first_ms: int | None = None
        """Time of the first packet; None before it."""
        self.newest_ms = 0
        """Newest time heard of; 0 before the first packet."""

    def is_idle(self) -> bool:
        """Tell whether nothing is held that the passing of time would cut."""
        return not self._folder and not self._window

    def frame(self, data: bytes, start: int, end: int, ethertype: int, direction: int, time_ms: int) -> None:
        """Take one frame: its network header is at `start` of `data`, octets up to `end` were captured.

        `ethertype` may be a VLAN tag's, whose rest then stands at `start`; `direction` is as in `frames.Packet`.
        """
        self.packet(parse_network(data, start, end, ethertype, direction), time_ms)

    def packet(self, packet: Packet | Reason, time_ms: int) -> None:
        """Take one frame's content, or why it has none."""
        if self.first_ms is None:
            self.first_ms = time_ms
        self._counters.add(Reason.FRAMES)
        self.advance(time_ms)
        if isinstance(packet, Reason):
            self._counters.add(packet)
        elif packet.src_port != DNS_PORT:
            self._counters.add(Reason.NOT_A_RESPONSE)
        else:
            self._payload(packet, time_ms)

    def advance(self, now_ms: int) -> None:
        """Let time pass: what has waited long enough is released, a window that is over is cut."""
        if now_ms < self.newest_ms - MAX_BACKWARD_MS:
            self.flush()
            self.newest_ms = now_ms
        self.newest_ms = max(self.newest_ms, now_ms)
        self._release(self.newest_ms)
        self._keep(self._window.advance(self.newest_ms))

    def flush(self) -> None:
        """Cut everything held, complete or not."""
        self._release(None)
        self._keep(self._window.flush())

    def take(self) -> list[Cut]:
        """Return the windows cut since the last call."""
        cuts, self._cuts = self._cuts, []
        return cuts

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
        response = self._parse(message)
        if response is None:
            return
        self._folder.add(
            Copy(
                time_ms=time_ms,
                client=packet.dst,
                client_port=packet.dst_port,
                resolver=packet.src,
                transport=transport,
                direction=packet.direction,
                response=response,
            ),
            time_ms,
        )

    def _parse(self, message: bytes) -> Response | None:
        self._counters.add(Reason.MESSAGES)
        response = parse_response(message)
        if isinstance(response, Reason):
            self._counters.add(response)
            return None
        for note in response.notes:
            self._counters.add(note)
        return response

    def _release(self, now_ms: int | None) -> None:
        for event in self._folder.release(now_ms):
            self._keep(self._window.add(event))

    def _keep(self, cut: Cut | None) -> None:
        if cut is not None:
            self._cuts.append(cut)
