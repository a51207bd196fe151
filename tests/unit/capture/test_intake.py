"""The joined stages, on made packets and on the recorded shop."""

import os
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.support import packets as p

from grapevine.capture.blocks import PADDING
from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import Response, parse_response
from grapevine.capture.flood import MAX_CLIENT_NAMES
from grapevine.capture.intake import Intake, Matching
from grapevine.capture.matching import MAX_ASKED_BYTES, MAX_FRAMES, Exchanges
from grapevine.capture.replay import Replay, file_digest, read_batches
from grapevine.capture.window import MAX_CLIENT_ENTRIES
from grapevine.model.errors import PermanentInputError
from grapevine.model.observation import ConnObservation, DnsObservation
from grapevine.wire.schema import Batch

SHOP = Path(__file__).parents[2] / "data" / "shop" / "capture.pcap"
NO_REPORT: list[str] = []


def observations(batches: list[Batch]) -> list[DnsObservation]:
    return [o for batch in batches for o in batch.observations]


def frame(message: bytes, **fields: object) -> bytes:
    return p.cooked_v2(p.ipv4(p.udp(message), **fields))  # type: ignore[arg-type]


def test_copies_of_a_response_are_one_event_with_the_address_the_client_knows() -> None:
    counters = Counters()
    intake = Intake("pcap", 1_000, counters)
    message = p.dns_response(records=[p.a_record("192.0.2.1")])
    p.hear(intake, p.cooked_v2(p.ipv4(p.udp(message), src=p.COREDNS), direction=p.OTHERHOST), 1_000)
    p.hear(intake, frame(message), 1_000)
    intake.flush()
    ((only,),) = intake.take()
    assert (only.client_ip, only.resolver_ip, only.count) == (p.CLIENT, p.RESOLVER, 1)
    assert counters.snapshot() == {"frames": 2, "messages": 2, "events": 1, "folded": 1}


def test_time_alone_cuts_a_window_and_then_nothing_is_held() -> None:
    intake = Intake("packet", 1_000, Counters())
    p.hear(intake, frame(p.dns_response()), 10_000)
    assert not intake.is_idle()
    intake.advance(10_900)
    assert intake.take() == []
    intake.advance(11_000)
    assert [len(cut) for cut in intake.take()] == [1]
    assert intake.is_idle()


@pytest.mark.parametrize("jump_ms", [-3_600_000, 3_600_000], ids=["back", "forth"])
def test_a_clock_that_is_set_loses_nothing_and_folds_on(jump_ms: int) -> None:
    counters = Counters()
    intake = Intake("packet", 1_000, counters)
    start_ms = 10_000_000
    p.hear(intake, frame(p.dns_response(transaction_id=1)), start_ms)
    for _ in range(2):
        p.hear(intake, frame(p.dns_response(transaction_id=2)), start_ms + jump_ms)
    intake.advance(start_ms + jump_ms + 2_000)
    assert sum(o.count for cut in intake.take() for o in cut) == 2
    assert counters[Reason.FOLDED] == 1


def test_counts_a_payload_that_is_cut_and_uses_it() -> None:
    counters = Counters()
    intake = Intake("pcap", 1_000, counters)
    p.hear(intake, frame(p.dns_response(records=[p.a_record("192.0.2.1"), p.a_record("192.0.2.2")]))[:-4], 0)
    intake.flush()
    ((only,),) = intake.take()
    assert only.answers == ("192.0.2.1",)
    assert (counters[Reason.CUT_PAYLOAD], counters[Reason.BAD_RECORD]) == (1, 1)


def test_the_same_file_gives_the_same_batches() -> None:
    first, second = (list(read_batches(str(SHOP), NO_REPORT.append)) for _ in range(2))
    assert first == second
    assert [batch.header.seq for batch in first] == list(range(1, len(first) + 1))
    assert {batch.header.stream for batch in first} == {file_digest(str(SHOP))}
    assert NO_REPORT == []


def test_other_windows_are_another_stream() -> None:
    batches = list(Replay(str(SHOP), NO_REPORT.append, window_ms=10_000).batches())
    assert batches[0].header.stream == f"{file_digest(str(SHOP))}-10000"


def test_each_response_in_the_shop_is_counted_once() -> None:
    replay = Replay(str(SHOP), NO_REPORT.append)
    found = observations(list(replay.batches()))
    assert sum(o.count for o in found) == len(_shop_responses())


