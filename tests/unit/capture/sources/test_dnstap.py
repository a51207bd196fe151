"""The listener, on loopback."""

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.support import packets as p
from tests.support import taps as t
from tests.support.eventually import eventually
from tests.support.missing import give_up

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.sources import dnstap
from grapevine.capture.sources.dnstap import DnstapSource, ListenAddress, parse_listen
from grapevine.capture.sources.framestream import MAX_FRAME_BYTES, encode_frame
from grapevine.capture.sources.tap import Tap
from grapevine.model.errors import PermanentInputError

RESPONSE = p.dns_response(records=[p.a_record("192.0.2.1")])


class Rig:
    """A source and its senders, read by hand."""

    def __init__(self, address: ListenAddress, stack: ExitStack) -> None:
        self.counters = Counters()
        self.source = stack.enter_context(closing(DnstapSource(address, self.counters)))
        self._stack = stack
        self._address = address.path or ("127.0.0.1", self.source.port)
        self.taps: list[Tap] = []

    def sender(self, *data: bytes, source: str = "") -> t.TapSender:
        sender = self._stack.enter_context(t.TapSender(self._address, source=source))
        for each in data:
            sender.send(each)
        return sender

    def until(self, condition: Callable[[], object]) -> None:
        def read() -> bool:
            if select.select([self.source], [], [], 0.01)[0]:
                self.taps += [tap for tap, _ in self.source.read()]
            return bool(condition())

        eventually(read, every_s=0)

    def until_counted(self, reason: Reason, number: int = 1) -> None:
        self.until(lambda: self.counters[reason] >= number)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def rig(stack: ExitStack) -> Rig:
    return Rig(ListenAddress("127.0.0.1", 0, ""), stack)


def test_hears_several_senders_each_with_its_own_address(rig: Rig) -> None:
    one, two = rig.sender(t.READY), rig.sender(t.START, source="127.0.0.2")
    rig.until(lambda: rig.source.hearing_since_ms)
    assert one.receive(len(t.ACCEPT)) == t.ACCEPT
    one.send(t.START)
    one.send_taps(t.message(kind=t.CLIENT_QUERY), t.message(RESPONSE))
    two.send_taps(t.message(RESPONSE))
    rig.until(lambda: len(rig.taps) == 2)
    assert {tap.resolver for tap in rig.taps} == {t.pack("127.0.0.1"), t.pack("127.0.0.2")}
    assert rig.counters.snapshot() == {"frames": 3, "dnstap-senders": 2, "dnstap-other": 1}


def test_finishes_with_a_sender_that_stops_and_hears_nothing_then(rig: Rig) -> None:
    before_ms = time.time_ns() // 1_000_000
    sender = rig.sender(t.READY, t.START)
    rig.until(lambda: rig.source.hearing_since_ms)
    assert rig.source.hearing_since_ms is not None
    assert before_ms <= rig.source.hearing_since_ms <= time.time_ns() // 1_000_000
    sender.send(t.STOP)
    rig.until(lambda: rig.source.hearing_since_ms is None)
    assert sender.receive(1_000) == t.ACCEPT + t.FINISH
    assert rig.counters.snapshot() == {"dnstap-senders": 1}


def test_hearing_lasts_as_long_as_one_sender_does(rig: Rig) -> None:
    one, two = rig.sender(t.START), rig.sender(t.START)
    rig.until_counted(Reason.TAP_SENDERS, 2)
    since_ms = rig.source.hearing_since_ms
    one.socket.close()
    rig.until_counted(Reason.TAP_BROKEN)
    assert rig.source.hearing_since_ms == since_ms is not None
    two.socket.close()
    rig.until_counted(Reason.TAP_BROKEN, 2)
    assert rig.source.hearing_since_ms is None


def test_uses_what_came_before_the_garbage(rig: Rig) -> None:
    sender = rig.sender(t.START + encode_frame(t.tap(t.message(RESPONSE))) + t.START)
    rig.until_counted(Reason.TAP_GARBAGE)
    assert (len(rig.taps), sender.receive(1)) == (1, b"")


