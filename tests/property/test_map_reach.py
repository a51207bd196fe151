"""Closures against the plainest way to find them: on any graph, the same nodes, and no chain surer than the best."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.maps import a_map, call, ref

from grapevine.view.ranking import dependences, tracing_steps
from grapevine.view.reach import Cause, blast
from grapevine.view.servicemap import NodeRef, ServiceMap

NAMES = [f"n/{letter}" for letter in "abcdefgh"]
CALLS = st.dictionaries(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda ends: ends[0] != ends[1]),
    st.sampled_from([0, 50, 75, 95]),
    max_size=20,
)


def chains(found: ServiceMap, root: NodeRef, cause: Cause, depth: int) -> dict[NodeRef, float]:
    """Return the surest chain's percent of all that is reached, by walking every way."""
    best: dict[NodeRef, float] = {}
    edge = {(root, 100.0)}
    for _ in range(depth):
        ways = found.outgoing if cause is Cause.COMPROMISED else found.incoming
        edge = {
            (link.target if cause is Cause.COMPROMISED else link.client, sure * link.confidence / 100)
            for ref_, sure in edge
            for link in ways.get(ref_, ())
        }
        for ref_, sure in edge:
            best[ref_] = max(best.get(ref_, -1.0), sure)
    best.pop(root, None)
    return best


@given(CALLS, st.sampled_from(NAMES), st.sampled_from(list(Cause)), st.integers(1, 4))
@settings(deadline=None)
def test_reaches_what_any_chain_reaches_as_surely_as_the_best(
    ends: dict[tuple[str, str], int], root: str, cause: Cause, depth: int
) -> None:
    found = a_map(*(call(*pair, confidence=sure) for pair, sure in ends.items()))
    if ref(root) not in {node.ref for node in found.nodes}:
        return

    reached = blast(found, ref(root), cause, depth=depth).reached

    assert {ref_: round(sure, 1) for ref_, sure in chains(found, ref(root), cause, depth).items()} == {
        each.ref: each.sure for each in reached
    }
    for each in reached:
        ends_ = (root, each.ref.words) if cause is Cause.COMPROMISED else (each.ref.words, root)
        assert ends_ == (each.chain[0].client.words, each.chain[-1].target.words)
        assert each.calls == len(each.chain) <= depth
        assert all(one.target == other.client for one, other in zip(each.chain, each.chain[1:], strict=False))


@given(CALLS)
@settings(deadline=None)
def test_rankings_agree_with_the_closures(ends: dict[tuple[str, str], int]) -> None:
    found = a_map(*(call(*pair) for pair in ends))

    for each in dependences(found):
        assert each.dependents == len(blast(found, each.ref, Cause.DOWN).reached)
        assert each.callers == len(found.incoming[each.ref])
    shown = [step.shows for step in tracing_steps(found)]
    assert sorted(shown) == shown
    assert shown[-1:] == ([100.0] if ends else [])