def test_clients_in_the_shop_know_their_resolver_by_the_address_of_its_service() -> None:
    by_resolver = Counter(
        (o.resolver_ip, o.client_ip in ("10.244.0.1", "192.0.2.2"))
        for o in observations(list(read_batches(str(SHOP), NO_REPORT.append)))
    )
    assert set(by_resolver) == {("10.96.0.10", False), ("10.244.0.32", True)}, "hostnet alone talks to CoreDNS directly"


def test_every_frame_and_message_of_the_shop_is_accounted_for() -> None:
    replay = Replay(str(SHOP), NO_REPORT.append)
    batches = list(replay.batches())
    counted = replay.counters
    by_kind = {kind: sum(counted[r] for r in Reason if r.kind == kind) for kind in ("reject", "partial", "loss")}
    assert by_kind == {"reject": 0, "partial": 0, "loss": 0}
    datagrams = counted[Reason.FRAMES] - counted[Reason.SEGMENTS] - counted[Reason.OTHER_PORT]
    by_tcp = counted[Reason.MESSAGES] + counted[Reason.QUERIES] - datagrams
    assert (counted[Reason.FRAMES], by_tcp) == (31_910, 1_104 * 2)
    assert counted[Reason.MESSAGES] == counted[Reason.EVENTS] + counted[Reason.FOLDED]
    assert counted[Reason.EVENTS] == sum(o.count for o in observations(batches))


def test_a_cut_file_is_used_up_to_the_cut(tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(SHOP.read_bytes()[:100_000])
    warnings: list[str] = []
    found = observations(list(read_batches(str(cut), warnings.append)))
    assert len(found) > 50
    (warning,) = warnings
    assert "cut.pcap: cut within a packet at byte 99" in warning


def test_a_pipe_is_refused_with_what_to_do(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PermanentInputError, match="give it as stdin, with `--file -`"):
        file_digest(str(tmp_path / "pipe"))


def _shop_responses() -> set[tuple[object, ...]]:
    """Return the answered queries in the file by client, port, transport, id and question, read with nothing of ours.

    Relies on what the shop's clients do: a port is not used twice with the same id, and a TCP segment from the server
    holds whole messages.
    """
    data = SHOP.read_bytes()
    at = 24
    asked: set[tuple[object, ...]] = set()
    answered: set[tuple[object, ...]] = set()
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at + 8)
        packet = data[at + 36 : at + 16 + length]
        at += 16 + length
        header = (packet[0] & 15) * 4
        src_port, dst_port = struct.unpack_from("!HH", packet, header)
        is_response = src_port == 53
        total = struct.unpack_from("!H", packet, 2)[0]
        skip = 8 if packet[9] == 17 else (packet[header + 12] >> 4) * 4 + 2
        message = packet[header + skip : total]
        if len(message) >= 12:
            question = message[12 : message.index(b"\0", 12) + 5]
            client, port = (packet[16:20], dst_port) if is_response else (packet[12:16], src_port)
            (answered if is_response else asked).add((client, port, packet[9], message[:2], question))
    return asked & answered


def query(message: bytes, src_port: int = 40_000, **fields: Any) -> bytes:
    datagram = p.udp(message, src_port=src_port, dst_port=53)
    return p.cooked_v2(p.ipv4(datagram, **{"src": p.CLIENT, "dst": p.RESOLVER, **fields}), direction=p.HOST)


def test_what_nobody_asked_for_makes_no_observation() -> None:
    counters = Counters()
    intake = Intake("packet", 1_000, counters, matching="on")
    p.hear(intake, query(p.dns_response("www.example.com", flags=0x0100, transaction_id=1)), 1_000)
    forged = [
        frame(p.dns_response("www.example.com", transaction_id=2)),
        frame(p.dns_response("www.example.net", transaction_id=1)),
        frame(p.dns_response("www.example.com", transaction_id=1), dst="10.244.0.99"),
        p.cooked_v2(p.ipv4(p.udp(p.dns_response("www.example.com", transaction_id=1), dst_port=40_001))),
    ]
    for each in forged:
        p.hear(intake, each, 1_000)
    p.hear(intake, frame(p.dns_response("www.example.com", transaction_id=1)), 1_000)
    intake.flush()
    ((only,),) = intake.take()
    assert (only.qname, only.client_ip, only.count) == ("www.example.com", p.CLIENT, 1)
    # The third has the id and question of the answer, and comes before it: unsolicited all the same
    assert counters[Reason.UNSOLICITED] == 4


