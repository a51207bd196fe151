"""Responses known by their bytes: what was decoded once is not decoded again for half a minute. Pure.

Nearly every response repeats an earlier one. It has the same addresses, flags, counts and question (the key), and the
same answers but for their TTLs, which count down, and the order of the addresses at their end, which servers rotate.
All that the decoder looks at is compared, octet for octet, so what is known gives what decoding would give; authority
and additional sections are not looked at by either.

Bounds: entries and octets of two generations, answers of one entry, age. An attempt costs a dict look-up and one
comparison; where the TTL has changed, one more unpacking.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any, Final, Generic, Protocol, TypeVar

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import Response

GENERATION_MS: Final = 15_000
"""An entry is decoded again when it is two of these old."""
MAX_ENTRIES: Final = 4_096
"""Entries of a generation: what 100 pods ask for."""
MAX_BYTES: Final = 2 << 20
"""Memory of a generation, as estimated."""
MAX_VARIANTS: Final = 4
"""Answers remembered of one question of one client."""

MAX_VERBATIM: Final = 2_048
"""Whole messages of a generation: a response whose TTLs stand still is one, a countdown makes one a second."""
MAX_VERBATIM_BYTES: Final = 512
"""Of one of them; longer ones are known by their names alone."""

_ENTRY_BYTES: Final = 600
_VARIANT_BYTES: Final = 900
"""An entry, and a variant with what it stands for, without what depends on their length; measured."""
_MAX_LAYOUTS: Final = 256

_TTL_AND_LENGTH: Final = 6
_LENGTH: Final = Struct("!H")
_ADDRESS_BYTES: Final = {b"\0\x01\0\x01": 4, b"\0\x1c\0\x01": 16}
"""Octets of the data of address records, by their type and class."""


class Weighed(Protocol):
    """What can be remembered of a response."""

    wire_bytes: int
    """About what it takes in memory for its names."""


Known = TypeVar("Known", bound=Weighed)


class _Layout:
    """Where in an answer section of one shape the octets are that must be the same."""

    __slots__ = ("_fixed", "_unpack")

    def __init__(self, unpack: Callable[[bytes, int], tuple[Any, ...]], fixed: int) -> None:
        self._unpack = unpack
        """All octets but the TTLs: `fixed` spans, then owner, type and class, and length and data, of each address."""
        self._fixed = fixed

    def essence(self, data: bytes, at: int) -> object:
        """Return what is the same of all sections that are equal but for TTLs and the order of the last addresses."""
        parts = self._unpack(data, at)
        fixed = self._fixed
        return parts[:fixed], parts[fixed::2], sorted(parts[fixed + 1 :: 2])


class _Variant(Generic[Known]):
    """One answer section as it came last, and what is known of it."""

    __slots__ = ("essence", "known", "layout", "raw")

    def __init__(self, raw: bytes, layout: _Layout, known: Known) -> None:
        self.raw = raw
        self.layout = layout
        self.essence: object = None
        """Of `raw`; None until it is wanted."""
        self.known = known


class Entry(Generic[Known]):
    """What is known of one question of one client, asked and answered in one way."""

    __slots__ = ("decoded_ms", "known", "others", "raw", "size", "variant")

    def __init__(self, variant: _Variant[Known], now_ms: int) -> None:
        self.variant = variant
        self.others: list[_Variant[Known]] = []
        self.raw = variant.raw
        """The answer section as it came last."""
        self.size = len(variant.raw)
        self.known = variant.known
        """What a response with that section is."""
        self.decoded_ms = now_ms

    def turn_to(self, variant: _Variant[Known]) -> None:
        """Make `variant` the latest one."""
        if variant is not self.variant:
            self.others = [self.variant, *(each for each in self.others if each is not variant)][: MAX_VARIANTS - 1]
            self.variant = variant
        self.raw = variant.raw
        self.size = len(variant.raw)
        self.known = variant.known


class Repeats(Generic[Known]):
    """What is known, by the bytes of responses.

    A key is made by the caller: whatever tells observations apart, and the message's octets from the flags to where its
    question ends; its answer section follows there, at `behind` in the data.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self.recent: dict[bytes, Entry[Known]] = {}
        """Entries of the running generation, for callers that cannot afford a call of `find`: what is found here, and
        has the octets of `Entry.raw` at `behind`, is the same response."""
        self.verbatim: dict[bytes, tuple[Known, bytes]] = {}
        """What is known of whole messages, and their question: by both addresses and all octets from the flags on. A
        short cut to `recent` for callers that cannot afford to look for the end of a question, with its generation."""
        self._recent_bytes = 0
        self._old: dict[bytes, Entry[Known]] = {}
        self._layouts: dict[str, _Layout] = {}
        self.due_ms = 0
        """When `advance` has something to do."""

    def find(self, key: bytes, data: bytes, behind: int, end: int, now_ms: int) -> Known | None:
        """Return what is known of the response whose answers begin at `behind` and whose message ends at `end`."""
        entry = self.recent.get(key)
        if entry is None:
            entry = self._old.get(key)
            if entry is None or entry.decoded_ms + GENERATION_MS <= now_ms:
                return None
            self._keep(key, entry, now_ms)
        if behind + entry.size <= end and data[behind : behind + entry.size] == entry.raw:
            return entry.known
        return self.vary(entry, data, behind, end)

    def vary(self, entry: Entry[Known], data: bytes, behind: int, end: int) -> Known | None:
        """Return what is known of a response to the question of `entry` whose answers came otherwise last time."""
        for variant in (entry.variant, *entry.others):
            size = len(variant.raw)
            if behind + size <= end:
                if variant.essence is None:
                    variant.essence = variant.layout.essence(variant.raw, 0)
                if variant.layout.essence(data, behind) == variant.essence:
                    variant.raw = data[behind : behind + size]
                    entry.turn_to(variant)
                    return variant.known
        return None

    def learn_verbatim(self, whole: bytes, known: Known, question: bytes) -> tuple[Known, bytes]:
        """Remember, if it is not too long, what the message of these octets is; return it, as `verbatim` has it."""
        found = known, question
        if len(whole) <= MAX_VERBATIM_BYTES:
            if len(self.verbatim) >= MAX_VERBATIM:
                self.verbatim.clear()
            self.verbatim[whole] = found
        return found

    def is_due_again(self, key: bytes) -> bool:
        """Tell whether this was known and is to be decoded again for its age alone."""
        return key in self._old and key not in self.recent

    def learn(self, key: bytes, message: bytes, behind: int, response: Response, known: Known, now_ms: int) -> None:
        """Remember that `message`, whose question ends at `behind`, was decoded to `response`."""
        if not behind <= response.end <= len(message):
            return
        section = message[behind : response.end]
        layout = self._layout([ttl - behind for ttl in response.ttls], section)
        variant = _Variant(section, layout, known)
        entry = self.recent.get(key)
        if entry is None:
            self._keep(key, Entry(variant, now_ms), now_ms)
        else:
            self._recent_bytes += _bytes(variant)
            entry.turn_to(variant)

    def advance(self, now_ms: int) -> None:
        """Let time pass: a generation that is over becomes the old one, and the old one is forgotten."""
        if now_ms >= self.due_ms:
            self._turn(now_ms)

    def reset(self) -> None:
        """End the generation whatever the time: the clock was set back."""
        self.due_ms = 0

    def _keep(self, key: bytes, entry: Entry[Known], now_ms: int) -> None:
        if len(self.recent) >= MAX_ENTRIES or self._recent_bytes >= MAX_BYTES:
            self._counters.add(Reason.REPEATS_EVICTED, sum(each not in self.recent for each in self._old))
            self._turn(now_ms)
        self.recent[key] = entry
        self._recent_bytes += _ENTRY_BYTES + len(key) + sum(map(_bytes, (entry.variant, *entry.others)))

    def _turn(self, now_ms: int) -> None:
        self._old, self.recent = self.recent, {}
        self.verbatim = {}
        self._recent_bytes = 0
        self.due_ms = now_ms + GENERATION_MS

    def _layout(self, ttls: list[int], section: bytes) -> _Layout:
        form, fixed = _form(ttls, section)
        layout = self._layouts.get(form)
        if layout is None:
            if len(self._layouts) >= _MAX_LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[form] = _Layout(Struct(form).unpack_from, fixed)
        return layout


