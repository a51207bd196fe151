"""Learns on which interfaces a node shows copies that nobody needs, for the filter to leave them out. Pure.

A packet is on a node up to six times: on the veths of both pods, on the bridge, before NAT and after it. Needed is of a
response the copy on its way out to the client (the last with packet type OUTGOING, else the last), of a segment that
opens a connection the first, of a query any: the rules by which `matching` and `connections` fold them.

Nothing of a CNI is assumed. For some seconds the filter passes everything, and the copies of each packet are noted by
their slot: interface and packet type. A slot where no copy was needed is left out, if it had a good share of all.
Everything else is passed, as is every interface that comes later. So only a client that was silent meanwhile, and whose
packets go another way than everybody's, can go unheard, and no longer than until the next time.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from struct import Struct
from types import MappingProxyType
from typing import Final, Literal

from grapevine.capture.frames import DIRECTION_OUTGOING, ETHERTYPE_IPV4, ETHERTYPE_IPV6, TCP, UDP
from grapevine.capture.sources.bpf import MAX_HOST_ADDRESSES, MAX_SLOTS, Slot, Wanted
from grapevine.model.value import replace

LEARN_S: Final = 5.0
"""How long to learn at least."""
PERIOD_S: Final = 300.0
"""From the end of learning to the next time: all copies cost, so that is a sixtieth of the time."""
SILENCE_S: Final = 30.0
"""Without a response, but with other packets: what is needed is perhaps in another slot now."""
MIN_FRAMES: Final = 20
"""In that time; with fewer it is silence and no change."""
MIN_PACKETS: Final = 100
"""Of a kind; with fewer nothing is left out, nor need it be."""
MIN_SHARE: Final = 0.02
"""Of the packets of a kind; a slot with fewer is not worth the instruction."""
MAX_LOST_SHARE: Final = 0.05
"""Where the kernel dropped some, copies are missing, so the same share of packets may contradict, up to this. Else a
node that cannot keep up with all copies would have to hear them for ever."""
SETTLE_S: Final = 3.0
"""What the filter before has passed is read by then: the ring's blocks are up to 2 s old."""
SAMPLE: Final = 0x07
"""One packet in eight is noted, with all its copies: the last octet of its id or sequence number has none of these."""
GENERATION_MS: Final = 500
"""Copies of a packet come within one of these."""
MAX_NOTED: Final = 4_096
"""Packets of a generation, and patterns of copies; over the first, no more are noted, over the other, all is void."""
MAX_COPIES: Final = 12
"""Noted of one packet: a client's retries with the same port and id add to its copies."""

Kind = Literal["response", "query", "opening"]
Pattern = tuple[Slot, ...]
"""Where the copies of a packet were seen, in the order they came."""

_PORTS: Final = Struct("!HH")
_DNS_PORT: Final = 53
_SYN_ACK, _SYN = 0x12, 0x02
_FIRST_TURNS: Final = 2
"""Packets of the first generation may have begun before it."""
_CLIENT_AT: Final = 7
"""Where a key has the client's address: behind the kind's letter, the client's port and four octets more."""
_KINDS: Final[Mapping[int, Kind]] = MappingProxyType({ord("r"): "response", ord("q"): "query", ord("o"): "opening"})


