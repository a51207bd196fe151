"""Runs a world through the operator's whole pipeline, in virtual time, and judges by the truth what became of it."""

import asyncio
import selectors
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from tests.oracle.world import DNS_NODE, NODES, SETTLE_MS, WORKLOADS, Asked, End, Life, World
from tests.support.builders import a_service, a_slice, an_owner, owned_by
from tests.support.fake_writer import FakeWriter

from grapevine.model.observation import DnsObservation, Observation
from grapevine.model.target import InternetTarget
from grapevine.pipeline import Pipeline
from grapevine.resolver.noise import Reason
from grapevine.resolver.records import NodeRecord, PodRecord, Record, RecordGone
from grapevine.resolver.unresolved import UnresolvedTally
from grapevine.settings import IngestSettings, OperatorSettings, ReconcileSettings, ResolverSettings
from grapevine.wire.schema import Batch, BatchHeader, Hearing

EPOCH_MS = 1_700_000_000_000
"""When worlds begin."""
PARK_MS = 5_000
DNS_IP = "10.200.0.10"
MARGIN_MS = 1_200
"""How far from its bounds a life may look other than it was: what clocks may differ, and the way of a batch."""
_SECOND_MS = 1_000
_TICK_MS = 250
"""Between two looks of the pipeline at what is parked; as much is between two batches."""
_LINGERS_MS = 5_000
"""How long a pod whose object is gone may go on, by what the operator supposes."""
_SETTINGS = OperatorSettings(
    resolver=ResolverSettings(settle_ms=SETTLE_MS, park_ms=PARK_MS),
    reconcile=ReconcileSettings(coalesce_ms=30_000),
    ingest=IngestSettings(max_queued_observations=10**6),
)


@dataclass(slots=True)
class Verdict:
    """What became of the look-ups of some worlds."""

    asked: int = 0
    told: int = 0
    """That became an edge of whom it was."""
    wrong: int = 0
    """That became an edge of somebody else."""
    calm: int = 0
    """That nothing stood in the way of."""
    lost: Counter[str] = field(default_factory=Counter)
    """By reason."""
    unjustified: list[str] = field(default_factory=list)
    """Lost, and nothing stood in the way."""

    def add(self, other: "Verdict") -> None:
        """Join two."""
        self.asked += other.asked
        self.told += other.told
        self.wrong += other.wrong
        self.calm += other.calm
        self.lost += other.lost
        self.unjustified += other.unjustified


class _Tally(UnresolvedTally):
    """Remembers which look-ups were left out."""

    def __init__(self) -> None:
        super().__init__()
        self.left_out: dict[int, Reason] = {}

    def add(self, observation: Observation, reason: Reason) -> None:
        super().add(observation, reason)
        self.left_out[id(observation)] = reason


class _VirtualSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Waits for nothing: says how long it would have."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += max(0.0, timeout or 0.0)
        return super().select(0)  # type: ignore[no-any-return]


class _VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now_s


