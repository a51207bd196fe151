"""Who leads, by a Lease: what to ask the API server next, and what its answers mean. Sans-IO; times are arguments.

client-go's algorithm (`tools/leaderelection`), with each step conditional on the Lease's resource version:

| the Lease                                       | we, not leading          | we, leading or cut off       |
|-------------------------------------------------|--------------------------|------------------------------|
| is not there, and was nobody else's just now    | create it                | are deposed                  |
| has no holder                                   | take it                  | are deposed                  |
| names this pod, in our own term                 |                          | renew it                     |
| names this pod, in another term                 | take it: the process that wrote it is dead | are deposed |
| names another, and changed within its duration  | wait                     | are deposed                  |
| names another, and has not changed for that long | take it                 | are deposed                  |

Two rules make leaders exclusive whatever the clocks say and however slow the API server is:
a leader counts its time from when it *asked* for what was granted, and stops `duration_s - renew_deadline_s` early;
all others count theirs from when they *saw* the Lease change. Clocks are compared with themselves alone, never the
times in the Lease, which are there for people. A leader cut off for longer writes nothing, and leads on if the Lease
is as it left it: nobody else can have led in between.

Source: Kubernetes documentation, "Leases"; coordination.k8s.io/v1.
"""

from dataclasses import dataclass, replace
from typing import Final

MAX_DURATION_S: Final = 300
"""What another holder's `leaseDurationSeconds` is cut to: nobody can lock everybody out with a large one."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How fast leadership moves; a leader that died is followed within `duration_s + retry_s` and the requests."""

    duration_s: float = 12.0
    """How long a Lease that does not change keeps its holder; client-go's 15 would take up to 17 seconds."""
    renew_deadline_s: float = 8.0
    """How long what was granted may be used. What is left of `duration_s` is for clocks that run at another rate."""
    retry_s: float = 2.0
    """Between two requests; up to a quarter shorter, so that replicas do not ask in step."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One process that may lead."""

    pod: str
    uid: str
    """Of the pod; of a process outside a pod something random. Containers of a pod run one after the other."""
    address: str = ""
    """`IP:PORT` or `[IPv6]:PORT` of its TLS listener; empty where it has none."""

    @property
    def identity(self) -> str:
        """The `holderIdentity` it writes."""
        return f"{self.pod}/{self.uid}/{self.address}"

    def is_same_pod(self, other: "Replica") -> bool:
        """Whether the two are processes of one pod."""
        return (self.pod, self.uid) == (other.pod, other.uid)


def parse_identity(text: str) -> Replica:
    """Return who a `holderIdentity` names; one of another form is a pod of that name without an address."""
    pod, _, rest = text.partition("/")
    uid, slash, address = rest.partition("/")
    return Replica(pod, uid, address) if slash else Replica(text, "")


@dataclass(frozen=True, slots=True)
class Lease:
    """What of a Lease matters here."""

    holder: str
    """`holderIdentity`; empty while nobody has it."""
    duration_s: float
    term: int
    """`leaseTransitions`: grows with each change of the process that holds it."""
    version: str = ""
    """`metadata.resourceVersion` as read or written; empty for one that is to be created."""
    acquired: str = ""
    """`acquireTime`, for people; empty where that is now."""
    renewed: str = ""
    """`renewTime`, which tells one renewal from the next and is otherwise for people."""

    def is_as(self, other: "Lease | None") -> bool:
        """Whether its holder has not touched it since it was `other`; what others add to its metadata is no renewal."""
        return other is not None and replace(self, version="") == replace(other, version="")


@dataclass(frozen=True, slots=True)
class Read:
    """Ask for the Lease."""


@dataclass(frozen=True, slots=True)
class Write:
    """Write the Lease: create it where its version is empty, else replace that very version."""

    lease: Lease


