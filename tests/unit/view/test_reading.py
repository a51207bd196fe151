"""The map of ClientIntents: what was observed, else what is declared, and of a live graph the same."""

from dataclasses import replace
from typing import Any

from tests.support.builders import a_workload, an_edge, to_workload
from tests.support.maps import calls, ref

from grapevine.model.edge import OwnerSeen
from grapevine.model.target import InternetTarget, ServiceTarget
from grapevine.model.timestamp import format_ms
from grapevine.view.reading import map_of_edges, map_of_intents
from grapevine.view.servicemap import NodeRef, Relation

SEEN = {"firstSeen": "2026-01-01T00:00:00Z", "lastSeen": "2026-01-02T00:00:00Z", "count": 2, "names": ["x"]}


def an_object(name: str, *targets: Any, kind: str = "Deployment", **status: Any) -> dict[str, Any]:
    workload = {"name": name, **({"kind": kind} if kind else {})}
    found = {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"workload": workload, "targets": list(targets)},
    }
    return found | ({"status": status} if status else {})


def observed(target: Any, **fields: Any) -> dict[str, Any]:
    return {"target": target, "evidence": ["dns"], "state": "active", **SEEN, **fields}


def test_what_was_observed_counts_with_its_evidence_and_not_what_is_declared() -> None:
    web = an_object(
        "web",
        {"kubernetes": {"name": "never-seen"}},
        observed=[
            observed(
                {"kubernetes": {"name": "cart", "kind": "Deployment"}}, evidence=["connection", "dns"], ports=[80]
            ),
            observed({"internet": {"domains": ["api.example.com"]}}, state="stale"),
            {"evidence": ["dns"], "state": "dead", **SEEN},
        ],
    )
    found = map_of_intents([web])

    assert {"shop/web → shop/cart", "shop/web → api.example.com"} == calls(found)
    to_domain, to_cart = sorted(found.links, key=lambda link: link.target)
    assert (to_cart.evidence, to_cart.confidence, to_cart.ports) == (("connection", "dns"), 95, (80,))
    assert (to_domain.state, to_domain.confidence, to_domain.count) == ("stale", 75, 2)
    assert [1] == [node.dead for node in found.nodes if node.ref == ref("shop/web")]
    assert (1767225600000, 1767312000000) == found.span_ms


def test_an_object_without_observations_is_drawn_as_it_declares() -> None:
    targets = [
        {"kubernetes": {"name": "cart.orders", "kind": "Deployment"}},
        {"service": {"name": "kubernetes.default"}},
        {"internet": {"domains": ["a.example.com"], "ips": ["192.0.2.1"]}},
        {"sql": {"name": "ledger"}},
        {"aws": {"arn": "arn:aws:s3:::bucket"}},
        {"kubernetes": "nonsense"},
    ]
    found = map_of_intents([an_object("web", *targets)])

    ends = {"orders/cart", "default/kubernetes", "a.example.com", "192.0.2.1", "ledger", "arn:aws:s3:::bucket"}
    assert {f"shop/web → {end}" for end in ends} == calls(found)
    assert {("declared", 0, ())} == {(link.state, link.confidence, link.evidence) for link in found.links}


def test_a_name_without_a_kind_is_the_one_workload_of_that_name() -> None:
    found = map_of_intents(
        [an_object("web", {"kubernetes": {"name": "cart"}}, {"kubernetes": {"name": "twin"}}), an_object("cart"),
         an_object("twin"), an_object("twin", kind="Job")]
    )  # fmt: skip

    assert {NodeRef("shop", "Deployment", "cart"), NodeRef("shop", "", "twin")} == {link.target for link in found.links}


def test_workloads_behind_a_service_are_linked_to_it() -> None:
    owners = [{"name": "v1", "kind": "Deployment", "answers": 3}, {"name": "v2", "kind": "Deployment", "answers": 1}]
    found = map_of_intents([an_object("web", observed=[observed({"service": {"name": "pay"}}, owners=owners)])])

    behind = [link for link in found.links if link.relation is Relation.BEHIND]
    assert [("shop/pay", "shop/v1", 75), ("shop/pay", "shop/v2", 25)] == [
        (link.client.words, link.target.words, link.share) for link in behind
    ]
    assert 1 == found.calls


def test_it_is_said_where_objects_had_no_room() -> None:
    cut = an_object("web", observed=[], truncated=True)

    assert ("1 object had no room for all that was seen",) == map_of_intents([cut]).notes


def test_a_live_graph_gives_the_same_nodes() -> None:
    owner = OwnerSeen(a_workload("v1"))
    edges = [
        an_edge(to_workload("cart"), client=a_workload("web")),
        replace(an_edge(ServiceTarget("shop", "pay"), client=a_workload("web")), owners=(owner,)),
        an_edge(InternetTarget("api.example.com"), client=a_workload("web")),
    ]
    found = map_of_edges(edges, {a_workload("web"): 2})

    assert {"shop/web → shop/cart", "shop/web → shop/pay", "shop/web → api.example.com"} == calls(found)
    assert 2 == sum(node.dead for node in found.nodes)


def test_what_is_stale_is_silent_since_its_newest_sighting_and_what_is_usual_for_it() -> None:
    often = observed({"kubernetes": {"name": "cart"}}, state="stale")
    weekly = observed({"kubernetes": {"name": "backup"}}, state="stale", typicalGapSeconds=7 * 86_400)
    idle = observed({"kubernetes": {"name": "redis"}}, state="idle")

    found = map_of_intents([an_object("web", observed=[often, weekly, idle])])

    silent = {link.target.name: format_ms(link.silent_ms) for link in found.links if link.silent_ms}
    assert {"cart": "2026-01-10T00:00:00.000Z", "backup": "2026-01-30T00:00:00.000Z"} == silent


def test_a_live_graph_has_the_patience_of_its_operator() -> None:
    edge = replace(an_edge(to_workload("cart")), first_ms=1_000, last_ms=9_000, state="stale")

    found = map_of_edges([edge], patience_ms=1_000)

    assert [10_000] == [link.silent_ms for link in found.links]
    assert 17_500 == found.remembered_ms
