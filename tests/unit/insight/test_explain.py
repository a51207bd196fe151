"""Why an edge is there, and what is known where it is not: one verdict for each kind of question."""

from dataclasses import replace

from tests.support.builders import (
    CLIENT_IP,
    T0,
    a_batch,
    a_deployment,
    a_dial,
    a_pod,
    a_pod_of,
    a_service,
    a_slice,
    a_workload,
    an_observation,
)
from tests.support.fake_writer import FakeWriter

from grapevine.insight.explain import EdgeView, Explanation, NoiseView, OwnerView, SeenView, TargetView, Verdict
from grapevine.model.observation import Observation
from grapevine.pipeline import Pipeline
from grapevine.resolver.records import Record
from grapevine.settings import OperatorSettings, ResolverSettings

WEB = a_workload()
CART = "cart.shop.svc.cluster.local"
SHOP: list[Record] = [
    *a_deployment("web"),
    a_pod_of("web", 1, CLIENT_IP),
    a_pod_of("web", 2, "10.0.0.10"),
    *a_deployment("cart"),
    a_pod_of("cart", 1, "10.0.0.8"),
    *a_deployment("canary"),
    a_pod_of("canary", 1, "10.0.0.7"),
    a_service("cart", cluster_ips=("10.96.0.1",)),
    a_slice("cart", "cart-1-1"),
    a_service("both", cluster_ips=("10.96.0.2",)),
    a_slice("both", "cart-1-1", "canary-1-1"),
    a_service("web", cluster_ips=("10.96.0.3",)),
    a_slice("web", "web-1-1"),
]


async def explain(
    target: str, *observations: Observation, client: str = "web", kind: str = "", records: list[Record] = SHOP
) -> Explanation:
    settings = OperatorSettings(resolver=ResolverSettings(own_namespace="grapevine-system"))
    pipeline = Pipeline(settings, FakeWriter(), lambda: T0 + 10_000)
    pipeline.on_records(records)
    await pipeline.intake.process(a_batch(*observations))
    await pipeline.intake.settle_parked(only_due=False)
    return pipeline.explainer.explain("shop", client, kind, target)


async def edge(target: str, *observations: Observation) -> EdgeView:
    explanation = await explain(target, *observations)
    assert explanation.verdict == Verdict.EDGE
    (found,) = explanation.edges
    return found


async def test_an_edge_says_who_asked_what_was_answered_and_how_sure_it_is() -> None:
    found = await edge(
        "cart",
        an_observation(CART, first_ms=T0 + 1_000, count=2),
        an_observation(CART, client_ip="10.0.0.10", first_ms=T0 + 2_000),
        a_dial("10.96.0.1", 80, first_ms=T0 + 3_000),
    )
    (name,) = found.names

    assert found.target == TargetView("workload", "shop", "Deployment", "cart")
    assert (found.confidence, found.evidence) == (95, ("connection", "dns"))
    assert found.because.startswith("it looked the name up, was answered, and opened a connection there")
    assert (found.count, found.first_ms, found.last_ms) == (3, T0 + 1_000, T0 + 3_000)
    assert name.name == CART
    assert name.lookups == SeenView(3, T0 + 1_000, T0 + 2_000)
    assert name.connections == SeenView(1, T0 + 3_000, T0 + 3_000)
    assert name.pods == ("web-1-1", "web-1-2")
    assert name.resolvers == ("10.96.0.10",)
    assert name.answers == ("10.96.0.1",)
    assert name.sources == ("packet",)
    assert name.ports == (80,)


async def test_a_target_may_be_written_in_every_way_that_leads_to_it() -> None:
    for text in ("cart", "shop/cart", "shop/Deployment/cart", "Deployment/cart", CART, CART + ".", "cart.shop", "CART"):
        assert (await edge(text, an_observation(CART))).target.name == "cart"


async def test_an_internationalised_name_may_be_written_in_either_form() -> None:
    for text in ("bücher.example", "BÜCHER.example.", "xn--bcher-kva.example"):
        found = await edge(text, an_observation("xn--bcher-kva.example", answers=("192.0.2.1",)))
        assert found.target.name == "xn--bcher-kva.example"


async def test_a_service_of_several_workloads_says_which() -> None:
    found = await edge("both", an_observation("both.shop.svc.cluster.local", answers=("10.96.0.2",)))

    assert found.target == TargetView("service", "shop", "", "both")
    assert found.owners == (
        OwnerView(a_workload("canary"), 1, 0, 0, None),
        OwnerView(a_workload("cart"), 1, 0, 0, None),
    )


async def test_names_that_share_an_address_say_so() -> None:
    found = await edge(
        "a.example.com",
        an_observation("a.example.com", answers=("192.0.2.1",)),
        an_observation("b.example.com", answers=("192.0.2.1",)),
        an_observation("c.example.com", answers=("192.0.2.3",)),
        a_dial("192.0.2.1", 443),
    )

    assert [name.shared_with for name in found.names] == [("b.example.com",)]
    assert found.confidence == 95


