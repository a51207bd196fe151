"""The joined stages, on made packets and on the recorded shop."""

import os
import struct
from collections import Counter
from pathlib import Path

import pytest
from tests.support import packets as p

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.frames import parse_frame
from grapevine.capture.intake import Intake
from grapevine.capture.replay import Replay, file_digest, read_batches
from grapevine.model.errors import PermanentInputError
from grapevine.model.observation import DnsObservation
from grapevine.wire.schema import Batch

SHOP = Path(__file__).parents[2] / "data" / "shop" / "capture.pcap"
NO_REPORT: list[str] = []


def observations(batches: list[Batch]) -> list[DnsObservation]:
    return [o for batch in batches for o in batch.observations]


def hear(intake: Intake, frame: bytes, time_ms: int) -> None:
    intake.packet(parse_frame(276, frame), time_ms)


def frame(message: bytes, **fields: object) -> bytes:
    return p.cooked_v2(p.ipv4(p.udp(message), **fields))  # type: ignore[arg-type]


def test_copies_of_a_response_are_one_event_with_the_address_the_client_knows() -> None:
    counters = Counters()
    intake = Intake("pcap", 1_000, counters)
    message = p.dns_response(records=[p.a_record("192.0.2.1")])
    hear(intake, p.cooked_v2(p.ipv4(p.udp(message), src=p.COREDNS), direction=p.OTHERHOST), 1_000)
    hear(intake, frame(message), 1_000)
    intake.flush()
    ((only,),) = intake.take()
    assert (only.client_ip, only.resolver_ip, only.count) == (p.CLIENT, p.RESOLVER, 1)
    assert counters.snapshot() == {"frames": 2, "messages": 2, "events": 1, "folded": 1}


def test_time_alone_cuts_a_window_and_then_nothing_is_held() -> None:
    intake = Intake("packet", 1_000, Counters())
    hear(intake, frame(p.dns_response()), 10_000)
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
    hear(intake, frame(p.dns_response(transaction_id=1)), start_ms)
    for _ in range(2):
        hear(intake, frame(p.dns_response(transaction_id=2)), start_ms + jump_ms)
    intake.advance(start_ms + jump_ms + 2_000)
    assert sum(o.count for cut in intake.take() for o in cut) == 2
    assert counters[Reason.FOLDED] == 1


def test_counts_a_payload_that_is_cut_and_uses_it() -> None:
    counters = Counters()
    intake = Intake("pcap", 1_000, counters)
    hear(intake, frame(p.dns_response(records=[p.a_record("192.0.2.1"), p.a_record("192.0.2.2")]))[:-4], 0)
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
