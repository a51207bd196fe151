"""A random history of pods that take turns on a few addresses: what happened, and what is told of it, when.

Times are true milliseconds since the world began; what a node writes is in its own clock. What is told is as late as
kubelets and watches are. This much is kept, as nobody could be right without it: the address of a pod is told within
the settle time, unless the end of every pod before is, that end lies in an earlier second, and the next pod is taken in
after it was told.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

NODES = 4
SLOTS = 3
"""Addresses of a node, each IPv4 and IPv6."""
WORKLOADS = 12
MAX_SKEW_MS = 5_000
SETTLE_MS = 2_000
DEAF = 3
"""The node whose capture never tells of look-ups: another node's copies are taken."""
DNS_NODE = 0


class End(StrEnum):
    """How a pod goes."""

    FINISHES = "finishes"
    """It tells its end, and stays as an object."""
    DELETED = "deleted"
    """Its deletion is told, then its end, then that it is gone."""
    FORCED = "forced"
    """Its object goes, and its containers a little later."""
    MISSED = "missed"
    """It is found missing, some time after."""
    DEAD = "dead"
    """Its node dies with it; much later it is marked for deletion, and goes."""


@dataclass(slots=True)
class Life:
    """One pod."""

    name: str
    workload: int
    node: int
    ips: tuple[str, ...]
    start_ms: int
    """When its kubelet took it in; `ready_ms` is when it has its addresses and may ask."""
    ready_ms: int
    end_ms: int
    """Of its containers: it asks nothing any more."""
    end: End
    seen_ms: int = 0
    """When its addresses are told."""
    told_ms: int = 0
    """When its end is told, or that it is gone; in a world that is over, for one nobody ever tells."""
    deletion_ms: int | None = None
    """When its deletion is told."""
    gone_ms: int | None = None
    """When it is told that the object is gone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One look-up, or several within a second."""

    life: Life
    ip: str
    first_ms: int
    last_ms: int
    sender: int
    """The node whose capture tells of it."""
    clock: int
    """The node whose clock its times are."""
    source: str
    arrives_ms: int


@dataclass(slots=True)
class World:
    """Everything."""

    skew_ms: list[int]
    """How far the clock of each node is ahead."""
    lives: list[Life] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    end_ms: int = 0


