"""What the doctor makes of facts: healthy, and each blind spot by itself."""

from dataclasses import replace

import pytest

from grapevine.insight.blind_spots import WINDOW_MS, BlindSpots, Sender, Whose
from grapevine.insight.doctor import CODES, Facts, judge
from grapevine.model.finding import Finding, Level

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


def of(code: str, facts: Facts) -> Finding:
    (finding,) = [each for each in judge(facts) if each.check == code]
    return finding


def test_a_healthy_cluster_is_all_well_and_every_check_is_told() -> None:
    findings = judge(HEALTHY)

    assert tuple(finding.check for finding in findings) == CODES
    assert {finding.level for finding in findings} == {Level.OK}


@pytest.mark.parametrize(
    ("code", "level", "facts"),
    [
        ("SourceSilent", Level.BLOCKER, replace(HEALTHY, senders=())),
        ("SourceSilent", Level.BLOCKER, replace(HEALTHY, senders=(replace(SENDER, heard_ms=NOW - 61_000),))),
        ("SourceSilent", Level.BLOCKER, replace(HEALTHY, senders=(replace(SENDER, sources=()),))),
        ("SourceSilent", Level.WARNING, replace(HEALTHY, nodes=frozenset({"n1", "n2"}))),
        ("ObjectsUnread", Level.BLOCKER, replace(HEALTHY, refused={"Pod": "403"})),
        ("ClientIPMasked", Level.WARNING, replace(HEALTHY, lookups={("dnstap", Whose.NODE): 100})),
        ("ClientsUnmapped", Level.WARNING, replace(HEALTHY, addresses={Whose.POD: 5, Whose.NOBODY: 5})),
        ("ClientsUnmapped", Level.UNKNOWN, replace(HEALTHY, addresses={})),
        ("HostNetwork", Level.WARNING, replace(HEALTHY, lookups=HALF_HOSTS)),
        ("ResolverUnknown", Level.WARNING, replace(HEALTHY, is_dns_known=False)),
        ("ResolverUnknown", Level.WARNING, replace(HEALTHY, untrusted=50)),
        ("ClockSkew", Level.WARNING, replace(HEALTHY, senders=(replace(SENDER, ahead_ms=-6_000),))),
        ("Losses", Level.NOTE, replace(HEALTHY, senders=(replace(SENDER, counters={"kernel-drops": 3}),))),
        ("Losses", Level.NOTE, replace(HEALTHY, overflow={"clients-full": 1})),
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
