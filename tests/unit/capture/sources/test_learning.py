"""What is left out on nodes of several kinds, told by the copies they show; interfaces are numbered as they come."""

from collections.abc import Iterable

import pytest
from tests.support import packets as p

from grapevine.capture.sources.bpf import MAX_HOST_ADDRESSES, MAX_SLOTS, Slot, Wanted
from grapevine.capture.sources.learning import (
    GENERATION_MS,
    LEARN_S,
    MAX_NOTED,
    MIN_FRAMES,
    MIN_PACKETS,
    PERIOD_S,
    SETTLE_S,
    SILENCE_S,
    Learning,
    Notes,
)

IPV4, IPV6 = 0x0800, 0x86DD
UPLINK, BRIDGE, DNS, POD, OTHER_POD = 2, 3, 4, 5, 6
BRIDGED = (Slot(DNS, p.OTHERHOST), Slot(POD, p.OUTGOING))
"""Response of a DNS pod to a pod on the same bridge."""
FROM_AFAR = (Slot(UPLINK, p.HOST), Slot(BRIDGE, p.OUTGOING), Slot(POD, p.OUTGOING))
REDIRECTED = (Slot(UPLINK, p.HOST),)
"""An eBPF data plane hands it to the pod behind the taps."""
ASKED = (Slot(POD, p.OTHERHOST), Slot(BRIDGE, p.HOST), Slot(BRIDGE, p.OUTGOING), Slot(DNS, p.OUTGOING))
"""Query, or SYN, of a pod: before NAT twice, after it twice."""
NODE = "192.0.2.1"


def response(number: int, client: str = p.CLIENT, v6: bool = False) -> bytes:
    datagram = p.udp(p.dns_response(transaction_id=number << 3 & 0xFFFF), dst_port=40_000 + (number >> 13))
    return p.ipv6(datagram) if v6 else p.ipv4(datagram, dst=client)


def query(number: int, client: str = p.CLIENT) -> bytes:
    message = p.dns_response(transaction_id=number << 3 & 0xFFFF, flags=0x0100)
    return p.ipv4(p.udp(message, src_port=40_000, dst_port=53), src=client, dst=p.RESOLVER)


def opening(number: int, client: str = p.CLIENT) -> bytes:
    return p.ipv4(p.tcp(b"", seq=number << 3, flags=p.SYN, src_port=40_000, dst_port=443), src=client, proto=6)


def show(notes: Notes, packets: Iterable[tuple[bytes, Iterable[Slot]]], start_ms: int = 0) -> None:
    """Show packets and their copies, one packet a millisecond, and let their generations end.

    What comes first is not learned from, for it may have begun before; so it is a packet of its own.
    """
    before = p.ipv4(p.udp(p.dns_response(transaction_id=0), dst_port=1))
    time_ms = start_ms
    watch(notes, before, (Slot(99, p.HOST),), time_ms)
    time_ms += GENERATION_MS
    for packet, copies in packets:
        time_ms += 1
        watch(notes, packet, copies, time_ms)
    complete(notes, time_ms)


def complete(notes: Notes, time_ms: int) -> None:
    """Let the generations up to this time end."""
    for turn in range(1, 4):
        notes.watch(b"", 0, 0, IPV4, p.HOST, time_ms + turn * GENERATION_MS, 1)


def watch(notes: Notes, packet: bytes, copies: Iterable[Slot], time_ms: int) -> None:
    ethertype = IPV4 if packet[0] >> 4 == 4 else IPV6
    for slot in copies:
        notes.watch(b"xx" + packet + b"x", 2, 2 + len(packet), ethertype, slot.direction, time_ms, slot.interface)


def learned(packets: Iterable[tuple[bytes, Iterable[Slot]]], hosts: Iterable[str] = (), lost: int = 0) -> Notes:
    notes = Notes([bytes(map(int, host.split("."))) for host in hosts])
    notes.lost = lost
    show(notes, packets)
    return notes


def test_keeps_the_copy_of_a_response_that_goes_out_to_the_client() -> None:
    notes = learned((response(i), (BRIDGED, FROM_AFAR)[i % 2]) for i in range(400))
    assert set(notes.left_out("response")) == {
        Slot(DNS, p.OTHERHOST),
        Slot(UPLINK, p.HOST),
        Slot(BRIDGE, p.OUTGOING),
    }


