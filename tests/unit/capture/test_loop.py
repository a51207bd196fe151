"""The whole command against an operator on loopback."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from tests.support import packets as p
from tests.support import taps as t
from tests.support.eventually import eventually
from tests.support.fake_operator import FakeOperator

from grapevine.capture.blocks import PADDING
from grapevine.capture.loop import REST_S
from grapevine.capture.replay import read_batches
from grapevine.capture.sources.ring import Sink
from grapevine.capture.stop import StopSignal
from grapevine.cli.main import main

SHOP = str(Path(__file__).parents[2] / "data" / "shop" / "capture.pcap")


@pytest.fixture
def operator() -> Iterator[FakeOperator]:
    with FakeOperator() as server, server.serving():
        yield server


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(operator: FakeOperator) -> Iterator[Start]:
    """Start `grapevine capture` as a process of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*words: str, stdin: Path | None = None) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "grapevine.cli.main", "capture", "--operator", operator.url, *words]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "operator")}
        pipe = subprocess.PIPE
        with contextlib.ExitStack() as stack:
            source = pipe if stdin is None else stack.enter_context(stdin.open("rb"))
            started.append(subprocess.Popen(command, env=env, stdin=source, stdout=pipe, stderr=pipe))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def capture(operator: FakeOperator, *words: str) -> int:
    return main(["capture", "--source", "pcap", "--operator", operator.url, *words])


def test_sends_a_file_to_its_last_batch(operator: FakeOperator, capsys: pytest.CaptureFixture[str]) -> None:
    assert capture(operator, "--file", SHOP, "--deflate") == 0
    sent = [batch for batch in operator.batches if batch.header.seq]
    expected = list(read_batches(SHOP, print))
    assert [b.observations for b in sent] == [b.observations for b in expected]
    assert [(b.header.stream, b.header.seq) for b in sent] == [(b.header.stream, b.header.seq) for b in expected]
    assert capsys.readouterr().err == ""


def test_a_file_taken_in_another_way_is_another_stream(operator: FakeOperator, tmp_path: Path) -> None:
    dialled = p.ipv4(p.tcp(b"", flags=p.SYN, src_port=40_001, dst_port=443), proto=6)
    answer = p.ipv4(p.udp(p.dns_response()))
    path = tmp_path / "both.pcap"
    path.write_bytes(p.pcap((i, p.cooked_v2(each)) for i, each in enumerate((dialled, answer))))
    for words in ([], ["--connections", "off"], ["--match", "off"]):
        assert capture(operator, "--file", str(path), *words) == 0
    sent = [batch for batch in operator.batches if batch.header.seq]
    assert [len(batch.observations) for batch in sent] == [2, 1, 2]
    assert len({batch.header.stream for batch in sent}) == 3


def test_says_what_did_not_become_durable(operator: FakeOperator, capsys: pytest.CaptureFixture[str]) -> None:
    operator.is_durable = False
    assert capture(operator, "--file", SHOP, "--drain-timeout", "0.3") == 1
    assert "grapevine: 127 batches are not known to be written by the operator at 127.0.0.1:" in capsys.readouterr().err


def test_waits_for_room_instead_of_losing_a_file(operator: FakeOperator, tmp_path: Path) -> None:
    messages = [p.dns_response(f"n{i}.{'x' * 60}.{'y' * 60}.{'z' * 60}.example.com") for i in range(20_000)]
    flood = tmp_path / "flood.pcap"
    flood.write_bytes(p.pcap((4 * i, p.cooked_v2(p.ipv4(p.udp(m)))) for i, m in enumerate(messages)))
    assert capture(operator, "--file", str(flood), "--spool-bytes", str(2 << 20)) == 0
    assert sum(len(batch.observations) for batch in operator.batches) == 20_000


def test_gives_up_where_nothing_becomes_durable(
    operator: FakeOperator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.is_durable = False
    messages = [p.dns_response(f"n{i}.{'x' * 60}.{'y' * 60}.{'z' * 60}.example.com") for i in range(6_000)]
    flood = tmp_path / "flood.pcap"
    flood.write_bytes(p.pcap((4 * i, p.cooked_v2(p.ipv4(p.udp(m)))) for i, m in enumerate(messages)))
    words = ["--spool-bytes", str(2 << 20), "--drain-timeout", "0.2"]
    assert capture(operator, "--file", str(flood), *words) == 1
    assert "flood.pcap: stopped before its end" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"", "the file is empty"), (b"kind: Pod\n", "no pcap or pcapng file")],
)
def test_wrong_input_ends_in_one_line_before_anything_is_sent(
    operator: FakeOperator, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, text: str
) -> None:
    path = tmp_path / "wrong.pcap"
    path.write_bytes(content)
    assert capture(operator, "--file", str(path)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"grapevine: {path}: {text}")
    assert operator.batches == []


def test_a_file_without_a_response_is_fine(operator: FakeOperator, tmp_path: Path) -> None:
    path = tmp_path / "quiet.pcap"
    path.write_bytes(p.pcap([]))
    assert capture(operator, "--file", str(path)) == 0


