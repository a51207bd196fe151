"""Which pods may have held an address at a time.

A pod holds its addresses from its start to its end. What is told of both is less than that, and whatever it leaves open
stays open here: who asks gets every pod it may have been (docs/decisions/009).

| bound | told by | clock | what it leaves open |
|---|---|---|---|
| start, earliest | `status.startTime` | the node's | the address comes after it, once whoever had it has ended |
| start, latest | the first time the pod was told of with the address | ours | |
| end | the containers' `finishedAt` at a terminal phase | the node's | which millisecond of its second |
| end, earliest | its deletion was told of, or it was last known to be there | ours | |
| end, latest | it was seen to be gone | ours | containers deleted by force are ended after it |

One address has one holder at a time, so a pod that is told of with it proves that the one before has ended, if by what
is told it can have: a hand-over. If it cannot, because that one was there still and is not being deleted, or told an
end of its own that lies later, both have it: an address is shared, or a dead node's pod lingers. Then it is doubtful
whether the older one has it when the newer one is gone. Order is that in which pods were told of with the address: a
start may lie long before it.
"""

from dataclasses import dataclass

from grapevine.resolver.clocks import OURS, Clocks
from grapevine.resolver.records import PodRecord

MAX_TOMBSTONES = 20_000
"""Addresses of pods that have ended; the one that ended first, as we heard of it, gives way."""
_SECOND_MS = 1_000
"""The API cuts times to it: `PodRecord.end_ms` is the last millisecond of the second a pod ended in."""
_LINGERS_MS = 5_000
"""How long the containers of a pod whose object is gone may go on: what is deleted by force is ended after that."""
_OVERDUE_MS = 60_000
"""A pod this far past its deletion timestamp stands in no newer holder's way, though nobody has told its end."""


@dataclass(frozen=True, slots=True)
class Held:
    """Who may have held an address."""

    pods: tuple[PodRecord, ...]
    """The one told of last comes last; empty where nobody held it at the end of the time asked about."""
    is_whole: bool = True
    """Whether somebody held it at the beginning too."""
    is_open: bool = False
    """Whether a pod but the newest lives, by what is known: its end may be under way."""
    is_doubtful: bool = False
    """Whether the only one is a pod that others had the address after: none of them may be it, but one not known."""


_NOBODY = Held(())


@dataclass(slots=True)
class _Lease:
    pod: PodRecord
    start_ms: int
    seen_ms: int
    end_ms: int | None = None
    """What the pod told itself, while it had this address."""
    leaves_ms: int | None = None
    """Earliest end, by our clock, of a pod that is being deleted or gone; None for one that is there to stay."""
    gone_ms: int | None = None
    """Latest end, by our clock; None while it is there."""
    lingers_ms: int = 0
    """How long its containers may go on after that."""
    until_ms: int | None = None
    """Latest end, and not later than the next holder was seen: what counts where the pod told no end of its own."""
    past_ms: int | None = None
    """The same with what lingers."""
    doubter: "_Lease | None" = None
    """Who had the address after this pod, which lives by what is known."""
    alone: Held = _NOBODY
    """What is said of the address while nobody else had it, made once."""

    @property
    def is_alone(self) -> bool:
        """Whether it has no end and nobody had the address after: without others, it has had it since its start."""
        return self.end_ms is None and self.until_ms is None and self.doubter is None

    @property
    def is_over(self) -> bool:
        return self.end_ms is not None or self.until_ms is not None