def test_keeps_what_an_ebpf_data_plane_shows() -> None:
    assert learned((response(i), REDIRECTED) for i in range(400)).left_out("response") == ()


def test_one_client_that_is_reached_another_way_keeps_its_slot() -> None:
    packets = [(response(i), REDIRECTED if i == 250 else FROM_AFAR) for i in range(400)]
    assert learned(packets).left_out("response") == (Slot(BRIDGE, p.OUTGOING),)


def test_the_node_as_a_client_keeps_no_slot_for_the_filter_passes_its_own() -> None:
    to_node = [(response(i, NODE), (Slot(DNS, p.OTHERHOST), Slot(BRIDGE, p.HOST))) for i in range(1_000, 1_200)]
    to_pods = [(response(i), BRIDGED) for i in range(400)]
    assert learned(to_pods + to_node, hosts=[NODE]).left_out("response") == (Slot(DNS, p.OTHERHOST),)
    assert learned(to_pods + to_node).left_out("response") == (Slot(DNS, p.OTHERHOST),)
    local = [(response(i, NODE), (Slot(DNS, p.OTHERHOST),)) for i in range(1_000, 1_200)]
    assert learned(to_pods + local).left_out("response") == ()


def test_keeps_one_copy_of_a_query() -> None:
    others = tuple(Slot(OTHER_POD, p.OTHERHOST) if slot.interface == POD else slot for slot in ASKED)
    notes = learned((query(i), (ASKED, others)[i % 2]) for i in range(400))
    left_out = set(notes.left_out("query"))
    assert left_out == {Slot(BRIDGE, p.HOST), Slot(BRIDGE, p.OUTGOING), Slot(DNS, p.OUTGOING)}
    for copies in (ASKED, others):
        assert len(set(copies) - left_out) == 1


def test_keeps_the_copy_of_an_opening_that_has_the_address_dialled() -> None:
    notes = learned((opening(i), ASKED) for i in range(400))
    assert set(notes.left_out("opening")) == set(ASKED[1:])


def test_kinds_are_learned_apart() -> None:
    notes = learned((response(i), BRIDGED) for i in range(400))
    assert [notes.count(kind) for kind in ("response", "query", "opening")] == [400, 0, 0]
    assert notes.left_out("query") == ()
    assert notes.left_out("opening") == ()


def test_ipv6_is_learned_from_too() -> None:
    assert learned((response(i, v6=True), BRIDGED) for i in range(400)).left_out("response") == (
        Slot(DNS, p.OTHERHOST),
    )


def test_few_packets_teach_nothing() -> None:
    assert learned((response(i), BRIDGED) for i in range(MIN_PACKETS - 1)).left_out("response") == ()


def test_a_slot_that_saves_little_is_not_left_out() -> None:
    rare = (Slot(OTHER_POD, p.OTHERHOST), Slot(POD, p.OUTGOING))
    packets = [(response(i), rare if i < 5 else BRIDGED) for i in range(400)]
    assert learned(packets).left_out("response") == (Slot(DNS, p.OTHERHOST),)


@pytest.mark.parametrize(
    ("lost", "cut", "learns"),
    [(0, 1, False), (10, 4, True), (10, 5, False), (10_000, 20, True), (10_000, 21, False)],
)
def test_as_many_may_contradict_as_the_kernel_lost_up_to_a_bound(lost: int, cut: int, learns: bool) -> None:
    packets = [(response(i), BRIDGED[:1] if i < cut else BRIDGED) for i in range(400)]
    expected = (Slot(DNS, p.OTHERHOST),) if learns else ()
    assert learned(packets, lost=lost).left_out("response") == expected


def test_what_may_have_begun_before_is_not_learned_from() -> None:
    notes = Notes(())
    for i in range(200):
        watch(notes, response(i), BRIDGED[1:], GENERATION_MS - 1)
    show(notes, (), GENERATION_MS)
    assert notes.count("response") == 0


