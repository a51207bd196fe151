"""Ageing under a clock of the test's own: any life of an edge, cut by restarts wherever."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import T0, a_graph, a_lookup, a_workload, plain_target

from grapevine.graph.store import GraphStore
from grapevine.model.target import ServiceDestination

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
PACKET, NOBODY = frozenset({"packet"}), frozenset[str]()
WEB = a_workload()
CART = "cart.shop.svc.cluster.local"
ORDER = ["active", "idle", "stale", "retired"]


@dataclass
class World:
    """One edge, one clock; time passes in rounds as in `pipeline.upkeep`."""

    graph: GraphStore
    now_ms: int = T0

    def see(self) -> None:
        self.graph.add(a_lookup(CART, first_ms=self.now_ms), plain_target)

    def pass_by(self, ms: int, *, heard: bool = True) -> None:
        self.now_ms += ms
        self.graph.listen(WEB, PACKET if heard else NOBODY, ms)
        self.graph.age(WEB)

    def restart(self) -> None:
        edges = self.graph.edges(WEB)
        self.graph = a_graph()
        for edge in edges:
            self.graph.restore_edge(WEB, [ServiceDestination("shop", "cart")], edge, plain_target)

    @property
    def state(self) -> str:
        return next((edge.state for edge in self.graph.edges(WEB)), "retired")


def a_world() -> World:
    world = World(a_graph())
    world.see()
    return world


PERIODS = st.integers(1_000, 40 * DAY)


@given(PERIODS, st.integers(2, 12), st.integers(0, 200))
def test_what_keeps_its_rhythm_is_never_called_idle(period_ms: int, times: int, burst: int) -> None:
    world = a_world()
    for _ in range(times):
        world.pass_by(period_ms)
        if world.state == "retired":  # the first pause of what comes more rarely than every five weeks
            assert period_ms > 35 * DAY
        world.see()
        for _ in range(burst):
            world.pass_by(100)
            world.see()
    world.pass_by(period_ms)

    assert world.state == "active" or period_ms > 35 * DAY


@given(PERIODS, st.integers(3, 20))
def test_what_stops_is_idle_then_stale_then_gone_and_in_that_order(period_ms: int, times: int) -> None:
    world = a_world()
    for _ in range(times):
        world.pass_by(min(period_ms, 35 * DAY))
        world.see()
    told = []
    for _ in range(500):
        world.pass_by(DAY)
        told.append(ORDER.index(world.state))

    assert told == sorted(told)
    assert told[-1] == ORDER.index("retired")


@given(st.lists(st.tuples(st.integers(0, 30 * DAY), st.booleans()), max_size=30))
def test_silence_of_its_source_changes_nothing(pauses: list[tuple[int, bool]]) -> None:
    deaf, heard_alone = a_world(), a_world()
    for ms, is_heard in pauses:
        deaf.pass_by(ms, heard=is_heard)
        if is_heard:
            heard_alone.pass_by(ms)

    assert deaf.state == heard_alone.state


@given(st.integers(0, 10**6 * DAY))
def test_silence_alone_never_takes_an_edge(ms: int) -> None:
    world = a_world()
    world.pass_by(ms, heard=False)

    assert world.state == "active"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(0, 9 * DAY)),
        st.tuples(st.just("deaf"), st.integers(0, 9 * DAY)),
        st.tuples(st.just("see"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=150)
@given(STEPS, st.sets(st.integers(0, 40)))
def test_a_restart_anywhere_changes_no_state(steps: list[tuple[str, int]], restarts: set[int]) -> None:
    plain, restarted = a_world(), a_world()
    for number, (step, ms) in enumerate(steps):
        for world in (plain, restarted):
            if step == "see":
                world.see()
            else:
                world.pass_by(ms, heard=step == "pass")
        if number in restarts:
            restarted.restart()

    assert [e.age for e in plain.graph.edges(WEB)] == [e.age for e in restarted.graph.edges(WEB)]
    assert plain.state == restarted.state


@given(st.integers(1, 6))
def test_a_weekly_job_is_never_stale_from_its_first_run_on(weeks: int) -> None:
    world = a_world()
    for _ in range(weeks):
        for _ in range(7):
            world.pass_by(DAY)
            assert world.state in ("active", "idle")
        for _ in range(50):
            world.see()
            world.pass_by(200)
