"""Never two leaders: replicas with clocks that run apart, behind an API server that is slow and loses answers."""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from grapevine.kube.election import Election, Lease, Read, Replica, Timing, Write

TIMING = Timing()
RUN_S = 900.0
CLOCK_RATES = (0.85, 1.15)
"""Far beyond what any machine's clock does; the margin of the timing holds up to 1.5 between two."""


@dataclass
class Server:
    """The API server: one object, replaced only at the version it has."""

    lease: Lease | None = None
    version: int = 0

    def write(self, lease: Lease) -> Lease | None:
        """Return the Lease as written, or None: a conflict."""
        if lease.version != (self.lease.version if self.lease else ""):
            return None
        self.version += 1
        self.lease = replace(lease, version=str(self.version), renewed=str(self.version))
        return self.lease


class World:
    """Time as it is, and everything that is going to happen."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now_s = 0.0
        self.server = Server()
        self.replicas: list[Process] = []
        self.grants = 0
        self.is_calm = False
        """Whether messages arrive at once and nobody dies."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def after(self, delay_s: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now_s + delay_s, next(self._order), event))

    def run(self, until_s: float) -> None:
        """Let happen what happens, and look after each event who leads: leading begins with one."""
        while self._events and self._events[0][0] <= until_s:
            self.now_s, _, event = heapq.heappop(self._events)
            event()
            assert len([each for each in self.replicas if each.leads()]) <= 1, f"at {self.now_s}"


class Process:
    """One replica, with a clock of its own."""

    def __init__(self, world: World, me: Replica) -> None:
        self._world = world
        self._me = me
        self._rate = world.random.choice(CLOCK_RATES)
        self._offset_s = world.random.uniform(-1e6, 1e6)
        self.is_dead = False
        self._is_leaving = False
        self._is_slow = False
        self._asked = 0
        self._election = Election(me, TIMING)
        world.replicas.append(self)
        world.after(world.random.uniform(0, 2), self._ask)

    def clock_s(self) -> float:
        return self._offset_s + self._rate * self._world.now_s

    def leads(self) -> bool:
        return not self.is_dead and self._election.left_s(self.clock_s()) > 0

    def _delay_s(self) -> float:
        """Return how long a message of its is under way, or it stands still before it sends or takes one."""
        if self._world.is_calm:
            return 0.005
        if self._world.random.random() < 0.1:
            self._is_slow = not self._is_slow
        return self._world.random.uniform(0, 40 if self._is_slow else 0.2)

    def _end(self) -> None:
        """Die; kubelet starts another process of the pod, or its Deployment another pod."""
        self.is_dead = True
        self._world.replicas.remove(self)
        uid = self._me.uid if self._world.random.random() < 0.5 else str(self._world.random.random())
        Process(self._world, replace(self._me, uid=uid))

    def _ask(self) -> None:
        if self.is_dead:
            return
        fate = 1.0 if self._world.is_calm else self._world.random.random()
        if fate < 0.01:
            self._end()
            return
        if fate < 0.02 and not self._is_leaving:
            self._election.release()
            self._is_leaving = True
            if self._election.is_out:
                self._end()
                return
        step = self._election.ask(self.clock_s())
        self._asked += 1
        asked, is_heard = self._asked, self._world.is_calm or self._world.random.random() > 0.1
        self._world.after(self._delay_s(), lambda: self._arrive(step, asked, is_heard=is_heard))
        self._world.after(self._world.random.choice((4.0, 100.0)), lambda: self._give_up(asked))

    def _arrive(self, step: Read | Write, asked: int, *, is_heard: bool) -> None:
        """The server takes the request, even where nobody waits for it any more."""
        held = self._world.server.write(step.lease) if isinstance(step, Write) else self._world.server.lease
        if is_heard:
            self._world.after(self._delay_s(), lambda: self._answered(step, held, asked))

    def _answered(self, step: Read | Write, held: Lease | None, asked: int) -> None:
        if self.is_dead or asked != self._asked:
            return
        self._asked += 1
        if isinstance(step, Read):
            self._election.found(held, self.clock_s())
        elif held is None:
            self._election.refused()
        else:
            self._election.written(held, self.clock_s())
            self._world.grants += 1
        self._rest()

    def _give_up(self, asked: int) -> None:
        if not self.is_dead and asked == self._asked:
            self._asked += 1
            self._election.failed()
            self._rest()

    def _rest(self) -> None:
        if self._election.is_deposed or (self._is_leaving and self._election.is_out):
            self._end()
        else:
            self._world.after(self._election.wait_s(self.clock_s()) / self._rate, self._ask)


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32), count=st.integers(2, 3))
def test_never_two_lead_at_a_time(seed: int, count: int) -> None:
    world = World(seed)
    for number in range(count):
        Process(world, Replica(f"operator-{number}", f"uid-{number}"))

    world.run(RUN_S)

    assert world.grants, "somebody has led"


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32))
def test_when_the_leader_is_gone_another_leads_within_the_bound(seed: int) -> None:
    world = World(seed)
    world.is_calm = True
    first = Process(world, Replica("operator-1", "uid-1"))
    world.run(5)
    second = Process(world, Replica("operator-2", "uid-2"))
    world.run(20 + world.random.uniform(0, 2))
    assert (True, False) == (first.leads(), second.leads())

    world.replicas.remove(first)
    first.is_dead = True
    world.run(world.now_s + (TIMING.duration_s + TIMING.retry_s) / CLOCK_RATES[0] + 0.1)

    assert second.leads()