def _bytes(variant: _Variant[Known]) -> int:
    return _VARIANT_BYTES + 2 * len(variant.raw) + variant.known.wire_bytes


def _form(ttls: list[int], section: bytes) -> tuple[str, int]:
    """Return the format that takes `section` apart, whose TTLs are at `ttls`, and how many spans stand in fixed places.

    The last records may change places where they are addresses with the same owner, type and class, octet for octet.
    Nothing else may: where a record stands decides what a pointer to it means, and the order of CNAMEs is kept.
    """
    heads: list[tuple[int, bytes, int]] = []  # where a record starts, its owner, type and class, octets of its data
    at = 0
    for ttl in ttls:
        (length,) = _LENGTH.unpack_from(section, ttl + 4)
        heads.append((at, section[at:ttl], length))
        at = ttl + _TTL_AND_LENGTH + length
    fixed = len(heads)
    if heads and _ADDRESS_BYTES.get(heads[-1][1][-4:]) == heads[-1][2]:
        while fixed and heads[fixed - 1][1:] == heads[-1][1:]:
            fixed -= 1
    form, at = "!", 0
    for ttl in ttls[:fixed]:
        form += f"{ttl - at}s4x"
        at = ttl + 4
    if fixed == len(heads):
        return f"{form}{len(section) - at}s", fixed + 1
    start, head, length = heads[fixed]
    address = f"{len(head)}s4x{2 + length}s"
    return f"{form}{start - at}s{address * (len(heads) - fixed)}", fixed + 1