class Election:
    """One replica's part. `ask`, do it, then one of `found`, `written`, `refused`, `failed`; wait `wait_s`; again."""

    def __init__(self, me: Replica, timing: Timing) -> None:
        self._me = me
        self._timing = timing
        self._seen: Lease | None = None
        """As last read or written."""
        self._changed_s = 0.0
        """When we saw its holder touch it."""
        self._held: Lease | None = None
        """As we wrote it last, since we lead."""
        self._asked_s = 0.0
        self._until_s = float("-inf")
        self._next: Read | Write | None = None
        self.is_deposed = False
        """Set for good once another holds what we held: what this process knows is no longer the truth."""
        self._is_leaving = False

    # --- what others may know

    def left_s(self, now_s: float) -> float:
        """Return the seconds for which we may still write; 0 while we do not lead."""
        has_it = self._held is not None and not self.is_deposed and not self._is_leaving
        return max(0.0, self._until_s - now_s) if has_it else 0.0

    def leader(self, now_s: float) -> Replica | None:
        """Return who leads as far as we know: ourselves, another whose time is not over, or None."""
        if self.left_s(now_s):
            return self._me
        if self._seen is None or not self._seen.holder or now_s >= self._free_s():
            return None
        holder = parse_identity(self._seen.holder)
        return None if holder.is_same_pod(self._me) else holder

    @property
    def term(self) -> int:
        """Number of the term as last seen, 0 before the first."""
        return self._seen.term if self._seen else 0

    @property
    def is_out(self) -> bool:
        """Whether nothing is ours, or not any more."""
        return self._held is None or self.is_deposed

    # --- the dialogue

    def ask(self, now_s: float) -> Read | Write:
        """Return what to ask the API server now."""
        self._asked_s = now_s
        if self._next is not None:
            step, self._next = self._next, None
            return step
        if self._held is None:
            return Read()
        return Write(replace(self._held, holder="") if self._is_leaving else self._held)

    def found(self, lease: Lease | None, now_s: float) -> None:
        """Take in what was read; None: there is no such Lease."""
        if lease is not None:
            if not lease.is_as(self._seen):
                self._changed_s = now_s
            self._seen = lease
        if self._held is not None:
            self._confirm(self._held, lease)
        elif now_s >= self._free_s():
            self._next = Write(self._claim(lease))

    def written(self, lease: Lease, now_s: float) -> None:
        """Take in that the write was granted; `lease` is as it stands now."""
        self._seen, self._changed_s = lease, now_s
        self._held, self._until_s = lease, self._asked_s + self._timing.renew_deadline_s
        if self._is_leaving:
            self._held = None

    def refused(self) -> None:
        """Take in that the Lease is not as we thought: read it next."""
        self._next = Read()

    def failed(self) -> None:
        """Take in that there was no answer: whether a write was done is not known."""
        self._next = None

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until the next `ask`."""
        if self._next is not None:
            return 0.0
        retry_s = self._timing.retry_s
        free_s = self._free_s() - now_s
        return min(retry_s, free_s) if self._held is None and free_s > 0 else retry_s

    def release(self) -> None:
        """Lead no more, and have what follows let go of the Lease, until `is_out`."""
        self._is_leaving, self._next = True, None

    def _confirm(self, held: Lease, lease: Lease | None) -> None:
        """Decide whether the Lease we held is ours still, but for the version: a write of ours got no answer."""
        if lease is None or (lease.holder, lease.term) != (held.holder, held.term):
            self.is_deposed = True
        else:
            self._held = lease
            if not self._is_leaving:
                self._next = Write(lease)

    def _claim(self, lease: Lease | None) -> Lease:
        term = self.term + 1 if self._seen else 0
        return Lease(self._me.identity, self._timing.duration_s, term, lease.version if lease else "")

    def _free_s(self) -> float:
        """Return from when on the Lease as last seen is anybody's."""
        if self._seen is None or not self._seen.holder or parse_identity(self._seen.holder).is_same_pod(self._me):
            return float("-inf")
        duration_s = min(max(self._seen.duration_s, self._timing.duration_s), MAX_DURATION_S)
        return self._changed_s + duration_s
