"""Events of one window → observations. Pure; time is passed in, as packet time.

The same packets give the same output, whatever the machine: a window is cut by packet time and by number alone.

A `Tally` outlives its window: whoever knows a response by its bytes (repeats.py) keeps its tally and counts on it, and
only the first event of a window has to look for it here. A name flood ends here too: of one client so many distinct
observations go into a window, then names are folded to `*.<parent>`, of which there are so many again.
"""

import socket
from functools import lru_cache
from typing import Final

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import Response
from grapevine.model.observation import ConnObservation, DnsObservation, Observation
from grapevine.wire.schema import MAX_BODY_BYTES, MAX_RECORDS

MAX_WINDOW_ENTRIES: Final = 5 * MAX_RECORDS
"""Distinct observations in one window; a flood of names from many clients ends here."""
MAX_CLIENT_ENTRIES: Final = 512
"""Distinct observations of responses, and of connections, of one client in one window; then its names are folded."""
MAX_CLIENT_PARENTS: Final = 64
"""Folded names of one client in one window."""
PATIENCE: Final = 5
"""Windows that one may take the place of where each of its observations was made before: what is new cannot wait."""
MAX_KNOWN: Final = 4_096
"""Tallies kept to be found by what they count; more are forgotten but for those in use."""
MAX_CUT_BYTES: Final = MAX_BODY_BYTES * 3 // 4
"""A batch is cut at this size on the wire; the rest is room for the header and one record of the largest kind."""
MAX_OPEN_BYTES: Final = 4 << 20
"""What an open window may take on the wire; over it is cut early. `MAX_WINDOW_ENTRIES` usual ones just fit."""
MAX_BACKWARD_MS: Final = 10_000
"""A packet this much older than the newest means that the clock was set back, not that packets overtook."""

_RECORD_BYTES: Final = 320
"""A record on the wire without its names, at most: keys, times, count, two IPv6 addresses, types."""

Cut = tuple[Observation, ...]
"""Observations for one batch: at least one, at most `MAX_RECORDS`, at most `MAX_CUT_BYTES` and one more on the wire."""
Cuts = tuple[Cut, ...]
"""What is to be sent now; mostly nothing."""

Key = tuple[bytes, bytes, str, str, str, tuple[str, ...], tuple[str, ...], str]
"""An observation but for times and count: client, resolver, name, type, code, answers, CNAMEs, transport."""

_Kind = tuple[bytes, bytes, str, str, str, bool, str]
"""What the folded names of one tally have in common: as `Key`, of the answers only whether there were any."""


class Tally:
    """Times and number of one observation in the open window. What it is of, the kinds below add."""

    __slots__ = ("client", "count", "first_ms", "last_ms", "window", "wire_bytes")

    def __init__(self, client: bytes, wire_bytes: int) -> None:
        self.client = client
        self.wire_bytes = wire_bytes
        """What it takes on the wire, at most."""
        self.count = 0
        """Events in the open window. Not 0: whoever has one more may count it here, and widen the times."""
        self.first_ms = self.last_ms = 0
        self.window = 0
        """Number of the last window that it was in."""

    def widen(self, time_ms: int) -> None:
        """Take in the time of an event counted."""
        if time_ms > self.last_ms:
            self.last_ms = time_ms
        elif time_ms < self.first_ms:
            self.first_ms = time_ms


class DnsTally(Tally):
    """Responses of one content to one client."""

    __slots__ = ("is_folded", "key")

    def __init__(self, key: Key, *, is_folded: bool = False) -> None:
        names = (key[2], *key[5], *key[6])
        super().__init__(key[0], _RECORD_BYTES + sum(len(n) + n.count("\\") + 3 for n in names))  # JSON doubles them
        self.key = key
        self.is_folded = is_folded
        """The name stands for a client's names below it."""

    def observation(self, source: str) -> DnsObservation:
        """Return what is to be reported."""
        client, resolver, qname, qtype, rcode, answers, cnames, transport = self.key
        return DnsObservation(
            first_ms=self.first_ms,
            last_ms=self.last_ms,
            count=self.count,
            client_ip=format_address(client),
            resolver_ip=format_address(resolver),
            qname=qname,
            qtype=qtype,
            rcode=rcode,
            answers=answers,
            cnames=cnames,
            transport=transport,
            source=source,
        )