def make_world(seed: int, observations: int) -> World:
    """Return the world of that number, with about so many look-ups."""
    random = Random(seed)
    world = World([random.choice([0, random.randint(-MAX_SKEW_MS, MAX_SKEW_MS)]) for _ in range(NODES)])
    for node in range(NODES):
        for slot in range(SLOTS):
            ips = (f"10.{node}.0.{slot + 2}", f"fd00:{node}::{slot + 2}")
            if slot == 0 and random.random() < 0.3:
                _share(world, random, node, ips)
            else:
                _take_turns(world, random, node, ips, 60 if observations > 5_000 else 12)
    world.end_ms = max(max(life.told_ms, life.end_ms) for life in world.lives) + 120_000
    per_life = max(1, observations // len(world.lives))
    world.asked = [asked for life in world.lives for asked in _look_ups(world, random, life, per_life)]
    return world


def _take_turns(world: World, random: Random, node: int, ips: tuple[str, ...], turns: int) -> None:
    now_ms, before = 10_000 + random.randint(0, 3_000), None
    workload, taken_in_ms = random.randrange(WORKLOADS), 0
    for turn in range(turns):
        if random.random() < 0.8:
            workload = random.randrange(WORKLOADS)
        ready_ms = now_ms + random.choice([random.randint(5, 300), random.randint(300, 30_000)])
        if before is not None and before.end is End.DEAD:  # its address comes to another node
            node, ready_ms = random.randrange(NODES), ready_ms + 2_000
        waited_ms = random.randint(400, 6_000) if random.random() < 0.2 else random.randint(0, 400)
        lasts_ms = random.choice([2_000, random.randint(2_000, 20_000), random.randint(20_000, 90_000)])
        life = Life(
            f"p{len(world.lives)}",
            workload,
            node,
            ips,
            start_ms=max(ready_ms - waited_ms, taken_in_ms),
            ready_ms=ready_ms,
            end_ms=ready_ms + lasts_ms,
            end=random.choices(list(End), [8, 8, 1, 1, 1])[0],
        )
        is_told = all(other.told_ms <= ready_ms + SETTLE_MS - 100 for other in world.lives if other.ips == ips)
        is_apart = ready_ms >= now_ms + 1_000
        is_late = is_told and is_apart and lasts_ms > 10_000 and random.random() < 0.2
        life.seen_ms = ready_ms + (random.randint(2_000, 9_000) if is_late else random.randint(50, 1_500))
        taken_in_ms = life.seen_ms if is_late else 0
        _tell_end(life, random)
        if turn == turns - 1:
            life.end_ms += 60_000
            life.told_ms = life.end_ms + 1_000
            life.end, life.deletion_ms, life.gone_ms = End.FINISHES, None, None
        world.lives.append(life)
        before, now_ms = life, life.end_ms


def _tell_end(life: Life, random: Random, *, after_ms: int = 0) -> None:
    """Say when the end of a pod is told; what is told of one pod is told in order."""
    lag_ms = random.randint(1_500, 40_000) if random.random() < 0.1 else random.randint(20, 1_500)
    earliest_ms = max(life.seen_ms, after_ms)
    life.told_ms = max(earliest_ms, life.end_ms + lag_ms)
    match life.end:
        case End.DELETED:
            asked_ms = life.end_ms - random.randint(0, min(20_000, life.end_ms - life.ready_ms))
            life.deletion_ms = max(earliest_ms, asked_ms + random.randint(10, 800))
            life.told_ms = max(life.told_ms, life.deletion_ms)
            life.gone_ms = life.told_ms + random.randint(10, 2_000)
        case End.FORCED:
            life.told_ms = life.gone_ms = max(earliest_ms, life.end_ms - (0 if after_ms else random.randint(0, 2_000)))
        case End.MISSED:
            life.gone_ms = life.told_ms
        case End.DEAD:
            life.deletion_ms = max(earliest_ms, life.end_ms + random.randint(20_000, 60_000))
            life.told_ms = life.gone_ms = life.deletion_ms + random.randint(30_000, 200_000)
        case End.FINISHES:
            pass


def _share(world: World, random: Random, node: int, ips: tuple[str, ...]) -> None:
    """Let two pods have an address at once, for longer than what is told of it can be late."""
    first_ms = 10_000 + random.randint(0, 5_000)
    second_ms = first_ms + random.randint(6_000, 30_000)
    end_ms = second_ms + random.randint(14_000, 60_000)
    last_ms = end_ms + random.randint(6_000, 60_000)
    for ready_ms, until_ms in ((first_ms, end_ms), (second_ms, last_ms)):
        life = Life(
            f"p{len(world.lives)}",
            random.randrange(WORKLOADS),
            node if ready_ms == first_ms else random.randrange(NODES),
            ips,
            start_ms=ready_ms - random.randint(0, 400),
            ready_ms=ready_ms,
            end_ms=until_ms,
            end=random.choice([End.FINISHES, End.DELETED, End.FORCED]),
        )
        life.seen_ms = ready_ms + random.randint(50, 1_500)
        _tell_end(life, random, after_ms=second_ms + 2_000)
        world.lives.append(life)


def _look_ups(world: World, random: Random, life: Life, count: int) -> list[Asked]:
    found = []
    for _ in range(count):
        lasts_ms = life.end_ms - life.ready_ms
        at_ms = life.ready_ms + random.choice(
            [
                random.randint(0, lasts_ms),
                random.randint(0, lasts_ms),
                random.randint(0, min(1_500, lasts_ms)),
                lasts_ms - random.randint(0, 1_500),
            ]
        )
        first_ms = max(life.ready_ms, at_ms - random.choice([0, random.randint(0, 999)]))
        if random.random() < 0.2:
            source, clock, sender = "dnstap", DNS_NODE, random.randrange(NODES - 1)
        elif life.node == DEAF:
            source, sender = "packet", random.randrange(NODES - 1)
            clock = sender
        else:
            source, sender, clock = "packet", life.node, life.node
        late_ms = random.choice([0] * 9 + [random.randint(1_000, 60_000)])
        arrives_ms = at_ms + random.randint(10, 1_200) + late_ms
        ip = random.choice(life.ips)
        found.append(Asked(life, ip, first_ms, at_ms, sender, clock, source, arrives_ms))
    return found
