"""Which pod held an address at a time.

A pod holds its addresses from max(`status.startTime`, release by the previous holder) to its end. Ends are the
objects' own times wherever those tell; the API keeps whole seconds, so an end is the last millisecond of its second.
The time a pod was seen deleted is only an upper bound: a newer holder that started before it had the address already.
"""

from dataclasses import dataclass

from grapevine.resolver.records import PodRecord


@dataclass(slots=True)
class _Lease:
    pod: PodRecord
    start_ms: int
    end_ms: int | None
    is_end_known: bool = False
    """Whether the object told its end itself; otherwise it was only seen to be gone by then."""


class AddressIndex:
    """Address → the pods that held it, oldest first. Memory: one lease a pod address, living and just gone."""

    def __init__(self) -> None:
        self._leases: dict[str, list[_Lease]] = {}
        self._ips: dict[str, tuple[str, ...]] = {}
        """Addresses last told of a pod, by its uid: a status may lose them (eviction) or change them (new sandbox)."""

    def hold(self, pod: PodRecord) -> None:
        """Take in the pod's present state; hostNetwork pods hold no address of their own."""
        if pod.host_network:
            return
        before = self._ips.get(pod.uid, ())
        ips = pod.ips or before
        for ip in before:
            if ip not in ips:
                self._drop(ip, pod.uid)
        if ips:
            self._ips[pod.uid] = ips
        for ip in ips:
            leases = self._leases.setdefault(ip, [])
            mine = next((lease for lease in leases if lease.pod.uid == pod.uid), None)
            if mine is None:
                mine = _Lease(pod, 0, None)
                if before:  # it came here after whoever is here, however old the pod itself is
                    mine.start_ms = max((lease.start_ms for lease in leases), default=0)
                leases.append(mine)
            mine.pod, mine.start_ms = pod, max(mine.start_ms, pod.start_ms or 0)
            if pod.end_ms is not None:
                mine.end_ms, mine.is_end_known = pod.end_ms, True
            leases.sort(key=lambda lease: lease.start_ms)

    def release(self, pod: PodRecord, at_ms: int) -> None:
        """End what the pod still holds at `at_ms`; an end known from the object itself stays."""
        for ip in self._ips.get(pod.uid, ()):
            for lease in self._leases.get(ip, ()):
                if lease.pod.uid == pod.uid and lease.end_ms is None:
                    lease.end_ms = at_ms

    def pod_at(self, ip: str, at_ms: int) -> PodRecord | None:
        """Return the pod that held `ip` at `at_ms`, or None."""
        holder = None
        released_ms = 0
        for lease in self._leases.get(ip, ()):
            if max(lease.start_ms, released_ms) > at_ms:
                break
            # A newer holder that has started ends an older one whose end has not arrived yet.
            holder = lease.pod if lease.end_ms is None or at_ms <= lease.end_ms else None
            if lease.end_ms is not None and lease.is_end_known:
                released_ms = max(released_ms, lease.end_ms + 1)
        return holder

    def forget_before(self, at_ms: int) -> set[str]:
        """Drop holders that ended before `at_ms`; return the uids of pods that hold nothing any more."""
        gone: set[str] = set()
        for ip in list(self._leases):
            is_superseded = False
            for lease in reversed(self._leases[ip]):
                # Whoever a forgotten holder had ended does not come back to life with it.
                is_superseded &= not lease.is_end_known
                if is_superseded or (lease.end_ms is not None and lease.end_ms < at_ms):
                    is_superseded = True
                    gone.add(lease.pod.uid)
                    self._ips.pop(lease.pod.uid, None)
                    self._drop(ip, lease.pod.uid)
        return gone

    def _drop(self, ip: str, uid: str) -> None:
        kept = [lease for lease in self._leases.get(ip, ()) if lease.pod.uid != uid]
        if kept:
            self._leases[ip] = kept
        else:
            self._leases.pop(ip, None)