async def test_names_that_were_answered_with_one_address_say_so_before_anybody_connects() -> None:
    found = await edge(
        "a.example.com",
        an_observation("a.example.com", answers=("192.0.2.1", "192.0.2.2")),
        an_observation("b.example.com", answers=("192.0.2.2",)),
        an_observation("c.example.com", answers=("192.0.2.3",)),
    )

    assert [name.shared_with for name in found.names] == [("b.example.com",)]


async def test_a_client_on_the_host_network_says_why_nothing_is_seen_of_it() -> None:
    records = [*SHOP, *a_deployment("proxy"), replace(a_pod_of("proxy", 1, "192.168.0.1"), host_network=True)]
    quiet = await explain("cart", client="proxy", records=records)
    other = await explain("web", client="cart")

    assert (quiet.verdict, quiet.is_on_host_network) == (Verdict.CLIENT_QUIET, True)
    assert (other.verdict, other.is_on_host_network) == (Verdict.CLIENT_QUIET, False)


async def test_noise_names_the_reason_of_what_was_asked_for_and_no_other() -> None:
    explanation = await explain(
        "example.com",
        an_observation("example.com", qtype="TXT", answers=("v=spf1",)),
        an_observation("9.0.0.10.in-addr.arpa", qtype="PTR", answers=("web",)),
    )

    assert explanation.reasons == ("question-type",)
    assert [each.reason for each in explanation.noise] == ["question-type", "reverse"]


async def test_what_never_resolves_is_a_dead_dependency() -> None:
    explanation = await explain(
        "gone.example.com",
        an_observation("gone.example.com", rcode="NXDOMAIN", count=7),
        an_observation("gone.example.com.shop.svc.cluster.local", rcode="NXDOMAIN"),
    )

    assert explanation.verdict == Verdict.DEAD
    assert [(d.name, d.rcode, d.count) for d in explanation.dead] == [("gone.example.com", "NXDOMAIN", 8)]


async def test_an_address_nobody_looked_up_is_named_as_such() -> None:
    explanation = await explain("192.0.2.9", a_dial("192.0.2.9", 443, count=3))

    assert explanation.verdict == Verdict.UNNAMED
    assert [(a.address, a.ports, a.count) for a in explanation.unnamed] == [("192.0.2.9", (443,), 3)]


async def test_noise_is_counted_for_the_client_by_reason() -> None:
    explanation = await explain(
        "example.com",
        an_observation("example.com", qtype="TXT", answers=("v=spf1",), count=4),
        an_observation("9.0.0.10.in-addr.arpa", qtype="PTR", answers=("web",)),
        an_observation(CART),
        an_observation(CART, qtype="AAAA", answers=(), count=2),
    )

    assert explanation.verdict == Verdict.NOISE
    assert explanation.noise == (
        NoiseView("nodata-twin", 2, ()),
        NoiseView("question-type", 4, ("example.com",)),
        NoiseView("reverse", 1, ("9.0.0.10.in-addr.arpa",)),
    )


async def test_noise_of_one_client_is_not_anothers() -> None:
    noise = an_observation("example.com", qtype="TXT", answers=("v=spf1",))
    explanation = await explain("example.com", noise, client="cart")

    assert (explanation.verdict, explanation.noise) == (Verdict.CLIENT_QUIET, ())


async def test_a_workloads_calls_to_itself_are_no_edge() -> None:
    explanation = await explain("web", an_observation("web.shop.svc.cluster.local", answers=("10.96.0.3",)))

    assert explanation.verdict == Verdict.ITSELF


async def test_what_was_not_seen_offers_what_was() -> None:
    nothing_like_it = await explain("nothing", an_observation(CART), an_observation("example.com"))
    something_like_it = await explain("other/cart", an_observation(CART), an_observation("example.com"))

    assert nothing_like_it.verdict == Verdict.NOT_SEEN
    assert nothing_like_it.targets == ("example.com", "shop/cart")
    assert something_like_it.targets == ("shop/cart",)


async def test_a_client_that_is_not_there_is_told_from_one_that_is_quiet() -> None:
    assert (await explain("cart", client="stranger")).verdict == Verdict.CLIENT_UNKNOWN
    assert (await explain("cart", client="canary")).verdict == Verdict.CLIENT_QUIET


async def test_a_name_of_two_kinds_asks_which() -> None:
    twin: list[Record] = [*SHOP, a_pod("web", ips=("10.0.0.3",))]
    observations = (an_observation(CART), an_observation(CART, client_ip="10.0.0.3"))
    unclear = await explain("cart", *observations, records=twin)
    clear = await explain("cart", *observations, kind="Pod", records=twin)

    assert unclear.verdict == Verdict.CLIENT_AMBIGUOUS
    assert unclear.candidates == (WEB, a_workload(kind="Pod"))
    assert clear.verdict == Verdict.EDGE
    assert clear.client == a_workload(kind="Pod")
