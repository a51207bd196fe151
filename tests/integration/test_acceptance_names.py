"""Names and what they become, on real parts: capture and operator as processes, a real API server.

Each test is named after its scenario: A… of the acceptance list, S… of the ClientIntents scenarios. Every one has a
client pod of its own, so that they share the two processes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.support import packets as p
from tests.support import town as t
from tests.support.api import Api, Object
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.coredns import CoreDns
from tests.support.eventually import eventually
from tests.support.objects import install_crd, load_cluster
from tests.support.processes import Operator, run_grapevine, start_capture

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

INTENTS = "k8s.otterize.com/v2beta1"
CART, CART_IP = "10.244.1.1", "10.96.1.1"
LEDGER, LEDGER_IP = "10.244.1.2", "10.96.1.2"
REDIS, REDIS_V6 = "10.244.1.3", "fd00:244:1::3"
PAY, PAY_CANARY, PAY_IP = "10.244.1.4", "10.244.1.5", "10.96.1.4"
OUTSIDE = "203.0.113.7"


def cluster() -> list[Object]:
    """Return a Service of every kind, and the workloads behind them."""
    redis = t.pod("redis-0", REDIS, REDIS_V6, owner=("StatefulSet", "redis"))
    redis["spec"]["hostname"] = "redis-0"
    cart, ledger = t.workload("cart", CART), t.workload("ledger", LEDGER, namespace="bank")
    pay, canary = t.workload("pay", PAY), t.workload("pay-canary", PAY_CANARY)
    return [
        *map(t.namespace, ("town", "bank")),
        *t.dns_server(),
        *cart,
        t.service("cart", CART_IP),
        t.endpoints("cart", cart[-1]),
        *ledger,
        t.service("ledger", LEDGER_IP, namespace="bank"),
        t.endpoints("ledger", ledger[-1], namespace="bank"),
        *t.deployment("redis", kind="StatefulSet"),
        redis,
        t.service("redis"),
        t.endpoints("redis", redis),
        *pay,
        *canary,
        t.service("pay", PAY_IP),
        t.endpoints("pay", pay[-1]),
        t.endpoints("pay", canary[-1], number=2),
        t.service("pay-pods"),
        t.endpoints("pay-pods", pay[-1], canary[-1]),
        t.service("by-hand", "10.96.1.6"),
        t.endpoints("by-hand", bare=[CART]),
        t.service("far", "10.96.1.7"),
        t.endpoints("far", bare=[OUTSIDE]),
        t.external_name("alias", "second.town.svc.cluster.local"),
        t.external_name("second", "ledger.bank.svc.cluster.local"),
        t.external_name("mail", "smtp.example.com"),
    ]


@dataclass(frozen=True, slots=True)
class Town:
    """The running parts."""

    api: Api
    operator: Operator
    directory: Path

    def client(self, name: str, *ips: str) -> str:
        """Make a Deployment with one pod, and return the pod's first address."""
        load_cluster(self.api, t.workload(name, *ips), without=())
        return ips[0]

    def hear(self, *packets: bytes) -> None:
        """Let capture tell the operator of these packets, until all of it is durable."""
        number = len(list(self.directory.glob("*.pcap")))
        pcap = self.directory / f"{number}.pcap"
        pcap.write_bytes(t.capture_of(packets))
        capture = start_capture(pcap, self.operator.url)
        output, _ = capture.communicate(timeout=120)
        assert capture.returncode == 0, output

    def intents(self, name: str, namespace: str = "town") -> Object:
        """Return the object of a client."""
        return self.api.get(INTENTS, "ClientIntents", namespace, name)

    def targets(self, name: str) -> list[Object]:
        """Return the targets of a client of `town`."""
        targets: list[Object] = self.intents(name)["spec"]["targets"]
        return targets

    def unresolved(self, reason: str) -> float:
        """Return how many look-ups became no edge for a reason."""
        return self.operator.metrics().get(f'grapevine_lookups_unresolved_total{{reason="{reason}"}}', 0)

    def explain(self, client: str, target: str) -> str:
        """Return what `grapevine explain` says."""
        return run_grapevine("explain", "-n", "town", client, target, f"--operator={self.operator.api_url}").stdout