def test_copies_in_two_generations_are_of_one_packet() -> None:
    notes = Notes(())
    show(notes, ())
    for slot, time_ms in zip(BRIDGED, (100_000, 100_000 + GENERATION_MS), strict=True):
        for i in range(200):
            watch(notes, response(i), (slot,), time_ms)
    complete(notes, 200_000)
    assert notes.count("response") == 200
    assert notes.left_out("response") == (Slot(DNS, p.OTHERHOST),)


def test_the_clock_may_be_set_back() -> None:
    notes = Notes(())
    show(notes, ((response(i), BRIDGED) for i in range(200)), start_ms=10_000_000)
    show(notes, ((response(i), BRIDGED) for i in range(300, 500)), start_ms=5_000)
    assert notes.left_out("response") == (Slot(DNS, p.OTHERHOST),)


def test_is_void_with_more_patterns_than_it_notes() -> None:
    packets = [(response(i), (Slot(DNS, p.OTHERHOST), Slot(100 + i, p.OUTGOING))) for i in range(MAX_NOTED + 1)]
    assert learned(packets[:-1]).left_out("response") == (Slot(DNS, p.OTHERHOST),)
    assert learned(packets).left_out("response") == ()


def test_leaves_out_no_more_slots_than_the_filter_compares() -> None:
    copies = (*(Slot(10 + i, p.OTHERHOST) for i in range(10)), Slot(POD, p.OUTGOING))
    others = (*(Slot(30 + i, p.OTHERHOST) for i in range(10)), Slot(POD, p.OUTGOING))
    notes = learned((response(i), (copies, others)[i % 2]) for i in range(400))
    assert len(notes.left_out("response")) == MAX_SLOTS


@pytest.mark.parametrize("cut", range(60))
def test_takes_what_is_cut_short(cut: int) -> None:
    for packet in (response(1), query(1), opening(1), response(1, v6=True)):
        watch(Notes(()), packet[:cut] or b"\x45", BRIDGED, 0)


def taught(learning: Learning, now_s: float, copies: tuple[Slot, ...] = BRIDGED) -> None:
    """Show it a node and let it learn to the end, from `now_s` on."""
    assert learning.notes is not None
    show(learning.notes, ((response(i), copies) for i in range(400)))
    learning.advance(now_s + LEARN_S, 400, 800)


@pytest.mark.parametrize(
    ("copies", "expected"),
    [
        ([BRIDGED], p.OUTGOING),
        ([FROM_AFAR], p.OUTGOING),
        ([REDIRECTED], p.HOST),
        ([BRIDGED, REDIRECTED], p.OUTGOING),
        ([BRIDGED, BRIDGED, REDIRECTED, (Slot(POD, p.OUTGOING), Slot(OTHER_POD, p.OUTGOING))], p.HOST),
    ],
    ids=["bridge", "from afar", "eBPF", "both", "twice on its way out, at times"],
)
def test_knows_where_a_response_has_no_other_copy(copies: list[tuple[Slot, ...]], expected: int) -> None:
    notes = learned((response(i), copies[i % len(copies)]) for i in range(4 * MIN_PACKETS))

    assert expected == notes.lone_direction(notes.left_out("response"))


def test_with_few_packets_any_response_may_have_copies() -> None:
    notes = learned((response(i), REDIRECTED) for i in range(MIN_PACKETS - 1))

    assert notes.lone_direction(()) is None


def test_responses_are_alone_once_the_ring_holds_no_copies_any_more() -> None:
    learning = Learning(Wanted(), 0.0)
    told: list[int | None] = []
    for now_s in (0.0, PERIOD_S + LEARN_S + 1):
        taught(learning, now_s)
        for after_s in (LEARN_S, LEARN_S + SETTLE_S, LEARN_S + PERIOD_S):
            learning.advance(now_s + after_s, 0, 0)
            told.append(learning.lone_direction)

    assert [None, p.OUTGOING, None] * 2 == told


def test_passes_everything_until_it_has_learned() -> None:
    learning = Learning(Wanted(), 100.0)
    assert learning.notes is not None
    assert learning.wanted == Wanted()
    show(learning.notes, ((response(i), BRIDGED) for i in range(400)))
    learning.advance(100.0 + LEARN_S - 1, 400, 800)
    assert learning.wanted == Wanted()
    learning.advance(100.0 + LEARN_S, 400, 800)
    assert learning.wanted == Wanted(responses=(Slot(DNS, p.OTHERHOST),))
    assert learning.notes is None


