"""Copies of one response → one event; events of one window → observations. Pure; time is passed in, as packet time.

A response is on the wire once to three times on a node (pre-NAT, post-NAT, bridge). `Folder` holds each one briefly and
lets the client-side copy go on. `Window` sums up what repeats. Both give the same output for the same packets, whatever
the machine: they are cut by packet time and by number alone.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import Response
from grapevine.capture.frames import DIRECTION_OUTGOING
from grapevine.model.observation import DnsObservation
from grapevine.wire.schema import MAX_BODY_BYTES, MAX_RECORDS

FOLD_MS: Final = 250
"""How long a response waits for its copies: they follow within microseconds, a client's retry (same port, same
transaction id) after seconds."""
MAX_HELD: Final = 8_192
"""Responses waiting at once: 32,000 a second."""
MAX_WINDOW_ENTRIES: Final = 5 * MAX_RECORDS
"""Distinct observations in one window; a name flood ends here."""
MAX_CUT_BYTES: Final = MAX_BODY_BYTES * 3 // 4
"""A batch is cut at this size on the wire; the rest is room for the header and one record of the largest kind."""
MAX_BACKWARD_MS: Final = 10_000
"""A packet this much older than the newest means that the clock was set back, not that packets overtook."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of one response, as it was seen on one interface."""

    time_ms: int
    client: bytes
    """Address, 4 or 16 octets."""
    client_port: int
    resolver: bytes
    transport: str
    direction: int
    """As in `frames.Packet`."""
    response: Response


class Folder:
    """Folds the copies of one response: same transport, client address and port, transaction id and question.

    The copy on its way out to the client (packet type OUTGOING) is the client-side one: it is seen after un-NAT, with
    the resolver's address as the client knows it. Where the link layer gives no packet type, and among several outgoing
    ones, it is the last.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._held: dict[tuple[str, bytes, int, int, str, str], tuple[int, Copy]] = {}
        """When the first copy came, and the best copy so far; oldest first."""

    def __len__(self) -> int:
        return len(self._held)

    def add(self, copy: Copy, now_ms: int) -> None:
        """Hold a copy that came at `now_ms`, or fold it into the response that is held already."""
        r = copy.response
        key = (copy.transport, copy.client, copy.client_port, r.transaction_id, r.qname, r.qtype)
        held = self._held.get(key)
        if held is None:
            self._held[key] = (now_ms, copy)
            return
        self._counters.add(Reason.FOLDED)
        first_ms, best = held
        if copy.direction == DIRECTION_OUTGOING or best.direction != DIRECTION_OUTGOING:
            self._held[key] = (first_ms, copy)

    def release(self, now_ms: int | None) -> Iterator[Copy]:
        """Yield the responses held for long enough and those over the cap, oldest first; all with None as time."""
        while self._held:
            key = next(iter(self._held))
            first_ms, copy = self._held[key]
            if now_ms is not None and first_ms + FOLD_MS > now_ms:
                if len(self._held) <= MAX_HELD:
                    return
                self._counters.add(Reason.FOLD_EARLY)
            del self._held[key]
            yield copy


Cut = tuple[DnsObservation, ...]
"""Observations for one batch: at least one, at most `MAX_RECORDS`, at most `MAX_CUT_BYTES` and one more on the wire."""

_RECORD_BYTES: Final = 320
"""A record on the wire without its names, at most: keys, times, count, two IPv6 addresses, types."""


class Window:
    """Sums up events over everything but times and count."""

    def __init__(self, source: str, window_ms: int, counters: Counters) -> None:
        self._source = source
        self._window_ms = window_ms
        self._counters = counters
        self._end_ms = 0
        self._entries: dict[tuple[bytes, bytes, str, str, str, tuple[str, ...], tuple[str, ...], str], list[int]] = {}
        """First time, last time and count by everything else."""
        self._entry_bytes = 0
        """What the entries take on the wire, at most."""
        self._cut_entries = 0
        """Entries of this window that were cut for the batch size."""

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, event: Copy) -> Cut | None:
        """Count an event; return what was cut, because this was the last one that fits into a batch."""
        r = event.response
        key = (event.client, event.resolver, r.qname, r.qtype, r.rcode, r.answers, r.cnames, event.transport)
        entry = self._entries.get(key)
        if entry is not None:
            entry[0] = min(entry[0], event.time_ms)
            entry[1] = max(entry[1], event.time_ms)
            entry[2] += 1
        elif self._cut_entries + len(self._entries) >= MAX_WINDOW_ENTRIES:
            self._counters.add(Reason.WINDOW_FULL)
            return None
        else:
            self._entries[key] = [event.time_ms, event.time_ms, 1]
            self._entry_bytes += _wire_bytes(r)
        self._counters.add(Reason.EVENTS)
        if len(self._entries) < MAX_RECORDS and self._entry_bytes < MAX_CUT_BYTES:
            return None
        self._cut_entries += len(self._entries)
        return self._take()

    def advance(self, now_ms: int) -> Cut | None:
        """Return the window's observations if it is over by `now_ms` and holds any."""
        if now_ms < self._end_ms:
            return None
        cut = self.flush()
        self._end_ms = now_ms + self._window_ms
        return cut

    def flush(self) -> Cut | None:
        """End the window and return what it holds, None for nothing; the next begins with the next `advance`."""
        self._end_ms = 0
        self._cut_entries = 0
        return self._take() if self._entries else None

    def _take(self) -> Cut:
        cut = tuple(
            DnsObservation(
                first_ms=first_ms,
                last_ms=last_ms,
                count=count,
                client_ip=_format_address(client),
                resolver_ip=_format_address(resolver),
                qname=qname,
                qtype=qtype,
                rcode=rcode,
                answers=answers,
                cnames=cnames,
                transport=transport,
                source=self._source,
            )
            for (client, resolver, qname, qtype, rcode, answers, cnames, transport), (first_ms, last_ms, count) in (
                self._entries.items()
            )
        )
        self._entries = {}
        self._entry_bytes = 0
        return cut


def _wire_bytes(response: Response) -> int:
    names = (response.qname, *response.answers, *response.cnames)
    return _RECORD_BYTES + sum(len(name) + name.count("\\") + 3 for name in names)  # JSON doubles a backslash


def _format_address(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)
