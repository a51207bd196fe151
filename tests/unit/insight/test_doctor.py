"""What the doctor makes of facts: healthy, and each blind spot by itself."""

import json
from dataclasses import replace

import pytest

from grapevine.capture.counters import Reason as CaptureReason
from grapevine.insight.blind_spots import WINDOW_MS, BlindSpots, Sender, Whose
from grapevine.insight.doctor import CODES, judge
from grapevine.insight.facts import Facts, Lead
from grapevine.insight.sources import LOSSES
from grapevine.intents.kept import KeptStatus
from grapevine.model.account import Account
from grapevine.model.finding import Finding, Level
from grapevine.model.rbac import RbacRule, Refusal

NOW = 1_700_000_000_000
SENDER = Sender("n1", ("packet",), NOW, 0, {})
HEALTHY = Facts(
    now_ms=NOW,
    nodes=frozenset({"n1"}),
    pods=10,
    host_pods=1,
    senders=(SENDER,),
    lookups={("packet", Whose.POD): 100, ("packet", Whose.NODE): 5},
    addresses={Whose.POD: 10, Whose.NODE: 1},
    is_dns_known=True,
    untrusted=0,
    refused={},
    overflow={"clients-full": 0},
)
HALF_HOSTS = {("packet", Whose.NODE): 60, ("packet", Whose.POD): 40}
TOLD = Sender("", ("dnstap",), NOW, 0, {})
CACHE = "kube-system/node-local-dns"
LINK_LOCAL = "169.254.20.10"


def of(code: str, facts: Facts) -> Finding:
    (finding,) = [each for each in judge(facts) if each.check == code]
    return finding


def test_a_healthy_cluster_is_all_well_and_every_check_is_told() -> None:
    findings = judge(HEALTHY)

    assert tuple(finding.check for finding in findings) == CODES
    assert {finding.level for finding in findings} == {Level.OK}


def test_a_replica_that_follows_knows_who_leads_and_what_it_can_read_and_no_more() -> None:
    findings = judge(replace(HEALTHY, lead=Lead.ANOTHERS, senders=()))

    assert tuple(finding.check for finding in findings) == CODES
    assert {"NoLeader", "ObjectsUnread"} == {finding.check for finding in findings if finding.level is Level.OK}
    assert {Level.OK, Level.UNKNOWN} == {finding.level for finding in findings}


@pytest.mark.parametrize(
    ("code", "level", "facts"),
    [
        ("SourceSilent", Level.BLOCKER, replace(HEALTHY, senders=())),
        ("SourceSilent", Level.BLOCKER, replace(HEALTHY, senders=(replace(SENDER, heard_ms=NOW - 61_000),))),
        ("SourceSilent", Level.BLOCKER, replace(HEALTHY, senders=(replace(SENDER, sources=()),))),
        ("SourceSilent", Level.WARNING, replace(HEALTHY, nodes=frozenset({"n1", "n2"}))),
        ("NoLeader", Level.BLOCKER, replace(HEALTHY, lead=Lead.NOBODYS)),
        ("ObjectsUnread", Level.BLOCKER, replace(HEALTHY, lead=Lead.NOBODYS, refused={"Pod": Refusal("away")})),
        ("ObjectsUnread", Level.BLOCKER, replace(HEALTHY, refused={"Pod": Refusal("403")})),
        ("ClientIPMasked", Level.WARNING, replace(HEALTHY, lookups={("dnstap", Whose.NODE): 100})),
        ("ClientsUnmapped", Level.WARNING, replace(HEALTHY, addresses={Whose.POD: 5, Whose.NOBODY: 5})),
        ("ClientsUnmapped", Level.UNKNOWN, replace(HEALTHY, addresses={})),
        ("HostNetwork", Level.WARNING, replace(HEALTHY, lookups=HALF_HOSTS)),
        ("ResolverUnknown", Level.WARNING, replace(HEALTHY, is_dns_known=False)),
        ("ResolverUnknown", Level.WARNING, replace(HEALTHY, untrusted=50)),
        ("ClusterDomain", Level.WARNING, replace(HEALTHY, zones={"k8s.example": 1})),
        ("ClockSkew", Level.WARNING, replace(HEALTHY, senders=(replace(SENDER, ahead_ms=-6_000),))),
        ("Losses", Level.NOTE, replace(HEALTHY, senders=(replace(SENDER, counters={"kernel-drops": 3}),))),
        ("Losses", Level.NOTE, replace(HEALTHY, overflow={"clients-full": 1})),
        ("OwnersUnread", Level.NOTE, replace(HEALTHY, unread_owners={"Rollout.argoproj.io": 2})),
        ("OwnersUnread", Level.WARNING, replace(HEALTHY, refused_owners={"argoproj.io/v1/Rollout": Refusal("404")})),
        ("WritesRefused", Level.WARNING, replace(HEALTHY, refused_writes=(3, "403"))),
        ("StatusNotKept", Level.WARNING, replace(HEALTHY, kept=KeptStatus(lacking=("summary.dead",)))),
        ("StatusNotKept", Level.WARNING, replace(HEALTHY, kept=KeptStatus(lacking=("conditions", "observed")))),
        ("StatusNotKept", Level.UNKNOWN, replace(HEALTHY, schema_unread="403")),
        ("ClientIPMasked", Level.WARNING, replace(HEALTHY, senders=(TOLD,), dns_caches=(CACHE,))),
        ("ClientIPMasked", Level.WARNING, replace(HEALTHY, senders=(TOLD,), node_resolvers=frozenset({LINK_LOCAL}))),
        ("Unaccounted", Level.WARNING, replace(HEALTHY, accounts={"lookups": Account(3, 0, {"edge": 2})})),
    ],
)  # fmt: skip
def test_a_blind_spot_says_what_it_means_and_what_to_do(code: str, level: Level, facts: Facts) -> None:
    finding = of(code, facts)

    assert finding.level == level
    assert level == Level.UNKNOWN or (finding.means and finding.remedy)


