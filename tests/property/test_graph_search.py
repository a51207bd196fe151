"""Whatever order a resolver walks its search list in: one asked name is one edge, or one dead dependency."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import a_graph, a_lookup, a_workload, plain_target

from grapevine.graph.store import GraphStore
from grapevine.model.lookup import Lookup

NAMESPACE = "shop"
CLUSTER = (f".{NAMESPACE}.svc.cluster.local", ".svc.cluster.local", ".cluster.local")
NODE = ".corp.example.net"
ASKED = ["ghost", "ghost.shop", "ghost.shop.svc", "ghost.other", "ghost.other.svc", "ghost.shop.svc.cluster.local"]
EXTERNAL = ["ghost.example.org", "a.b.example.org", "a.b.c.d.e.example.org"]


def walk(asked: str, *, with_node: bool) -> list[str]:
    return [asked + suffix for suffix in (*CLUSTER, *((NODE,) if with_node else ()), "")]


def a_graph_that_knows_the_node() -> GraphStore:
    """A client that has walked two other names in the order kubelet writes."""
    graph = a_graph()
    for name in ("first.example.org", "second.example.org"):
        for variant in walk(name, with_node=True)[:-1]:
            graph.add(a_lookup(variant, rcode="NXDOMAIN"), plain_target)
        graph.add(a_lookup(name), plain_target)
    assert graph.dead(a_workload()) == []
    return graph


def twins(name: str, *, answers: bool) -> list[Lookup]:
    """The A and the AAAA of one variant; where it answers, the A does."""
    if not answers:
        return [a_lookup(name, rcode="NXDOMAIN"), a_lookup(name, rcode="NXDOMAIN")]
    answer = a_lookup(name)
    # A Service that exists is a destination without an answer too; a domain is not.
    destination = answer.destination if name.endswith(".svc.cluster.local") else None
    return [answer, a_lookup(name, rcode="NODATA", is_answered=False, destination=destination)]


@settings(max_examples=300)
@given(st.sampled_from(ASKED + EXTERNAL), st.booleans(), st.data())
def test_a_name_that_never_resolves_is_exactly_one_dead_dependency(
    asked: str, with_node: bool, data: st.DataObject
) -> None:
    graph = a_graph_that_knows_the_node() if with_node else a_graph()
    edges = graph.edges(a_workload())
    lookups = [each for name in walk(asked, with_node=with_node) for each in twins(name, answers=False)]

    for lookup in data.draw(st.permutations(lookups)):
        graph.add(lookup, plain_target)

    assert (len(graph.dead(a_workload())), graph.edges(a_workload())) == (1, edges)


@settings(max_examples=300)
@given(st.sampled_from(ASKED + EXTERNAL), st.booleans(), st.data())
def test_a_name_that_resolves_is_exactly_one_edge(asked: str, with_node: bool, data: st.DataObject) -> None:
    graph = a_graph_that_knows_the_node() if with_node else a_graph()
    known = {edge.target for edge in graph.edges(a_workload())}
    names = walk(asked, with_node=with_node)
    real = {n for n in ("ghost.shop.svc.cluster.local", "ghost.other.svc.cluster.local", asked) if n in names}
    resolving = next(n for n in names if n in real and (n.endswith(".svc.cluster.local") or asked in EXTERNAL))
    lookups = [each for name in names for each in twins(name, answers=name == resolving)]

    for lookup in data.draw(st.permutations(lookups)):
        graph.add(lookup, plain_target)

    new = {edge.target for edge in graph.edges(a_workload())} - known
    assert (len(new), graph.dead(a_workload())) == (1, [])


@settings(max_examples=100)
@given(st.permutations(["one", "two.shop", "three.other"]), st.data())
def test_walks_that_interleave_do_not_mix(asked: list[str], data: st.DataObject) -> None:
    graph = a_graph()
    resolves = data.draw(st.sets(st.sampled_from(asked)))
    lookups = [
        a_lookup(name)
        if each in resolves and name in (f"{each}.svc.cluster.local", f"one.{NAMESPACE}.svc.cluster.local")
        else a_lookup(name, rcode="NXDOMAIN")
        for each in asked
        for name in walk(each, with_node=False)
    ]

    for lookup in data.draw(st.permutations(lookups)):
        graph.add(lookup, plain_target)

    assert len(graph.dead(a_workload())) == len(asked) - len(resolves)