class AddressIndex:
    """Address → the pods that held it, in the order they were told of with it.

    Memory: one lease a pod's address, living and just gone.
    """

    def __init__(self, clocks: Clocks, *, max_tombstones: int = MAX_TOMBSTONES) -> None:
        self._clocks = clocks
        self._max_tombstones = max_tombstones
        self._leases: dict[str, list[_Lease]] = {}
        self._ips: dict[str, set[str]] = {}
        """Addresses of a pod's leases, by its uid."""
        self._over: dict[tuple[str, str], None] = {}
        """Address and uid of leases that are over, in the order we heard of it."""
        self.forgotten = 0
        """Tombstones that gave way to the bound."""

    def hold(self, pod: PodRecord, seen_ms: int) -> set[str]:
        """Take in a pod's state as it was seen at `seen_ms`; return the uids of pods that gave way to it.

        hostNetwork pods hold no address of their own. A status may lose its addresses (eviction), which tells nothing,
        or change them (a new sandbox).
        """
        if pod.host_network:
            return set()
        before = self._ips.get(pod.uid, set())
        for ip in {*before, *pod.ips}:
            leases = self._leases.setdefault(ip, [])
            mine = next((lease for lease in leases if lease.pod.uid == pod.uid), None)
            if mine is None:
                mine = _Lease(pod, 0, seen_ms)
                if before:  # it came here after whoever is here, however old the pod itself is
                    mine.start_ms = max((lease.start_ms for lease in leases), default=0)
                leases.append(mine)
                self._ips.setdefault(pod.uid, set()).add(ip)
            mine.pod, mine.start_ms = pod, max(mine.start_ms, pod.start_ms or 0)
            mine.alone = Held((pod,))
            if not pod.ips or ip in pod.ips:
                mine.end_ms, mine.gone_ms = pod.end_ms, None
                if pod.deletion_ms is None:
                    mine.leaves_ms = None
                elif mine.leaves_ms is None:
                    mine.leaves_ms = seen_ms
            elif mine.gone_ms is None:
                mine.leaves_ms, mine.gone_ms = mine.seen_ms, seen_ms
            self._arrange(ip)
        return self._make_room()

    def release(self, pod: PodRecord, at_ms: int, since_ms: int) -> set[str]:
        """Take in that a pod was gone at `at_ms`, last known to be there at `since_ms`; return who gave way."""
        for ip in self._ips.get(pod.uid, ()):
            for lease in self._leases[ip]:
                if lease.pod.uid == pod.uid and lease.gone_ms is None:
                    lease.leaves_ms = since_ms if lease.leaves_ms is None else min(lease.leaves_ms, since_ms)
                    lease.gone_ms, lease.lingers_ms = at_ms, _LINGERS_MS
            self._arrange(ip)
        return self._make_room()

    def held(self, ip: str, first_ms: int, last_ms: int, clock: str) -> Held:
        """Return who may have held `ip` between two times that `clock` wrote.

        A pod that could have held it only if the clocks are a little off, or because containers outlive a pod that is
        deleted by force, counts beside one that did, never alone.
        """
        leases = self._leases.get(ip)
        if leases is None:
            return _NOBODY
        if len(leases) == 1 and leases[0].is_alone:  # nearly every address, nearly always
            (lease,) = leases
            if lease.start_ms + self._clocks.between(lease.pod.node, clock)[0] <= first_ms:
                return lease.alone
        found: list[_Lease] = []
        has_first = has_last = False
        for lease in leases:
            shift_ms, margin_ms = self._clocks.between(lease.pod.node, clock)
            start_ms, end_ms = lease.start_ms + shift_ms, lease.end_ms
            if last_ms + margin_ms < start_ms:
                continue
            if end_ms is not None:
                end_ms += shift_ms
            elif lease.until_ms is not None and lease.past_ms is not None:
                shift_ms, margin_ms = self._clocks.between(OURS, clock)
                margin_ms += lease.past_ms - lease.until_ms
                end_ms = lease.until_ms + shift_ms
            if end_ms is not None and first_ms - margin_ms > end_ms:
                continue
            found.append(lease)
            has_first = has_first or (start_ms <= first_ms and (end_ms is None or first_ms <= end_ms))
            has_last = has_last or (start_ms <= last_ms and (end_ms is None or last_ms <= end_ms))
        if not has_last:
            return _NOBODY
        if len(found) == 1:
            is_doubtful = found[0].doubter is not None and self._had_begun(found[0].doubter, last_ms, clock)
            return Held((found[0].pod,), has_first, is_doubtful, is_doubtful)
        found = [lease for lease in found if not self._is_after(lease, found, last_ms, clock)]
        is_open = any(lease.end_ms is None and lease.gone_ms is None for lease in found[:-1])
        return Held(tuple(lease.pod for lease in found), has_first, is_open)

    def forget_before(self, at_ms: int) -> set[str]:
        """Drop holders that ended before `at_ms`; return the uids of pods that hold nothing any more."""
        due = []
        for ip, uid in self._over:
            lease = next(lease for lease in self._leases[ip] if lease.pod.uid == uid)
            end_ms = lease.end_ms if lease.end_ms is not None else lease.until_ms
            if end_ms is not None and end_ms < at_ms:
                due.append((ip, uid))
        return {uid for ip, uid in due if self._drop(ip, uid)}

    def _is_after(self, newer: _Lease, leases: list[_Lease], last_ms: int, clock: str) -> bool:
        """Whether one of the older leases went on, as it told itself, until after `last_ms`: `newer` came after it."""
        for older in leases:
            if older is newer:
                return False
            end_ms = older.end_ms
            if end_ms is None or not self._is_handed_over(older, end_ms, newer):
                continue
            shift_ms, margin_ms = self._clocks.between(older.pod.node, clock)
            if last_ms + margin_ms <= end_ms - _SECOND_MS + shift_ms:
                return True
        return False

    def _had_begun(self, lease: _Lease, last_ms: int, clock: str) -> bool:
        shift_ms, margin_ms = self._clocks.between(lease.pod.node, clock)
        return lease.start_ms + shift_ms <= last_ms + margin_ms

    def _is_handed_over(self, older: _Lease, end_ms: int, newer: _Lease) -> bool:
        """Whether the end that the older pod told can lie before the newer one was seen with the address."""
        shift_ms, margin_ms = self._clocks.between(older.pod.node, OURS)
        return end_ms - _SECOND_MS + 1 + shift_ms <= newer.seen_ms + margin_ms

    def _arrange(self, ip: str) -> None:
        """Say until when leases count that told no end, and which are doubtful."""
        leases = self._leases[ip]
        leases.sort(key=lambda lease: (lease.seen_ms, lease.start_ms))
        for lease in leases:
            lease.doubter = None
            newer = [other for other in leases if other.seen_ms > lease.seen_ms] if lease.end_ms is None else []
            lease.past_ms = lease.until_ms = _latest_end_ms(lease, newer)
            if lease.gone_ms is not None and lease.past_ms is not None:
                lease.until_ms = min(lease.gone_ms, lease.past_ms)
            if lease.is_over:
                self._over.setdefault((ip, lease.pod.uid))
                continue
            self._over.pop((ip, lease.pod.uid), None)
            after = [other for other in newer if self._was_there(other, lease.seen_ms)]
            lease.doubter = min(after, key=lambda other: other.start_ms, default=None)

    def _was_there(self, lease: _Lease, at_ms: int) -> bool:
        """Whether it may not have ended by a time of ours."""
        if lease.end_ms is None:
            return lease.until_ms is None or lease.until_ms > at_ms
        return lease.end_ms + self._clocks.between(lease.pod.node, OURS)[0] > at_ms

    def _make_room(self) -> set[str]:
        gone: set[str] = set()
        while len(self._over) > self._max_tombstones:
            ip, uid = next(iter(self._over))
            self.forgotten += 1
            if self._drop(ip, uid):
                gone.add(uid)
        return gone

    def _drop(self, ip: str, uid: str) -> bool:
        """Forget a lease that is over; return whether its pod has none left.

        Whoever comes after it began no earlier than it ended: its time does not become theirs.
        """
        del self._over[ip, uid]
        leases = self._leases[ip]
        place = next(n for n, lease in enumerate(leases) if lease.pod.uid == uid)
        lease = leases.pop(place)
        end_ms = lease.end_ms if lease.end_ms is not None else lease.until_ms or 0
        for newer in leases[place:]:
            newer.start_ms = max(newer.start_ms, end_ms + 1)
        if leases:
            self._arrange(ip)
        else:
            del self._leases[ip]
        ips = self._ips[uid]
        ips.discard(ip)
        if not ips:
            del self._ips[uid]
        return not ips


def _latest_end_ms(lease: _Lease, newer: list[_Lease]) -> int | None:
    """Return when a pod that told no end had ended at the latest; None while that is not known."""
    leaves_ms, ends = lease.leaves_ms, [] if lease.gone_ms is None else [lease.gone_ms + lease.lingers_ms]
    if leaves_ms is not None and newer:
        ends += [other.seen_ms for other in newer if other.seen_ms >= leaves_ms]
        if lease.pod.deletion_ms is not None:
            ends.append(lease.pod.deletion_ms + _OVERDUE_MS)
    return min(ends, default=None)