@pytest.mark.parametrize(
    ("code", "facts"),
    [
        ("SourceSilent", replace(HEALTHY, nodes=frozenset({"n1", "n2"}), senders=(TOLD,))),
        ("ClientIPMasked", replace(HEALTHY, pods=0, lookups={("packet", Whose.NODE): 100})),
        ("ClientIPMasked", replace(HEALTHY, lookups={("dnstap", Whose.NODE): 19})),
        ("ClockSkew", replace(HEALTHY, senders=(replace(SENDER, ahead_ms=5_000),))),
        ("ClockSkew", replace(HEALTHY, senders=(replace(SENDER, sources=("pcap",), ahead_ms=-86_400_000),))),
        ("ResolverUnknown", replace(HEALTHY, untrusted=20)),
        ("ClusterDomain", replace(HEALTHY, zones={"k8s.example": 9, "": 1})),
        ("ClientIPMasked", replace(HEALTHY, dns_caches=(CACHE,))),
        ("ClientIPMasked", replace(HEALTHY, senders=(replace(TOLD, heard_ms=NOW - 61_000),), dns_caches=(CACHE,))),
        ("Unaccounted", replace(HEALTHY, accounts={"lookups": Account(3, 2, {"edge": 2, "reverse": 3})})),
    ],
)  # fmt: skip
def test_what_is_as_it_must_be_is_no_finding(code: str, facts: Facts) -> None:
    assert of(code, facts).level == Level.OK


def test_the_nodes_not_heard_are_named_up_to_five() -> None:
    finding = of("SourceSilent", replace(HEALTHY, nodes=frozenset(f"n{n}" for n in range(1, 9))))

    assert finding.found == "7 of 8 nodes are not heard: n2, n3, n4, n5, n6 and 2 more"


def test_look_ups_are_counted_by_source_and_forgotten_after_two_windows() -> None:
    spots = BlindSpots()
    spots.note_lookup("10.0.0.1", "packet", Whose.POD, 3, NOW)
    spots.note_lookup("10.0.0.1", "packet", Whose.POD, 1, NOW + 1)
    spots.note_lookup("192.0.2.1", "dnstap", Whose.NODE, 2, NOW + WINDOW_MS)

    assert spots.lookups() == {("packet", Whose.POD): 4, ("dnstap", Whose.NODE): 2}
    assert spots.addresses() == {Whose.POD: 1, Whose.NODE: 1}

    spots.note_lookup("192.0.2.1", "dnstap", Whose.NODE, 2, NOW + 2 * WINDOW_MS)
    assert spots.lookups() == {("dnstap", Whose.NODE): 4}
    assert spots.addresses() == {Whose.NODE: 1}