def test_an_answer_known_by_its_bytes_needs_a_query_too() -> None:
    counters = Counters()
    intake = Intake("packet", 1_000, counters, matching="on")
    for transaction_id in (1, 2, 3):
        p.hear(intake, query(p.dns_response(flags=0x0100, transaction_id=transaction_id)), 1_000)
    for transaction_id in (1, 2, 7, 3):
        p.hear(intake, frame(p.dns_response(transaction_id=transaction_id)), 1_000)
    intake.flush()
    assert [o.count for cut in intake.take() for o in cut] == [3]
    assert counters[Reason.UNSOLICITED] == 1


@pytest.mark.parametrize(("matching", "expected"), [("off", 2), ("auto", 1), ("on", 0)])
def test_a_file_of_responses_alone_needs_no_queries_until_the_first(matching: Matching, expected: int) -> None:
    intake = Intake("pcap", 1_000, Counters(), matching=matching)
    p.hear(intake, frame(p.dns_response(transaction_id=1)), 1_000)
    p.hear(intake, query(p.dns_response(flags=0x0100, transaction_id=2)), 1_000)
    p.hear(intake, frame(p.dns_response(transaction_id=3)), 1_000)
    intake.flush()
    assert sum(o.count for cut in intake.take() for o in cut) == expected


def test_a_server_that_asks_from_port_53_is_a_client_like_others() -> None:
    counters = Counters()
    intake = Intake("packet", 1_000, counters, matching="on")
    p.hear(intake, query(p.dns_response(flags=0x0100), 53), 1_000)
    p.hear(intake, p.cooked_v2(p.ipv4(p.udp(p.dns_response(), dst_port=53))), 1_000)
    intake.flush()
    assert [o.count for cut in intake.take() for o in cut] == [1]
    assert counters.snapshot() == {"frames": 2, "messages": 2, "events": 1, "query": 1}


def test_of_a_huge_query_no_more_is_kept_than_its_question(monkeypatch: pytest.MonkeyPatch) -> None:
    intake = Intake("packet", 1_000, Counters(), matching="on")
    asked = p.dns_response(flags=0x0100) + bytes(1_300)
    packet = p.ipv4(p.udp(asked, src_port=40_000, dst_port=53), src=p.CLIENT, dst=p.RESOLVER)
    answer = p.ipv4(p.udp(p.dns_response()))
    block, count = p.ring_block(
        [(packet, 0x0800, p.HOST, 1, 1_000_000_000), (answer, 0x0800, p.OUTGOING, 1, 1_000_000_000)]
    )
    kept: list[int] = []
    ask = Exchanges.ask
    monkeypatch.setattr(Exchanges, "ask", lambda self, key, asked: (kept.append(len(asked)), ask(self, key, asked))[1])
    intake.block(block + PADDING, p.RING_HEADER_BYTES, count)
    intake.flush()
    assert [MAX_ASKED_BYTES] == kept
    assert [o.count for cut in intake.take() for o in cut] == [1]


def by_tcp(message: bytes, *, is_query: bool, cut: int) -> list[bytes]:
    stream = struct.pack("!H", len(message)) + message
    ports = {"src_port": 40_000, "dst_port": 53} if is_query else {}
    ends = {"src": p.CLIENT, "dst": p.RESOLVER} if is_query else {}
    pieces = [(0, b"", p.SYN), (1, stream[:cut], p.ACK), (1 + cut, stream[cut:], p.ACK | p.FIN)]
    return [
        p.cooked_v2(p.ipv4(p.tcp(data, seq=seq, flags=flags, **ports), proto=6, **ends)) for seq, data, flags in pieces
    ]


def test_queries_and_responses_match_over_tcp_however_they_are_cut() -> None:
    counters = Counters()
    intake = Intake("packet", 1_000, counters, matching="on")
    frames = by_tcp(p.dns_response(flags=0x0100), is_query=True, cut=5) + by_tcp(
        p.dns_response(), is_query=False, cut=9
    )
    for each in frames:
        p.hear(intake, each, 1_000)
    intake.flush()
    ((only,),) = intake.take()
    assert (only.transport, only.client_ip) == ("tcp", p.CLIENT)
    assert counters.snapshot() == {"frames": 6, "segments": 6, "messages": 1, "events": 1, "queries": 1}