class Notes:
    """Where the copies of packets were seen. Looks at UDP of DNS, and at TCP that opens a connection."""

    def __init__(self, host_addresses: Collection[bytes]) -> None:
        """Begin; what has the node itself as client is not noted, for the filter passes it anyway."""
        self._host_addresses = frozenset(host_addresses)
        self._recent: dict[bytes, list[Slot]] = {}
        self._before: dict[bytes, list[Slot]] = {}
        self._due_ms = 0
        self._turns = 0
        self._patterns: dict[Kind, Counter[Pattern]] = {kind: Counter() for kind in _KINDS.values()}
        self._is_void = False
        self._shown = 0
        self.lost = 0
        """Packets the kernel dropped meanwhile; to be added by who knows."""

    def watch(
        self, data: bytes, start: int, end: int, ethertype: int, direction: int, time_ms: int, interface: int
    ) -> None:
        """Note one copy; see `ring.Watch`."""
        self._shown += 1
        if time_ms >= self._due_ms or time_ms < self._due_ms - 2 * GENERATION_MS:
            self._turn(time_ms)
        if ethertype == ETHERTYPE_IPV4 and end >= start + 20:
            source, destination = data[start + 12 : start + 16], data[start + 16 : start + 20]
            key = _key(data, start + (data[start] & 0x0F) * 4, end, data[start + 9], source, destination)
        elif ethertype == ETHERTYPE_IPV6 and end >= start + 40:
            source, destination = data[start + 8 : start + 24], data[start + 24 : start + 40]
            key = _key(data, start + 40, end, data[start + 6], source, destination)
        else:
            return
        if key is None or key[_CLIENT_AT:] in self._host_addresses:
            return
        copies = self._before.get(key) or self._recent.get(key)
        if copies is None:
            if len(self._recent) < MAX_NOTED:
                self._recent[key] = [Slot(interface, direction)]
        elif len(copies) < MAX_COPIES:
            copies.append(Slot(interface, direction))

    def count(self, kind: Kind) -> int:
        """Return the number of packets of a kind whose copies are complete."""
        return self._patterns[kind].total()

    def left_out(self, kind: Kind) -> tuple[Slot, ...]:
        """Return the slots where no copy of this kind was needed, that of the most copies first."""
        patterns = self._patterns[kind]
        packets = patterns.total()
        if self._is_void or packets < MIN_PACKETS:
            return ()
        tolerated = self._tolerated(packets)
        copies: Counter[Slot] = Counter()
        for pattern, count in patterns.items():
            for slot in set(pattern):
                copies[slot] += count
        left_out: list[Slot] = []
        for slot, count in copies.most_common():
            if count < packets * MIN_SHARE or len(left_out) == MAX_SLOTS:
                break
            missed = sum(n for pattern, n in patterns.items() if _is_needed(kind, pattern, slot, left_out))
            if missed <= tolerated:
                left_out.append(slot)
        return tuple(left_out)

    def lone_direction(self, left_out: Collection[Slot]) -> int | None:
        """Return the packet type whose responses have no other copy but in these slots, that of the most; else None."""
        patterns = self._patterns["response"]
        packets = patterns.total()
        if self._is_void or packets < MIN_PACKETS:
            return None
        alone: Counter[int] = Counter()
        accompanied: Counter[int] = Counter()
        for pattern, count in patterns.items():
            left = set(pattern) - set(left_out)
            for direction in {slot.direction for slot in left}:
                (alone if len(left) == 1 else accompanied)[direction] += count
        tolerated = self._tolerated(packets)
        return next((each for each, _ in alone.most_common() if accompanied[each] <= tolerated), None)

    def _tolerated(self, packets: int) -> int:
        """Return how many of so many packets may contradict."""
        lost_share = self.lost / (self.lost + self._shown)
        return int(packets * min(lost_share, MAX_LOST_SHARE))

    def _turn(self, time_ms: int) -> None:
        """Begin a generation; the one before the last is complete."""
        if self._turns > _FIRST_TURNS:
            for key, slots in self._before.items():
                self._patterns[_KINDS[key[0]]][tuple(slots)] += 1
            self._is_void = self._is_void or sum(map(len, self._patterns.values())) > MAX_NOTED
        self._turns += 1
        self._before, self._recent = self._recent, {}
        self._due_ms = time_ms + GENERATION_MS