def test_of_a_node_the_newest_process_counts() -> None:
    spots = BlindSpots()
    spots.note_sender("a", SENDER)
    spots.note_sender("b", replace(SENDER, heard_ms=NOW + 1))

    assert [sender.heard_ms for sender in spots.senders()] == [NOW + 1]


def test_sources_made_up_by_a_sender_are_one() -> None:
    spots = BlindSpots()
    for number in range(100):
        spots.note_lookup("10.0.0.1", f"made-up-{number}", Whose.POD, 1, NOW)

    assert spots.lookups() == {("other", Whose.POD): 100}


def test_a_missing_right_is_named_with_the_command_that_restores_it() -> None:
    rules = (RbacRule("", "pods", ("list", "watch")), RbacRule("apps", "deployments", ("list", "watch")))
    finding = of("ObjectsUnread", replace(HEALTHY, refused={r.resource: Refusal("403", r) for r in rules}))
    prefix = "kubectl apply -k deploy/, or: kubectl patch clusterrole grapevine-operator --type=json -p '"

    assert finding.remedy.startswith(prefix)
    assert [
        {
            "op": "add",
            "path": "/rules/-",
            "value": {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        },
        {
            "op": "add",
            "path": "/rules/-",
            "value": {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list", "watch"]},
        },
    ] == json.loads(finding.remedy.removeprefix(prefix).removesuffix("'"))


def test_a_server_that_is_away_is_no_missing_right() -> None:
    finding = of("ObjectsUnread", replace(HEALTHY, refused={"Pod": Refusal("no answer in time")}))

    assert "kubectl patch" not in finding.remedy


def test_the_cache_between_is_named_with_the_sources_that_hear_it_instead_of_the_pods() -> None:
    finding = of("ClientIPMasked", replace(HEALTHY, senders=(TOLD,), dns_caches=(CACHE,)))

    assert finding.found == f"NodeLocal DNSCache ({CACHE}) asks for the pods, and only dnstap is heard"


def test_every_reason_of_the_account_is_told_the_edges_first() -> None:
    booked = {"reverse": 5, "edge": 2, "host-network": 1}
    finding = of("Unaccounted", replace(HEALTHY, accounts={"lookups": Account(8, 0, booked)}))

    assert finding.found == "8 lookups: edge 2, reverse 5, host-network 1"


def test_every_loss_that_capture_counts_is_a_loss_of_the_doctors() -> None:
    may_count_twice = {CaptureReason.FOLD_EARLY}

    assert {r.value for r in set(CaptureReason) - may_count_twice if r.kind == "loss"} == set(LOSSES)


def test_link_local_resolvers_are_remembered_for_two_windows() -> None:
    spots = BlindSpots()
    for address in (LINK_LOCAL, "10.96.0.10"):
        spots.note_resolver(address)
    spots.note_lookup("10.0.0.1", "packet", Whose.POD, 1, NOW)
    spots.note_lookup("10.0.0.1", "packet", Whose.POD, 1, NOW + WINDOW_MS)
    assert spots.node_resolvers() == {LINK_LOCAL}

    spots.note_lookup("10.0.0.1", "packet", Whose.POD, 1, NOW + 2 * WINDOW_MS)
    assert spots.node_resolvers() == set()


def test_unread_owners_are_counted_by_kind_and_a_missing_right_is_a_patch() -> None:
    rule = RbacRule("argoproj.io", "rollouts", ("list", "watch"))
    unread = {"Rollout.argoproj.io": 2, "Widget.example.com": 1}
    noted = of("OwnersUnread", replace(HEALTHY, unread_owners=unread))
    refused = of("OwnersUnread", replace(HEALTHY, refused_owners={"argoproj.io/v1/Rollout": Refusal("403", rule)}))

    assert (
        noted.found == "workloads are named 2 by a Rollout.argoproj.io, 1 by a Widget.example.com, which was not read"
    )
    _, _, patch = refused.remedy.partition("-p ")
    assert json.loads(patch.strip("'")) == [
        {
            "op": "add",
            "path": "/rules/-",
            "value": {"apiGroups": ["argoproj.io"], "resources": ["rollouts"], "verbs": ["list", "watch"]},
        }
    ]
