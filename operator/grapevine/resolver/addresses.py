"""Which pod held an address at a time.

A pod holds its addresses from max(`status.startTime`, release by the previous holder) to its end. Ends are the
objects' own times wherever those tell; the API keeps whole seconds, so an end is the last millisecond of its second.
"""

from dataclasses import dataclass

from grapevine.resolver.records import PodRecord


@dataclass(slots=True)
class _Lease:
    pod: PodRecord
    start_ms: int
    end_ms: int | None


class AddressIndex:
    """Address → the pods that held it, oldest first. Memory: one lease a pod address, living and just gone."""

    def __init__(self) -> None:
        self._leases: dict[str, list[_Lease]] = {}

    def hold(self, pod: PodRecord) -> None:
        """Take in the pod's present state; hostNetwork pods hold no address of their own."""
        if pod.host_network:
            return
        for ip in pod.ips:
            leases = self._leases.setdefault(ip, [])
            mine = next((lease for lease in leases if lease.pod.uid == pod.uid), None)
            if mine is None:
                mine = _Lease(pod, 0, None)
                leases.append(mine)
            mine.pod, mine.start_ms = pod, pod.start_ms or 0
            if pod.end_ms is not None:
                mine.end_ms = pod.end_ms
            leases.sort(key=lambda lease: lease.start_ms)

    def release(self, pod: PodRecord, at_ms: int) -> None:
        """End what the pod still holds at `at_ms`; an end known from the object itself stays."""
        for ip in pod.ips:
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
            released_ms = max(released_ms, lease.end_ms + 1 if lease.end_ms is not None else 0)
        return holder

    def forget_before(self, at_ms: int) -> set[str]:
        """Drop holders that ended before `at_ms`; return the uids of pods that hold nothing any more."""
        gone: set[str] = set()
        for ip in list(self._leases):
            leases = self._leases[ip]
            kept = [lease for lease in leases if lease.end_ms is None or lease.end_ms >= at_ms]
            if len(kept) < len(leases):
                gone.update(lease.pod.uid for lease in leases if lease not in kept)
                self._leases[ip] = kept
            if not kept:
                del self._leases[ip]
        return gone