def test_says_once_which_sender_is_not_full_and_what_to_do(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.sender(t.START).send_taps(t.message(), t.message(), t.message(RESPONSE))
    rig.until(lambda: rig.taps)
    assert rig.counters[Reason.TAP_NOT_FULL] == 2
    (record,) = caplog.records
    assert (record.levelname, record.__dict__["peer"], record.__dict__["so_far"]) == ("WARNING", "127.0.0.1", 1)
    assert "dnstap tcp://ADDRESS:6000 full" in record.__dict__["remedy"]


def test_refuses_what_is_over_the_cap_of_all_and_of_one_address(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnstap, "MAX_CONNECTIONS_A_PEER", 2)
    monkeypatch.setattr(dnstap, "MAX_CONNECTIONS", 3)
    rig.sender(t.START), rig.sender(t.START)
    rig.until_counted(Reason.TAP_SENDERS, 2)
    rig.sender()
    rig.until_counted(Reason.TAP_REFUSED)
    rig.sender(t.START, source="127.0.0.2")
    rig.until_counted(Reason.TAP_SENDERS, 3)
    rig.sender(source="127.0.0.3")
    rig.until_counted(Reason.TAP_REFUSED, 2)


def test_closes_who_is_silent_within_a_handshake_or_a_frame_and_lets_the_others_rest(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dnstap, "LOOK_S", 0.0)
    resting = rig.sender(t.START)
    rig.until_counted(Reason.TAP_SENDERS)
    monkeypatch.setattr(dnstap, "STALL_S", 0.0)
    for data in (b"", t.READY, t.START + b"\0\0\0\x09half"):
        rig.sender(data)
    rig.until_counted(Reason.TAP_STALLED, 3)
    resting.send_taps(t.message(RESPONSE))
    rig.until(lambda: rig.taps)
    assert rig.source.hearing_since_ms is not None


def test_closes_who_fills_the_memory_of_all(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnstap, "MAX_HELD_BYTES", 60_000)
    for _ in range(2):
        rig.sender(t.START + encode_frame(bytes(100_000))[:50_000])
    rig.until_counted(Reason.TAP_OVERFLOW)
    assert rig.source._held_bytes() <= 60_000


def test_a_unix_socket_is_taken_over_from_the_dead_and_removed_at_the_end(stack: ExitStack, tmp_path: Path) -> None:
    path = str(tmp_path / "dnstap.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    with stack:
        rig = Rig(ListenAddress("", 0, path), stack)
        rig.sender(t.START).send_taps(t.message(RESPONSE, resolver="192.0.2.53"))
        rig.until(lambda: rig.taps)
        assert rig.taps[0].resolver == t.pack("192.0.2.53")
        with pytest.raises(PermanentInputError, match=r"cannot listen on .*dnstap.sock: Address already in use"):
            DnstapSource(ListenAddress("", 0, path), Counters())
    assert not Path(path).exists()


def test_an_ipv4_sender_keeps_its_address_where_both_families_are_listened_on(stack: ExitStack) -> None:
    if not socket.has_ipv6:
        give_up("this Python has no IPv6")
    rig = Rig(ListenAddress("::", 0, ""), stack)
    rig.sender(t.START).send_taps(t.message(RESPONSE))
    rig.until(lambda: rig.taps)
    assert rig.taps[0].resolver == t.pack("127.0.0.1")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("tcp://127.0.0.1:6000", ListenAddress("127.0.0.1", 6000, "")),
        ("tcp://[::]:6000", ListenAddress("::", 6000, "")),
        ("unix:///run/grapevine/dnstap.sock", ListenAddress("", 0, "/run/grapevine/dnstap.sock")),
    ],
)
def test_takes_tcp_and_unix_addresses(url: str, address: ListenAddress) -> None:
    assert parse_listen(url) == address


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:6000", "tcp://127.0.0.1", "tcp://localhost:6000", "tcp://127.0.0.1:70000", "tcp://[::1:6000",
     "tcp://127.0.0.1:6000/x", "tls://127.0.0.1:6000", "unix://run/x.sock", "unix:///", "unix:///" + "x" * 107],
)  # fmt: skip
def test_says_what_an_address_looks_like(url: str) -> None:
    with pytest.raises(PermanentInputError, match="--listen"):
        parse_listen(url)


def test_hears_on_through_a_storm_of_reconnections_and_keeps_nothing_of_it(rig: Rig) -> None:
    steady = rig.sender(t.START, source="127.0.0.2")
    rig.until_counted(Reason.TAP_SENDERS)
    beginnings = (b"", t.READY, t.START, t.START + b"\0\0\0\x09half", b"GET / HTTP/1.1\r\n\r\n")
    for number in range(200):
        rig.sender(beginnings[number % len(beginnings)]).socket.close()
        if number % 20 == 0:
            steady.send_taps(t.message(RESPONSE))
            rig.until(lambda: True)
    rig.until(lambda: len(rig.taps) == 10 and len(rig.source._connections) == 1)
    assert rig.source._of_peer == {t.pack("127.0.0.2"): 1}
    ended = (Reason.TAP_BROKEN, Reason.TAP_GARBAGE, Reason.TAP_REFUSED)
    assert sum(rig.counters[reason] for reason in ended) == 200
    assert rig.source.hearing_since_ms is not None


def test_a_peer_that_resets_is_let_go_at_once(rig: Rig) -> None:
    sender = rig.sender(t.START)
    rig.until_counted(Reason.TAP_SENDERS)
    sender.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sender.socket.close()
    rig.until_counted(Reason.TAP_BROKEN)
    assert (rig.source._connections, rig.source.hearing_since_ms) == (set(), None)


@pytest.mark.parametrize("length", [MAX_FRAME_BYTES + 1, 2**31, 2**32 - 1])
def test_a_length_that_cannot_be_ends_the_connection_before_anything_is_kept(rig: Rig, length: int) -> None:
    sender = rig.sender(t.START + struct.pack("!I", length) + bytes(1_000))
    rig.until_counted(Reason.TAP_GARBAGE)
    assert (sender.receive(1), rig.source._held_bytes()) == (b"", 0)


def test_a_length_that_lies_is_found_out_by_what_stands_within(rig: Rig) -> None:
    frame = encode_frame(t.tap(t.message(RESPONSE)))
    shorter = struct.pack("!I", len(frame) - 10) + frame[4:]
    rig.sender(t.START + frame + shorter + frame)
    rig.until_counted(Reason.TAP_GARBAGE)
    assert (len(rig.taps), rig.counters[Reason.BAD_TAP]) == (1, 1)