class Learning:
    """Decides what the filter passes, by notes taken now and then."""

    def __init__(self, wanted: Wanted, now_s: float) -> None:
        """Begin with learning; `wanted` says which kinds are wanted at all. Times are monotonic, in seconds."""
        self._everything = wanted
        self.wanted = wanted
        """What is to be passed now."""
        self.notes: Notes | None = Notes(wanted.host_addresses)
        """To be shown every frame, while there is one."""
        self.lone_direction: int | None = None
        """Packet type of the responses that now come in one copy; None while that is not known."""
        self._learned_direction: int | None = None
        self._since_s = now_s
        self._looked_s = now_s
        self._responses = self._frames = 0

    def set_host_addresses(self, addresses: Collection[bytes]) -> None:
        """Take the node's own addresses, in a stable order; with more than the filter compares, nothing is its own."""
        own = tuple(addresses) if len(addresses) <= MAX_HOST_ADDRESSES else ()
        if own == self._everything.host_addresses:
            return
        self._everything = replace(self._everything, host_addresses=own)
        self.wanted = replace(self.wanted, host_addresses=own)
        if self.notes is not None:
            self.notes = Notes(own)

    def advance(self, now_s: float, responses: int, frames: int) -> None:
        """Let time pass; `frames` were heard so far, and `responses` in them were of use."""
        if self.notes is None:
            if now_s >= self._since_s + SETTLE_S:
                self.lone_direction = self._learned_direction
            if now_s >= self._since_s + PERIOD_S or self._is_silent(now_s, responses, frames):
                self.notes = Notes(self._everything.host_addresses)
                self.wanted = self._everything
                self.lone_direction = None
                self._since_s = now_s
            return
        if now_s < self._since_s + LEARN_S:
            return
        if not self._has_enough(self.notes) and now_s < self._since_s + PERIOD_S:
            return  # the quieter the node, the less all its copies cost
        self.wanted = self._learned(self.notes)
        self._learned_direction = self.notes.lone_direction(self.wanted.responses)
        self.notes = None
        self._since_s = self._looked_s = now_s
        self._responses, self._frames = responses, frames

    def _has_enough(self, notes: Notes) -> bool:
        """Tell whether enough was noted of responses, and of queries where they come with them."""
        responses = notes.count("response")
        has_queries = self._everything.queries is None or notes.count("query") >= MIN_PACKETS
        return responses >= MIN_PACKETS and (has_queries or responses >= 2 * MIN_PACKETS)

    def _learned(self, notes: Notes) -> Wanted:
        everything = self._everything
        return replace(
            everything,
            responses=notes.left_out("response"),
            queries=None if everything.queries is None else notes.left_out("query"),
            openings=None if everything.openings is None else notes.left_out("opening"),
        )

    def _is_silent(self, now_s: float, responses: int, frames: int) -> bool:
        """Tell whether, for `SILENCE_S`, there was no response but other frames."""
        if now_s < self._looked_s + SILENCE_S or not self.wanted.responses:
            return False
        is_silent = responses == self._responses and frames >= self._frames + MIN_FRAMES
        self._looked_s = now_s
        self._responses, self._frames = responses, frames
        return is_silent


def _key(data: bytes, at: int, end: int, proto: int, source: bytes, destination: bytes) -> bytes | None:
    """Return what the copies of a packet with ports at `at` have in common; None for one that is not to be noted."""
    if end < at + 14:
        return None
    src_port, dst_port = _PORTS.unpack_from(data, at)
    if proto == UDP and not data[at + 9] & SAMPLE:
        if src_port == _DNS_PORT:
            return b"r" + data[at + 2 : at + 4] + data[at + 8 : at + 12] + destination
        if dst_port == _DNS_PORT:
            return b"q" + data[at : at + 2] + data[at + 8 : at + 12] + source
        return None
    is_opening = proto == TCP and data[at + 13] & _SYN_ACK == _SYN and _DNS_PORT not in (src_port, dst_port)
    return (
        b"o" + data[at : at + 2] + data[at + 4 : at + 8] + source if is_opening and not data[at + 7] & SAMPLE else None
    )


def _is_needed(kind: Kind, pattern: Pattern, slot: Slot, left_out: Collection[Slot]) -> bool:
    """Tell whether `pattern` without `slot`, and without what is left out already, would lack what is needed."""
    if kind == "opening":
        return pattern[0] == slot
    if kind == "query":
        return slot in pattern and all(other == slot or other in left_out for other in pattern)
    outgoing = [other for other in pattern if other.direction == DIRECTION_OUTGOING]
    return (outgoing or pattern)[-1] == slot