class ConnTally(Tally):
    """Connections of one client to one address and port."""

    __slots__ = ("address", "port")

    def __init__(self, client: bytes, address: bytes, port: int) -> None:
        super().__init__(client, _RECORD_BYTES)
        self.address = address
        self.port = port

    def observation(self, source: str) -> ConnObservation:
        """Return what is to be reported."""
        return ConnObservation(
            first_ms=self.first_ms,
            last_ms=self.last_ms,
            count=self.count,
            client_ip=format_address(self.client),
            dst_ip=format_address(self.address),
            dst_port=self.port,
            proto="tcp",
            source=source,
        )


class Window:
    """Sums up events over everything but times and count."""

    def __init__(self, source: str, window_ms: int, counters: Counters, *, is_patient: bool = False) -> None:
        """Make one; `is_patient` has it wait for up to `PATIENCE` windows while nothing in it is new."""
        self._source = source
        self._window_ms = window_ms
        self._patience_ms = (PATIENCE if is_patient else 1) * window_ms
        self._latest_ms = 0
        """When the open window is over whatever is in it."""
        self._is_due = False
        """Whether it holds what cannot wait: something new, or half of what a client or a window may have."""
        self._counters = counters
        self.number = 1
        """Of the open window; grows with each."""
        self.end_ms = 0
        """When the open window is over; 0 for at once."""
        self._known: dict[Key, DnsTally] = {}
        self._open: list[DnsTally | ConnTally] = []
        """Tallies with a count, in the order of their first events."""
        self._open_bytes = 0
        self._cut_entries = 0
        """Entries of this window that were cut early, for their size."""
        self._known_limit = MAX_KNOWN
        self._names: dict[bytes, int] = {}
        """Distinct observations of responses in this window, by client; the next two likewise."""
        self._parents: dict[bytes, int] = {}
        self._connections: dict[bytes, int] = {}
        self._folded: dict[_Kind, DnsTally] = {}

    def __len__(self) -> int:
        return len(self._open)

    def tally(self, client: bytes, resolver: bytes, response: Response, transport: str) -> DnsTally:
        """Return the tally of a response, the same one for the same content for as long as it is in use."""
        r = response
        key: Key = (client, resolver, r.qname, r.qtype, r.rcode, r.answers, r.cnames, transport)
        tally = self._known.get(key)
        if tally is None:
            if len(self._known) >= self._known_limit:
                self._known = {each.key: each for each in self._open if isinstance(each, DnsTally)}
                self._known_limit = max(MAX_KNOWN, 2 * len(self._known))  # not for every one more while many are open
            tally = self._known[key] = DnsTally(key)
        return tally

    def fold(self, tally: DnsTally) -> DnsTally | None:
        """Return the tally of all names below the parent of this one's; None for the cap on those of one client.

        There is one for names with answers and one for those without. Its answers are those of the name folded first,
        so that whether there were any stays known.
        """
        client, resolver, qname, qtype, rcode, answers, _, transport = tally.key
        key: Key = (client, resolver, parent_of(qname), qtype, rcode, answers, (), transport)
        folded = self._folded.get(_kind(key))
        if folded is None and self._takes_one_more(self._parents, client, MAX_CLIENT_PARENTS):
            folded = self._folded[_kind(key)] = DnsTally(key, is_folded=True)
        return folded

    def count(self, tally: DnsTally | ConnTally, time_ms: int) -> Cuts:
        """Count an event; return what was cut, because this was the last one that the window has room for."""
        if not tally.count:
            if isinstance(tally, ConnTally):
                return self._begin_connection(tally, time_ms)
            return self._begin_response(tally, time_ms)
        tally.count += 1
        tally.widen(time_ms)
        self._counters.add(Reason.CONNECTIONS if isinstance(tally, ConnTally) else Reason.EVENTS)
        return ()

    def advance(self, now_ms: int) -> Cuts:
        """Return the window's observations if it is over by `now_ms`."""
        if now_ms < self.end_ms:
            return ()
        if self._open and not self._is_due and now_ms < self._latest_ms:
            self.end_ms = min(now_ms + self._window_ms, self._latest_ms)
            return ()
        cuts = self.flush()
        self.end_ms = now_ms + self._window_ms
        self._latest_ms = now_ms + self._patience_ms
        return cuts

    def flush(self) -> Cuts:
        """End the window and return what it holds; the next begins with the next `advance`."""
        self.end_ms = self._latest_ms = 0
        self.number += 1
        self._cut_entries = 0
        self._is_due = False
        for table in (self._names, self._parents, self._connections, self._folded):
            table.clear()
        return self._take()

    def _begin_response(self, tally: DnsTally, time_ms: int) -> Cuts:
        """Count the first event of a tally in this window, or since it was cut early."""
        if tally.is_folded:
            same = self._folded.setdefault(_kind(tally.key), tally)
        else:
            same = self._known.setdefault(tally.key, tally)
        if same.count:  # forgotten, or of the window before, and made anew meanwhile
            return self.count(same, time_ms)
        is_new = same.window != self.number and not same.is_folded
        if is_new and not self._takes_one_more(self._names, same.client, MAX_CLIENT_ENTRIES):
            folded = self.fold(same)
            if folded is not None:
                return self.count(folded, time_ms)
        elif not self._is_full():
            self._counters.add(Reason.EVENTS)
            return self._begin(same, time_ms)
        self._counters.add(Reason.WINDOW_FULL)
        return ()

    def _begin_connection(self, tally: ConnTally, time_ms: int) -> Cuts:
        is_new = tally.window != self.number
        if self._is_full() or (
            is_new and not self._takes_one_more(self._connections, tally.client, MAX_CLIENT_ENTRIES)
        ):
            self._counters.add(Reason.CONNECTIONS_FULL)
            return ()
        self._counters.add(Reason.CONNECTIONS)
        return self._begin(tally, time_ms)

    def _is_full(self) -> bool:
        return self._cut_entries + len(self._open) >= MAX_WINDOW_ENTRIES

    def _takes_one_more(self, numbers: dict[bytes, int], client: bytes, cap: int) -> bool:
        """Count one more of `client`; return whether that is within the cap."""
        number = numbers.get(client, 0)
        if number >= cap:
            return False
        numbers[client] = number + 1
        self._is_due = self._is_due or number >= cap // 2
        return True

    def _begin(self, tally: DnsTally | ConnTally, time_ms: int) -> Cuts:
        if not tally.window or len(self._open) >= MAX_WINDOW_ENTRIES // 2:
            self._is_due = True
        tally.window = self.number
        tally.count = 1
        tally.first_ms = tally.last_ms = time_ms
        self._open.append(tally)
        self._open_bytes += tally.wire_bytes
        if self._open_bytes < MAX_OPEN_BYTES:
            return ()
        self._cut_entries += len(self._open)
        return self._take()

    def _take(self) -> Cuts:
        """Return what is open, in order, in pieces that fit into batches."""
        cuts: list[Cut] = []
        cut: list[Observation] = []
        cut_bytes = 0
        for tally in self._open:
            if len(cut) >= MAX_RECORDS or cut_bytes >= MAX_CUT_BYTES:
                cuts.append(tuple(cut))
                cut, cut_bytes = [], 0
            cut.append(tally.observation(self._source))
            cut_bytes += tally.wire_bytes
            if isinstance(tally, DnsTally) and tally.is_folded:
                self._counters.add(Reason.NAME_FLOOD, tally.count)
            tally.count = 0
        if cut:
            cuts.append(tuple(cut))
        self._open = []
        self._open_bytes = 0
        return tuple(cuts)


def _kind(key: Key) -> _Kind:
    client, resolver, qname, qtype, rcode, answers, _, transport = key
    return client, resolver, qname, qtype, rcode, bool(answers), transport


def parent_of(qname: str) -> str:
    """Return `*.` and the name without its first label; `*` where that would leave less than two."""
    _, _, parent = qname.partition(".")
    return f"*.{parent}" if "." in parent else "*"


@lru_cache(maxsize=512)  # each window tells of the same clients and servers again
def format_address(address: bytes) -> str:
    """Return an address of 4 or 16 octets as text."""
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)