def test_a_response_by_tcp_is_not_one_to_a_query_by_udp() -> None:
    counters = Counters()
    intake = Intake("packet", 1_000, counters, matching="on")
    p.hear(intake, query(p.dns_response(flags=0x0100)), 1_000)
    for each in by_tcp(p.dns_response(), is_query=False, cut=9):
        p.hear(intake, each, 1_000)
    assert counters[Reason.UNSOLICITED] == 1


SYN_FLAGS = {"plain": (p.SYN, 1), "ECN setup": (0xC2, 1), "SYN ACK": (0x12, 0), "data": (0x18, 0), "RST": (0x04, 0)}


@pytest.mark.parametrize(("flags", "expected"), SYN_FLAGS.values(), ids=SYN_FLAGS)
@pytest.mark.parametrize("is_ipv6", [False, True])
def test_a_syn_is_a_connection_from_who_sends_it(flags: int, expected: int, is_ipv6: bool) -> None:
    counters = Counters()
    intake = Intake("packet", 1_000, counters)
    segment = p.tcp(b"", flags=flags, src_port=443, dst_port=50_000)
    packet = p.ipv6(segment, header=6) if is_ipv6 else p.ipv4(segment, proto=6)
    p.hear(intake, p.cooked_v2(packet), 1_000)
    assert intake.is_idle() == (not expected)
    intake.flush()
    found = [o for cut in intake.take() for o in cut]
    ends = ("fd00::a", "fd00::37") if is_ipv6 else (p.RESOLVER, p.CLIENT)
    assert found == [ConnObservation(1_000, 1_000, 1, *ends, 50_000, "tcp", "packet")][:expected]
    assert counters[Reason.OTHER_PORT] == 1 - expected


def test_connections_may_be_left_out() -> None:
    counters = Counters()
    intake = Intake("packet", 1_000, counters, takes_connections=False)
    p.hear(intake, p.cooked_v2(p.ipv4(p.tcp(b"", flags=p.SYN, src_port=40_000, dst_port=443), proto=6)), 1_000)
    assert counters.snapshot() == {"frames": 1, "other-port": 1}


def test_a_flood_of_names_is_decoded_up_to_a_cap_and_hides_nothing_that_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded: list[bytes] = []

    def count(message: bytes) -> Response | Reason:
        decoded.append(message)
        return parse_response(message)

    monkeypatch.setattr("grapevine.capture.intake.parse_response", count)
    counters = Counters()
    intake = Intake("packet", 60_000, counters)
    known = frame(p.dns_response("known.example.com", records=[p.a_record("192.0.2.1")]))
    p.hear(intake, known, 1_000)
    for number in range(20_000):
        p.hear(intake, frame(p.dns_response(f"{number:x}.flood.example.com", flags=0x8183)), 1_000 + number)
    p.hear(intake, known, 21_000)
    intake.flush()
    found = {o.qname: o.count for cut in intake.take() for o in cut}
    assert (found["known.example.com"], sum(found.values())) == (2, 20_002)
    assert len(found) == MAX_CLIENT_ENTRIES + 1
    assert found["*.flood.example.com"] == 20_001 - MAX_CLIENT_ENTRIES == counters[Reason.NAME_FLOOD]
    assert len(decoded) <= MAX_CLIENT_NAMES + 2


def test_more_frames_than_a_generation_takes_end_it_early_and_lose_nothing() -> None:
    counters = Counters()
    intake = Intake("packet", 1_000, counters, matching="on")
    number = 2 * MAX_FRAMES + 1
    for transaction in range(number):
        p.hear(intake, query(p.dns_response(flags=0x0100, transaction_id=transaction)), 1_000)
        p.hear(intake, frame(p.dns_response(transaction_id=transaction)), 1_000)
    intake.flush()
    assert [o.count for cut in intake.take() for o in cut] == [number]
    assert counters[Reason.FOLD_EARLY] > 0
    assert (counters[Reason.FRAMES], counters[Reason.QUERIES], counters[Reason.MESSAGES]) == (
        2 * number,
        number,
        number,
    )