def test_a_quiet_node_is_learned_from_for_longer() -> None:
    learning = Learning(Wanted(), 0.0)
    assert learning.notes is not None
    show(learning.notes, ((response(i), BRIDGED) for i in range(MIN_PACKETS // 2)))
    learning.advance(LEARN_S * 10, 50, 100)
    assert learning.notes is not None
    learning.advance(PERIOD_S, 50, 100)
    assert learning.notes is None
    assert learning.wanted == Wanted()


def test_goes_on_until_queries_are_known_too_where_there_are_any() -> None:
    learning = Learning(Wanted(), 0.0)
    assert learning.notes is not None
    responses = [(response(i), BRIDGED) for i in range(MIN_PACKETS)]
    queries = [(query(i), ASKED) for i in range(MIN_PACKETS)]

    show(learning.notes, responses + queries[:-1])
    learning.advance(LEARN_S, 100, 600)
    assert learning.notes is not None

    show(learning.notes, ((query(i), ASKED) for i in range(1_000, 1_010)), start_ms=10_000)
    learning.advance(LEARN_S + 1, 100, 640)
    assert learning.notes is None
    assert learning.wanted.queries


def test_does_not_wait_for_queries_that_do_not_come() -> None:
    learning = Learning(Wanted(), 0.0)
    assert learning.notes is not None

    show(learning.notes, ((response(i), BRIDGED) for i in range(2 * MIN_PACKETS)))
    learning.advance(LEARN_S, 200, 400)

    assert learning.notes is None


def test_learns_again_from_everything_after_a_period() -> None:
    learning = Learning(Wanted(), 0.0)
    taught(learning, 0.0)
    learning.advance(LEARN_S + PERIOD_S - 1, 500, 1_000)
    assert learning.notes is None
    learning.advance(LEARN_S + PERIOD_S, 500, 1_000)
    assert learning.notes is not None
    assert learning.wanted == Wanted()
    taught(learning, LEARN_S + PERIOD_S, REDIRECTED)
    assert learning.wanted == Wanted()


def test_learns_again_when_responses_stop_but_nothing_else_does() -> None:
    learning = Learning(Wanted(), 0.0)
    taught(learning, 0.0)
    learning.advance(LEARN_S + SILENCE_S, 400, 800 + MIN_FRAMES)
    assert learning.notes is not None
    assert learning.wanted == Wanted()


@pytest.mark.parametrize(("responses", "frames"), [(400, 800), (400, 800 + MIN_FRAMES - 1), (401, 8_000)])
def test_silence_of_all_or_none_is_no_reason(responses: int, frames: int) -> None:
    learning = Learning(Wanted(), 0.0)
    taught(learning, 0.0)
    learning.advance(LEARN_S + SILENCE_S, responses, frames)
    assert learning.notes is None


def test_what_is_not_wanted_is_not_learned() -> None:
    learning = Learning(Wanted(queries=None, openings=None), 0.0)
    taught(learning, 0.0)
    assert (learning.wanted.queries, learning.wanted.openings) == (None, None)


def test_takes_the_nodes_addresses_anew() -> None:
    learning = Learning(Wanted(), 0.0)
    learning.set_host_addresses([b"\xc0\0\2\1"])
    taught(learning, 0.0)
    learning.set_host_addresses([b"\xc0\0\2\2"])
    assert learning.wanted == Wanted(responses=(Slot(DNS, p.OTHERHOST),), host_addresses=(b"\xc0\0\2\2",))
    before = learning.wanted
    learning.set_host_addresses([b"\xc0\0\2\2"])
    assert learning.wanted is before


def test_with_too_many_addresses_the_node_is_a_client_like_others() -> None:
    learning = Learning(Wanted(), 0.0)
    learning.set_host_addresses([bytes([10, 0, 0, i]) for i in range(MAX_HOST_ADDRESSES)])
    assert len(learning.wanted.host_addresses) == MAX_HOST_ADDRESSES
    learning.set_host_addresses([bytes([10, 0, 0, i]) for i in range(MAX_HOST_ADDRESSES + 1)])
    assert learning.wanted.host_addresses == ()
