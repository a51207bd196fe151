"""The ledger against a naive model; the queue and the plan, whatever is asked of them."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.support.builders import T0, a_workload, an_edge, an_object, desired_of, to_workload

from grapevine.intents.read import read_intents
from grapevine.model.edge import DeadDependency
from grapevine.model.intents import ActualIntents
from grapevine.model.target import InternetTarget, ServiceTarget
from grapevine.model.write_policy import WritePolicy
from grapevine.reconcile.ledger import Ledger
from grapevine.reconcile.plan import ApplySpec, ApplyStatus, Circumstances, Create, next_change
from grapevine.reconcile.queue import KeyQueue

AROUND = Circumstances(WritePolicy.UPSERT_ONLY, is_fresh=True, is_unwanted=False, now_ms=T0, refresh_ms=300_000)

SEQS = st.integers(1, 8)
CLIENTS = [a_workload(name) for name in "abc"]


class LedgerAgainstModel(RuleBasedStateMachine):
    """One stream; the model keeps everything and forgets nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(max_streams=3)
        self.oldest = 1
        self.seen: set[int] = set()
        self.worked: set[int] = set()
        self.waits: dict[int, set[object]] = {}

    @rule(seq=SEQS)
    def admit(self, seq: int) -> None:
        is_new = seq >= self.oldest and seq not in self.seen
        assert self.ledger.admit("s", seq, self.oldest) == is_new
        self.seen.add(seq) if is_new else None

    @rule(oldest=SEQS)
    def give_up(self, oldest: int) -> None:
        self.oldest = max(self.oldest, oldest)
        self.ledger.admit("s", 0, self.oldest)

    @precondition(lambda self: self.seen - self.worked)
    @rule(data=st.data())
    def take_in(self, data: st.DataObject) -> None:
        seq = data.draw(st.sampled_from(sorted(self.seen - self.worked)))
        clients = data.draw(st.sets(st.sampled_from(CLIENTS)))
        self.ledger.wait_for("s", seq, clients)
        self.waits.setdefault(seq, set()).update(clients)
        if data.draw(st.booleans()):
            self.ledger.worked("s", seq)
            self.worked.add(seq)

    @rule(client=st.sampled_from(CLIENTS))
    def write(self, client: object) -> None:
        self.ledger.written(client)  # type: ignore[arg-type]
        for waits in self.waits.values():
            waits.discard(client)

    @invariant()
    def is_durable_up_to_the_first_batch_that_is_not(self) -> None:
        through = self.oldest - 1
        while (seq := through + 1) in self.worked and not self.waits.get(seq):
            through += 1
        assert self.ledger.durable_through("s") == (through if self.seen or self.oldest > 1 else 0)

    @invariant()
    def holds_open_what_is_not_done(self) -> None:
        still = {s for s in self.seen if s >= self.oldest and not (s in self.worked and not self.waits.get(s))}
        assert self.ledger.open_batches() == len(still)


LedgerAgainstModel.TestCase.settings = settings(max_examples=100, stateful_step_count=30)
test_the_ledger_is_what_a_naive_model_says = LedgerAgainstModel.TestCase


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(["add", "take", "done", "fail", "hurry"]), st.sampled_from("abc"))))
def test_a_key_asked_for_is_worked_on_after_it_was_asked_for(steps: list[tuple[str, str]]) -> None:
    queue: KeyQueue[str] = KeyQueue(coalesce_ms=5, backoff_ms=10, max_backoff_ms=40)
    owed: set[str] = set()
    working: set[str] = set()
    for now_ms, (step, key) in enumerate(steps):
        if step == "add":
            queue.add(key, now_ms)
            owed.add(key)
        elif step == "take" and (taken := queue.take(now_ms)):
            assert taken not in working
            working.add(taken)
            owed.discard(taken)
        elif step in ("done", "fail") and key in working:
            working.discard(key)
            queue.finish(key, now_ms, is_done=step == "done")
            owed.update({key} if step == "fail" else ())
        elif step == "hurry":
            queue.hurry(now_ms)
        assert {k for k in "abc" if queue.holds(k)} == owed | working

    left: set[str] = set()
    while taken := queue.take(10**6):
        left.add(taken)
    assert left == owed - working


TARGETS = st.sampled_from(
    [to_workload("a"), to_workload("b", kind="DaemonSet"), ServiceTarget("x", "s"), InternetTarget("d.example.com")]
)
EDGES = st.lists(TARGETS, unique=True, max_size=4)
DECLARED = st.lists(
    st.sampled_from(
        [{"kubernetes": {"name": "a"}}, {"service": {"name": "s.x"}}, {"internet": {"domains": ["*.example.com"]}}]
    ),
    max_size=3,
)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(EDGES, st.booleans(), st.integers(0, 10**6)), min_size=1, max_size=4),
    st.none() | st.tuples(DECLARED, st.booleans()),
)
def test_applying_the_plan_ends_and_then_there_is_nothing_to_do(
    states: list[tuple[list[object], bool, int]], start: tuple[list[dict[str, object]], bool] | None
) -> None:
    resource = None
    if start is not None:
        resource = an_object(targets=start[0], discovered=start[1])
        resource["spec"] = {"workload": {"name": "web", "kind": "Deployment"}, "targets": start[0]}
    for targets, is_dead, later_ms in states:
        dead = [DeadDependency(a_workload(), "ghost", "NXDOMAIN", T0, T0 + later_ms, 1)] if is_dead else []
        desired = desired_of([an_edge(t, last_ms=T0 + later_ms) for t in targets], dead)  # type: ignore[arg-type]
        spec_before = resource and resource["spec"]
        changes = []
        while len(changes) < 5:
            actual: ActualIntents | None = read_intents(resource) if resource else None
            objects = [actual] if actual else []
            change = next_change(desired, objects, AROUND, is_taken=lambda _: False)
            if change is None:
                break
            changes.append(type(change).__name__)
            if isinstance(change, Create):
                resource = {**change.resource, "metadata": {**change.resource["metadata"], "uid": "u", "generation": 1}}
            elif isinstance(change, ApplySpec):
                assert resource is not None
                generation = resource["metadata"]["generation"] + 1  # type: ignore[index]
                metadata = {**resource["metadata"], "generation": generation}  # type: ignore[dict-item]
                resource = {**resource, "metadata": metadata, "spec": change.resource["spec"]}
            elif isinstance(change, ApplyStatus):
                assert resource is not None
                resource = {**resource, "status": change.resource["status"]}

        assert changes in ([], ["Create", "ApplyStatus"], ["ApplySpec", "ApplyStatus"], ["ApplyStatus"])
        if start is not None and not start[1]:
            assert resource is not None
            assert resource["spec"] == spec_before