def judge(world: World, seed: int) -> Verdict:
    """Return what the pipeline made of a world."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(_judge(world, Random(seed)))


async def _judge(world: World, random: Random) -> Verdict:
    loop = asyncio.get_running_loop()
    pipeline = Pipeline(_SETTINGS, FakeWriter(), lambda: EPOCH_MS + round(loop.time() * 1_000))
    tally = pipeline.intake.unresolved = _Tally()
    pipeline.on_records(_cluster())
    observations = {id(o): (asked, o) for asked in world.asked for o in [_observation(world, asked)]}
    events: list[tuple[int, int, list[Record | RecordGone] | Batch]] = []
    for life in world.lives:
        events += ((at_ms, n, [record]) for n, (at_ms, record) in enumerate(_records(world, life)))
    events += ((at_ms, 9, batch) for at_ms, batch in _batches(world, random, observations.values()))
    events.sort(key=lambda event: event[:2])
    working = asyncio.create_task(pipeline.run())
    for at_ms, _, event in events:
        if (wait_s := at_ms / 1_000 - loop.time()) > 0:
            await asyncio.sleep(wait_s)
        if isinstance(event, Batch):
            pipeline.offer(event)
        else:
            pipeline.on_records(event)
    assert await pipeline.flush(600, has_all=True)
    working.cancel()
    await asyncio.wait([working])
    verdict = Verdict(asked=len(world.asked))
    for client in pipeline.graph.clients:
        for edge in pipeline.graph.edges(client):
            assert isinstance(edge.target, InternetTarget)
            if edge.target.domain == _domain(int(client.name[1:])):
                verdict.told += edge.count
            else:
                verdict.wrong += edge.count
    neighbours: dict[str, list[Life]] = {}
    for life in world.lives:
        neighbours.setdefault(life.ips[0], []).append(life)
    for key, (asked, _) in observations.items():
        is_calm = _is_calm(asked, neighbours[asked.life.ips[0]])
        verdict.calm += is_calm
        if key in tally.left_out:
            verdict.lost[tally.left_out[key]] += 1
            if is_calm:
                verdict.unjustified.append(f"{tally.left_out[key]}: {asked}")
    return verdict


def _is_calm(asked: Asked, neighbours: list[Life]) -> bool:
    """Whether it must be told who asked, by what the operator was told in time.

    It knows the pod, had not been told that it is gone, and nobody of another workload was about that address then, or
    may have been by what was told by when the look-up is decided at last.
    """
    mine, first_ms, last_ms = asked.life, asked.first_ms, asked.last_ms
    decided_ms = asked.arrives_ms + PARK_MS - 2 * _TICK_MS  # what is old by the time it comes does not settle first
    if mine.seen_ms > decided_ms or last_ms > mine.end_ms - MARGIN_MS:
        return False
    if mine.end is End.FORCED and last_ms > mine.told_ms - MARGIN_MS:
        return False
    if first_ms < mine.start_ms + MARGIN_MS and asked.clock != mine.node:
        return False
    return not any(
        other is not mine
        and other.workload != mine.workload
        and other.start_ms - _SECOND_MS - MARGIN_MS <= last_ms
        and first_ms <= _latest_ms(other, decided_ms) + _SECOND_MS + MARGIN_MS
        for other in neighbours
    )


def _latest_ms(life: Life, decided_ms: int) -> int:
    """Return when a pod may be taken to have ended, by what is told of it by then."""
    is_told = life.end in (End.FINISHES, End.DELETED) and life.told_ms < decided_ms
    return life.end_ms if is_told else life.told_ms + _LINGERS_MS


def _domain(workload: int) -> str:
    return f"w{workload}.example.com"


def _cluster() -> list[Record | RecordGone]:
    """Return all that does not change."""
    records: list[Record | RecordGone] = [an_owner("StatefulSet", f"w{n}") for n in range(WORKLOADS)]
    records += [NodeRecord(f"n{n}", ()) for n in range(NODES)]
    dns = PodRecord(
        "kube-system", "dns", "dns", (DNS_IP,), False, EPOCH_MS - 10**6, None, None, None, "", f"n{DNS_NODE}"
    )
    records += [dns, a_service("kube-dns", namespace="kube-system", ports=(53,))]
    return [*records, a_slice("kube-dns", "dns", namespace="kube-system")]


def _records(world: World, life: Life) -> Iterator[tuple[int, Record | RecordGone]]:
    """Yield what is told of a pod, each with when."""
    ahead_ms = EPOCH_MS + world.skew_ms[life.node]
    owner = owned_by("StatefulSet", f"w{life.workload}")
    second_ms = (life.start_ms + ahead_ms) // _SECOND_MS * _SECOND_MS
    node = f"n{life.node}"
    deletion_ms = None

    def record(ips: tuple[str, ...], end_ms: int | None) -> PodRecord:
        return PodRecord("shop", life.name, life.name, ips, False, second_ms, end_ms, deletion_ms, owner, "", node)

    yield max(0, min(life.start_ms + 300, life.seen_ms)), record((), None)
    yield life.seen_ms, record(life.ips, None)
    if life.deletion_ms is not None:
        deletion_ms = EPOCH_MS + life.deletion_ms + 30_000
        yield life.deletion_ms, record(life.ips, None)
    last = record(life.ips, None)
    if life.end in (End.FINISHES, End.DELETED):
        end_ms = (life.end_ms + ahead_ms) // _SECOND_MS * _SECOND_MS + _SECOND_MS - 1
        last = record(life.ips, end_ms)
        yield life.told_ms, last
    if life.gone_ms is not None:
        since_ms = EPOCH_MS + min(life.end_ms - 1, life.gone_ms) if life.end is End.MISSED else None
        yield life.gone_ms, RecordGone(last, EPOCH_MS + life.gone_ms, since_ms)


def _observation(world: World, asked: Asked) -> DnsObservation:
    ahead_ms = EPOCH_MS + world.skew_ms[asked.clock]
    name = _domain(asked.life.workload)
    return DnsObservation(
        asked.first_ms + ahead_ms, asked.last_ms + ahead_ms, 1, asked.ip, DNS_IP, name, "A", "NOERROR",
        ("192.0.2.1",), (), "udp", asked.source,
    )  # fmt: skip


def _batches(
    world: World, random: Random, observations: Iterator[tuple[Asked, DnsObservation]]
) -> Iterator[tuple[int, Batch]]:
    """Yield the senders' batches, some twice, and their heartbeats, each with when it arrives."""
    cut: dict[tuple[int, str, int], list[DnsObservation]] = {}
    for asked, observation in observations:
        cut.setdefault((asked.sender, asked.source, asked.arrives_ms // _TICK_MS), []).append(observation)
    seqs: Counter[str] = Counter()
    for node in range(NODES):
        for at_ms in range(0, world.end_ms, 5_000):
            yield at_ms, _batch(world, random, node, "packet", 0, at_ms, ())
    for (node, source, arrives), told in sorted(cut.items()):
        stream = f"{source}{node}"
        seqs[stream] += 1
        at_ms = arrives * _TICK_MS + _TICK_MS - 1
        for again_ms in (0, 700) if random.random() < 0.05 else (0,):
            yield at_ms + again_ms, _batch(world, random, node, source, seqs[stream], at_ms + again_ms, tuple(told))


def _batch(
    world: World, random: Random, node: int, source: str, seq: int, at_ms: int, told: tuple[DnsObservation, ...]
) -> Batch:
    way_ms = random.choice([random.randint(0, 40), random.randint(0, 40), random.randint(0, 3_000)])
    clock_ms = EPOCH_MS + at_ms - way_ms + world.skew_ms[node]
    hearing = Hearing((source,), EPOCH_MS - 10**6)
    return Batch(BatchHeader(f"{source}{node}", seq, 1, f"n{node}", clock_ms, hearing), told)