@pytest.fixture(scope="module")
def town(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """An API server with the cluster, and an operator that follows it."""
    directory = tmp_path_factory.mktemp("town")
    with ControlPlane(directory, control_plane_binaries) as plane, plane.api() as api:
        install_crd(api)
        load_cluster(api, cluster(), without=())
        with Operator(plane.kubeconfig(), directory / "operator.log", park_ms="2000") as operator:
            yield Town(api, operator, directory)


@pytest.fixture
def client(town: Town, request: pytest.FixtureRequest, _numbers: Iterator[int]) -> tuple[str, str]:
    """Name and address of a client pod for this test alone."""
    number = next(_numbers)
    name = f"client-{number}"
    return name, town.client(name, f"10.244.2.{number}", f"fd00:244:2::{number}")


@pytest.fixture(scope="module")
def _numbers() -> Iterator[int]:
    return count(1)


def kubernetes(name: str, kind: str = "Deployment") -> Object:
    return {"kubernetes": {"name": name, "kind": kind}}


def internet(domain: str) -> Object:
    return {"internet": {"domains": [domain]}}


def test_a1_the_tutorials_two_clients_and_the_sites_they_call(town: Town) -> None:
    one, two = town.client("client", "10.244.3.1"), town.client("client2", "10.244.3.2")
    town.client("server", "10.244.3.3")
    server = t.pod("server-1-a", "10.244.3.3", owner=("ReplicaSet", "server-1"))
    load_cluster(town.api, [t.service("server", "10.96.3.3"), t.endpoints("server", server)])

    town.hear(
        t.answer(one, "server.town.svc.cluster.local", "10.96.3.3"),
        t.answer(one, "example.com", "198.51.100.7"),
        t.answer(two, "server.town.svc.cluster.local", "10.96.3.3"),
        t.answer(two, "www.example.org", "198.51.100.8"),
    )

    assert town.targets("client") == [kubernetes("server"), internet("example.com")]
    assert town.targets("client2") == [kubernetes("server"), internet("www.example.org")]


def test_a4_a_server_of_another_namespace_is_named_with_it(town: Town, client: tuple[str, str]) -> None:
    name, ip = client

    town.hear(t.answer(ip, "ledger.bank.svc.cluster.local", LEDGER_IP))

    assert town.targets(name) == [kubernetes("ledger.bank")]


FORMS: list[tuple[str, int, tuple[str, ...], Object]] = [
    ("cart.town.svc.cluster.local", p.A, (CART_IP,), kubernetes("cart")),
    ("CART.Town.Svc.Cluster.Local", p.A, (CART_IP,), kubernetes("cart")),
    ("redis.town.svc.cluster.local", p.A, (REDIS,), kubernetes("redis", "StatefulSet")),
    ("redis-0.redis.town.svc.cluster.local", p.A, (REDIS,), kubernetes("redis", "StatefulSet")),
    ("_http._tcp.cart.town.svc.cluster.local", p.SRV, ("cart.town.svc.cluster.local",), kubernetes("cart")),
    ("10-244-1-3.redis.town.svc.cluster.local", p.A, (REDIS,), kubernetes("redis", "StatefulSet")),
    ("fd00-244-1--3.redis.town.svc.cluster.local", p.AAAA, (REDIS_V6,), kubernetes("redis", "StatefulSet")),
    ("10-244-1-1.town.pod.cluster.local", p.A, (CART,), kubernetes("cart")),
    ("fd00-244-1--3.town.pod.cluster.local", p.AAAA, (REDIS_V6,), kubernetes("redis", "StatefulSet")),
    ("kubernetes.default.svc.cluster.local", p.A, ("10.96.0.1",), {"service": {"name": "kubernetes.default"}}),
    ("alias.town.svc.cluster.local", p.A, (LEDGER_IP,), kubernetes("ledger.bank")),
    ("mail.town.svc.cluster.local", p.A, (OUTSIDE,), internet("smtp.example.com")),
    ("by-hand.town.svc.cluster.local", p.A, ("10.96.1.6",), kubernetes("cart")),
    ("far.town.svc.cluster.local", p.A, ("10.96.1.7",), {"service": {"name": "far"}}),
    ("pay.town.svc.cluster.local", p.A, (PAY_IP,), {"service": {"name": "pay"}}),
    ("cart.town.svc.clusterset.local", p.A, ("10.97.0.1",), {"service": {"name": "cart"}}),
    ("there.town.svc.clusterset.local", p.A, ("10.97.0.2",), internet("there.town.svc.clusterset.local")),
    ("xn--bcher-kva.example", p.A, (OUTSIDE,), internet("xn--bcher-kva.example")),
    ("api.example.com", p.A, (OUTSIDE,), internet("api.example.com")),
]


def test_a5_every_form_of_a_name(town: Town) -> None:
    clients = {name: f"form-{n}" for n, (name, *_) in enumerate(FORMS)}
    ips = {name: town.client(clients[name], f"10.244.4.{n + 1}") for n, (name, *_) in enumerate(FORMS)}

    town.hear(*(t.answer(ips[name], name, *answers, qtype=qtype) for name, qtype, answers, _ in FORMS))

    found = {name: town.targets(clients[name]) for name in clients}
    assert found == {name: [target] for name, *_, target in FORMS}


def test_a6_a_chain_of_three_aliases_is_the_name_that_was_asked_for(town: Town, client: tuple[str, str]) -> None:
    name, ip = client
    chain = ("www.example.net.edge.example", "e1.example-cdn.net", "a7.dscx.example-cdn.net")

    town.hear(t.answer(ip, "www.example.net", OUTSIDE, cnames=chain))

    assert town.targets(name) == [internet("www.example.net")]


def test_a7_a_walk_through_the_search_list_is_one_edge_and_its_counters(
    town: Town, client: tuple[str, str], coredns_binary: Path, tmp_path: Path
) -> None:
    name, ip = client
    zone = tmp_path / "db.root"
    zone.write_text(
        ". 60 IN SOA ns. admin. 1 60 60 60 60\n"
        f"cart.town.svc.cluster.local. 60 IN A {CART_IP}\n"
        f"api.example.com. 60 IN A {OUTSIDE}\n"
    )
    suffixes = ("town.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example")
    asked = ["cart.town.svc.cluster.local"]  # of `cart`, ndots:5
    asked += [f"api.example.com.{suffix}" for suffix in suffixes] + ["api.example.com"]
    asked += [f"nowhere.example.{suffix}" for suffix in suffixes] + ["nowhere.example"]
    with CoreDns(coredns_binary, tmp_path, f"file {zone} .") as server:
        town.hear(*(t.datagram(ip, server.ask(each, qtype)) for each in asked for qtype in (p.A, p.AAAA)))

    assert town.targets(name) == [kubernetes("cart"), internet("api.example.com")]
    dead = [item["names"] for item in town.intents(name)["status"]["observed"] if item["state"] == "dead"]
    assert dead == [["nowhere.example"]]
    said = town.explain(name, "api.example.com")
    assert "search-list" in said
    assert "nodata-twin" in said


def test_a7_a_wildcard_in_the_search_list_is_no_edge(town: Town, client: tuple[str, str]) -> None:
    name, ip = client
    wildcard = "198.51.100.80"

    town.hear(
        t.answer(ip, "api.example.com.corp.example", wildcard),
        t.answer(ip, "cart.town.svc.cluster.local.corp.example", wildcard),
        t.answer(ip, "db.corp.example", "198.51.100.9"),
        t.answer(ip, "metadata.google.internal", "169.254.169.254"),
        t.syn(ip, "169.254.169.254"),
    )

    assert town.targets(name) == [internet("db.corp.example")]
    said = town.explain(name, "api.example.com.corp.example")
    assert "it was asked for, and is counted as wildcard-search" in said
    assert "wildcard-search            2" in said
    assert "cloud-metadata             2" in said


def test_an_annotated_pod_is_left_out_as_a_client_and_stays_a_target(town: Town, client: tuple[str, str]) -> None:
    name, ip = client
    hidden = t.workload("hidden", "10.244.7.1")
    hidden[-1]["metadata"]["annotations"] = {"grapevine.dev/ignore": "true"}
    load_cluster(town.api, [*hidden, t.service("hidden", "10.96.7.1"), t.endpoints("hidden", hidden[-1])], without=())

    town.hear(
        t.answer("10.244.7.1", "api.example.com", OUTSIDE),
        t.answer(ip, "hidden.town.svc.cluster.local", "10.96.7.1"),
    )

    assert town.targets(name) == [kubernetes("hidden")]
    assert town.unresolved("excluded") == 1
    assert "hidden" not in {i["metadata"]["name"] for i in _all(town)}


def test_a8_ipv6_both_ways_tcp_and_an_answer_that_was_cut_short(town: Town, client: tuple[str, str]) -> None:
    name, ip = client
    six = ip.replace("10.244.2.", "fd00:244:2::")
    message = p.dns_response("redis.town.svc.cluster.local", p.AAAA, [p.a_record(REDIS_V6)])
    whole = p.dns_response("big.example.com", records=[p.a_record(OUTSIDE)])
    cut = p.dns_response("big.example.com", flags=0x8380)

    town.hear(
        t.datagram(six, message, server=t.DNS_POD_V6),
        t.segment(six, p.dns_response("six.example.com", records=[p.a_record(OUTSIDE)]), server=t.DNS_POD_V6),
        t.datagram(ip, cut),
        t.segment(ip, whole),
    )

    assert town.targets(name) == [
        kubernetes("redis", "StatefulSet"),
        internet("big.example.com"),
        internet("six.example.com"),
    ]
    observed = town.intents(name)["status"]["observed"]
    assert [item["count"] for item in observed] == [1, 1, 1]


def test_a12_an_answer_forged_by_a_pod_is_no_edge_and_counted(town: Town, client: tuple[str, str]) -> None:
    name, ip = client
    before = town.unresolved("untrusted-resolver")

    town.hear(
        t.answer(ip, "ledger.bank.svc.cluster.local", LEDGER_IP, server=t.STRANGER),
        t.answer(ip, "cart.town.svc.clusterset.local", "10.97.0.1", server=t.STRANGER),
        t.answer(ip, "cart.town.svc.cluster.local", CART_IP),
    )

    assert town.targets(name) == [kubernetes("cart")]
    assert town.unresolved("untrusted-resolver") - before == 2


def test_a18_a_canary_is_the_service_and_both_workloads_with_their_share(town: Town, client: tuple[str, str]) -> None:
    name, ip = client

    town.hear(
        t.answer(ip, "pay.town.svc.cluster.local", PAY_IP),
        t.answer(ip, "pay-pods.town.svc.cluster.local", PAY, PAY_CANARY),
        *(t.syn(ip, PAY, 8080, number=n) for n in range(3)),
        t.syn(ip, PAY_CANARY, 8080, number=3),
    )

    assert town.targets(name) == [
        kubernetes("pay"),
        kubernetes("pay-canary"),
        {"service": {"name": "pay"}},
        {"service": {"name": "pay-pods"}},
    ]
    observed = town.intents(name)["status"]["observed"]
    owners = {item["target"]["service"]["name"]: _shares(item) for item in observed if "service" in item["target"]}
    assert owners == {"pay": {"pay": 75, "pay-canary": 25}, "pay-pods": {"pay": 75, "pay-canary": 25}}
    assert "behind it   town/pay-canary (Deployment), 1 pods, 25 % of what was seen" in town.explain(name, "pay")


def _shares(item: dict[str, Any]) -> dict[str, int]:
    return {owner["name"]: owner["share"] for owner in item["owners"]}


def test_s6_every_owner_gives_its_workload(town: Town) -> None:
    annotated = {"intents.otterize.com/workload-name": "by-annotation"}
    pods = [
        t.pod("bare.pod", "10.244.5.1"),
        t.pod("rollout-1", "10.244.5.2", owner=("Rollout", "canary")),
        t.pod("shard-0", "10.244.5.3", owner=("StatefulSet", "shard")),
        t.pod("agent-x", "10.244.5.4", owner=("DaemonSet", "agent")),
        t.pod("noted-0", "10.244.5.5", owner=("StatefulSet", "shard"), annotations=annotated),
        t.pod("orphan-x", "10.244.5.6", owner=("ReplicaSet", "gone-1")),
    ]
    owners = [*t.deployment("shard", kind="StatefulSet"), *t.deployment("agent", kind="DaemonSet")]
    load_cluster(town.api, [*owners, *pods], without=())

    town.hear(*(t.answer(pod["status"]["podIP"], "api.example.com", OUTSIDE) for pod in pods))

    found = {(i["spec"]["workload"].get("kind", ""), i["spec"]["workload"]["name"]) for i in _all(town)}
    assert found >= {
        ("Pod", "bare_pod"),
        ("Rollout", "canary"),
        ("StatefulSet", "shard"),
        ("DaemonSet", "agent"),
        ("", "by-annotation"),
        ("ReplicaSet", "gone-1"),
    }


def _all(town: Town) -> list[Object]:
    return town.api.list(INTENTS, "ClientIntents", "town")


def test_s6_an_annotation_that_changes_acts_within_seconds(town: Town) -> None:
    made = t.pod("moves-0", "10.244.5.9", owner=("StatefulSet", "moves"))
    load_cluster(town.api, [*t.deployment("moves", kind="StatefulSet"), made], without=())
    town.hear(t.answer("10.244.5.9", "one.example.com", OUTSIDE))
    stored = town.api.get("v1", "Pod", "town", "moves-0")
    stored["metadata"]["annotations"] = {"intents.otterize.com/workload-name": "renamed"}
    town.api.request("PUT", town.api.path_of(stored), stored)

    numbers = count(1)

    def is_renamed() -> bool:
        town.hear(t.answer("10.244.5.9", f"two-{next(numbers)}.example.com", OUTSIDE))
        return "renamed" in {i["spec"]["workload"]["name"] for i in _all(town)}

    eventually(is_renamed, timeout_s=30)
    assert town.targets("moves") == [internet("one.example.com")]


def test_s7_workloads_of_one_name_and_names_that_run_together_never_meet(town: Town) -> None:
    homes = [*map(t.namespace, ("a-b", "a"))]
    pods = [
        t.pod("foo-0", "10.244.6.1", owner=("StatefulSet", "foo")),
        t.pod("foo-1-a", "10.244.6.2", owner=("ReplicaSet", "foo-1")),
        t.pod("c-1-a", "10.244.6.3", namespace="a-b", owner=("ReplicaSet", "c-1")),
        t.pod("b-c-1-a", "10.244.6.4", namespace="a", owner=("ReplicaSet", "b-c-1")),
    ]
    owners = [
        *t.deployment("foo", kind="StatefulSet"),
        *t.deployment("foo"),
        *t.deployment("c", "a-b"),
        *t.deployment("b-c", "a"),
    ]
    load_cluster(town.api, [*homes, *owners, *pods], without=())

    town.hear(*(t.answer(pod["status"]["podIP"], f"d{n}.example.com", OUTSIDE) for n, pod in enumerate(pods)))

    everything = [i for each in ("town", "a-b", "a") for i in town.api.list(INTENTS, "ClientIntents", each)]
    found = {
        (i["metadata"]["namespace"], i["spec"]["workload"].get("kind"), i["spec"]["workload"]["name"]): [
            domain for target in i["spec"]["targets"] for domain in target["internet"]["domains"]
        ]
        for i in everything
        if i["spec"]["workload"]["name"] in ("foo", "c", "b-c")
    }
    assert found == {
        ("town", "StatefulSet", "foo"): ["d0.example.com"],
        ("town", "Deployment", "foo"): ["d1.example.com"],
        ("a-b", "Deployment", "c"): ["d2.example.com"],
        ("a", "Deployment", "b-c"): ["d3.example.com"],
    }