def test_reports_stdin_while_it_is_still_open_and_ends_with_sigterm(operator: FakeOperator, start: Start) -> None:
    process = start("--source", "pcap", "--file", "-")
    assert process.stdin is not None
    process.stdin.write(p.pcap([(1_000, p.cooked_v2(p.ipv4(p.udp(p.dns_response()))))]))
    process.stdin.flush()
    assert operator.heard.wait(20)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


class OnePacket:
    """A packet source that hears one query and its response; then the process is told to end."""

    lone_direction = None

    def __init__(self, *, has_queries: bool, has_connections: bool, host_ips: Iterable[str], now_s: float) -> None:
        assert (has_queries, has_connections) == (True, False)
        assert "127.0.0.1" in host_ips
        self._read_end, self._write_end = os.pipe()
        os.write(self._write_end, b"x")

    def fileno(self) -> int:
        return self._read_end

    def drain(self, sink: Sink) -> None:
        os.read(self._read_end, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        query = p.udp(p.dns_response(flags=0x0100), src_port=40_000, dst_port=53)
        frames = (p.ipv4(query, src=p.CLIENT, dst=p.RESOLVER), p.ipv4(p.udp(p.dns_response())))
        block, count = p.ring_block((frame, 0x0800, p.OUTGOING, 1, 1_000_000_000) for frame in frames)
        sink(block + PADDING, p.RING_HEADER_BYTES, count)

    def advance(self, now_s: float, responses: int, frames: int) -> None:
        pass

    def take_drops(self) -> int:
        return 3

    def close(self) -> None:
        os.close(self._read_end)
        os.close(self._write_end)


def test_a_signal_flushes_the_window_that_is_open(operator: FakeOperator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grapevine.capture.loop.PacketSource", OnePacket)
    monkeypatch.setattr("grapevine.capture.loop.drop_privileges", lambda *_: None)  # they would be this process's
    words = ["--operator", operator.url, "--node", "node-1", "--window-ms", "60000", "--connections", "off"]
    assert main(["capture", *words]) == 0
    (batch,) = [batch for batch in operator.batches if batch.header.seq]
    assert [o.qname for o in batch.observations] == ["www.example.com"]
    assert (batch.header.node, batch.header.hearing.sources) == ("node-1", ("packet",))
    assert "127.0.0.1" in batch.header.host_ips
    assert batch.header.counters["kernel-drops"] == 3


def test_reports_what_a_dns_server_tells_and_ends_with_sigterm(
    operator: FakeOperator, start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "dnstap.sock"
    process = start("--source", "dnstap", "--listen", f"unix://{path}", "--window-ms", "100")
    eventually(path.exists, timeout_s=20)
    with t.TapSender(str(path)) as server:
        server.send(t.READY + t.START)
        server.send_taps(t.message(kind=t.CLIENT_QUERY), t.message(p.dns_response(), protocol=t.TCP))
        assert operator.heard.wait(20)
        server.send(t.STOP)
        assert server.receive(1_000) == t.ACCEPT + t.FINISH
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    (batch,) = [batch for batch in operator.batches if batch.header.seq]
    (heard,) = batch.observations
    assert (heard.client_ip, heard.qname, heard.transport) == (p.CLIENT, "www.example.com", "tcp")
    assert (heard.source, batch.header.hearing.sources, batch.header.host_ips) == ("dnstap", ("dnstap",), ())
    assert not path.exists()


def test_what_is_told_line_by_line_is_left_to_gather(
    operator: FakeOperator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '[INFO] 10.244.0.5:40001 - {} "A IN www.example.com. udp 62 false 1232" NOERROR qr,aa,rd 122 0.001s\n'
    lines = [text.format(number).encode() for number in range(21)]
    path, rests = tmp_path / "log", []
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR)

    def wait(stop: StopSignal, timeout_s: float) -> None:
        rests.append(timeout_s)
        if len(rests) == 3:
            os.close(pipe)  # the end of the log
        else:
            os.write(pipe, b"".join(lines[:10] if len(rests) == 1 else lines[10:20]))

    monkeypatch.setattr(StopSignal, "wait", wait)
    os.write(pipe, lines[20])
    assert main(["capture", "--source", "log", "--operator", operator.url, "--file", str(path)]) == 0

    assert 3 * [REST_S] == rests
    assert sum(o.count for batch in operator.batches for o in batch.observations) == 21


def test_takes_a_file_as_stdin(operator: FakeOperator, start: Start) -> None:
    process = start("--source", "pcap", "--file", "-", stdin=Path(SHOP))
    assert process.wait(20) == 0
    assert sum(o.count for batch in operator.batches for o in batch.observations) == 5_769


def test_the_end_of_stdin_ends_capture(operator: FakeOperator, start: Start) -> None:
    process = start("--source", "pcap", "--file", "-")
    _, err = process.communicate(Path(SHOP).read_bytes()[:50_000], timeout=20)
    assert process.returncode == 0
    assert err.startswith(b"grapevine: stdin: cut within a packet at byte 49")
    assert {batch.header.hearing.sources for batch in operator.batches if batch.header.seq} == {("pcap",)}
