"""`grapevine capture --source dnstap` behind a real CoreDNS."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.support import packets as p
from tests.support.coredns import CoreDns, ask
from tests.support.eventually import eventually
from tests.support.fake_operator import FakeOperator
from tests.support.missing import give_up
from tests.support.processes import start_dnstap
from tests.support.unbound import Unbound, find_unbound

from grapevine.model.observation import DnsObservation

pytestmark = pytest.mark.integration

ZONE = (
    "hosts {",
    "    192.0.2.10 cart.example.org",
    "    2001:db8::10 cart.example.org",
    "    fallthrough",
    "}",
    "template IN A example.net {",
    '    answer "{{ .Name }} 30 IN CNAME edge.example.com."',
    '    answer "edge.example.com. 30 IN A 192.0.2.20"',
    "}",
    "template ANY ANY example.com {",
    "    rcode NXDOMAIN",
    "}",
    "cache 30",
)


@pytest.fixture
def operator() -> Iterator[FakeOperator]:
    with FakeOperator() as server, server.serving():
        yield server


@pytest.fixture
def listen() -> str:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def capture(operator: FakeOperator, listen: str) -> Iterator["subprocess.Popen[str]"]:
    process = start_dnstap(listen, operator.url, "--window-ms=100", "--log-format=json")
    host, _, port = listen.removeprefix("tcp://").partition(":")
    eventually(lambda: _accepts(host, int(port)), timeout_s=30)
    yield process
    process.kill()
    process.communicate()


def test_every_response_arrives_as_coredns_gave_it(
    operator: FakeOperator, listen: str, capture: "subprocess.Popen[str]", coredns_binary: Path, tmp_path: Path
) -> None:
    before_ms = time.time_ns() // 1_000_000
    with CoreDns(coredns_binary, tmp_path, f"dnstap {listen} full", *ZONE) as dns:
        dns.ask("cart.example.org")
        dns.ask("cart.example.org", source="127.0.0.7")
        dns.ask("Cart.Example.ORG", p.AAAA, tcp=True)
        dns.ask("www.example.net", tcp=True)
        dns.ask("nobody.example.com")
        for _ in range(3):  # from the cache, which is tapped too
            dns.ask("www.example.net", source="127.0.0.9")
        expected = {
            ("127.0.0.1", "cart.example.org", "A", "NOERROR", ("192.0.2.10",), (), "udp", 1),
            ("127.0.0.7", "cart.example.org", "A", "NOERROR", ("192.0.2.10",), (), "udp", 1),
            ("127.0.0.1", "cart.example.org", "AAAA", "NOERROR", ("2001:db8::10",), (), "tcp", 1),
            ("127.0.0.1", "www.example.net", "A", "NOERROR", ("192.0.2.20",), ("edge.example.com",), "tcp", 1),
            ("127.0.0.1", "nobody.example.com", "A", "NXDOMAIN", (), (), "udp", 1),
            ("127.0.0.9", "www.example.net", "A", "NOERROR", ("192.0.2.20",), ("edge.example.com",), "udp", 3),
        }
        eventually(partial(_require_heard, operator, expected))
    for o in _observations(operator):
        assert (o.resolver_ip, o.source) == ("127.0.0.1", "dnstap")
        assert before_ms <= o.first_ms <= o.last_ms <= time.time_ns() // 1_000_000
    counters = _stop(capture, operator)
    # One more than was asked: CoreDNS follows the CNAME itself, and tells of it as if the client had
    assert (counters["frames"], counters["dnstap-other"], counters["messages"]) == (18, 9, 9)
    assert (counters["folded"], counters["events"]) == (1, 8)
    assert counters["dnstap-senders"] == 1


def test_says_that_dnstap_is_not_full_and_what_to_write(
    operator: FakeOperator, listen: str, capture: "subprocess.Popen[str]", coredns_binary: Path, tmp_path: Path
) -> None:
    with CoreDns(coredns_binary, tmp_path, f"dnstap {listen}", *ZONE) as dns:
        for _ in range(3):
            dns.ask("cart.example.org")
        eventually(lambda: _counted(operator, "dnstap-not-full") == 3, timeout_s=20)  # heartbeats tell
    capture.send_signal(signal.SIGTERM)
    out, _ = capture.communicate(timeout=30)
    (warning,) = [line for line in map(json.loads, out.splitlines()) if "full" in line.get("remedy", "")]
    assert (warning["peer"], warning["reason"]) == ("127.0.0.1", "dnstap-not-full")
    assert _observations(operator) == []


def test_hears_on_after_coredns_was_restarted(
    operator: FakeOperator, listen: str, capture: "subprocess.Popen[str]", coredns_binary: Path, tmp_path: Path
) -> None:
    dns = CoreDns(coredns_binary, tmp_path, f"dnstap {listen} full", *ZONE)
    for name in ("one.example.net", "two.example.net"):
        with dns:
            dns.ask(name)
            eventually(partial(_require_asked, operator, name))  # what CoreDNS has not flushed may go with it
    eventually(lambda: operator.batches[-1].header.hearing.sources == (), timeout_s=20)
    assert _stop(capture, operator)["dnstap-senders"] == 2


@pytest.fixture
def unbound_program() -> str:
    """Unbound with dnstap; skips the test where there is none."""
    program = find_unbound()
    if program is None:
        give_up("no Unbound with dnstap: apt-get install unbound")
    return program


RECORDS = (
    "cart.example.org. 30 A 192.0.2.10",
    "cart.example.org. 30 AAAA 2001:db8::10",
    "pay.example.org. 30 A 192.0.2.11",
)
ANSWERED = {
    ("127.0.0.1", "cart.example.org", "A", "NOERROR", ("192.0.2.10",), (), "udp", 2),
    ("127.0.0.7", "cart.example.org", "AAAA", "NOERROR", ("2001:db8::10",), (), "tcp", 1),
    ("127.0.0.1", "pay.example.org", "A", "NOERROR", ("192.0.2.11",), (), "udp", 1),
    ("127.0.0.1", "nobody.example.com", "A", "NXDOMAIN", (), (), "udp", 1),
}


def _ask_unbound(dns: Unbound) -> None:
    for _ in range(2):
        ask(dns.port, "Cart.Example.ORG")
    ask(dns.port, "cart.example.org", p.AAAA, tcp=True, source="127.0.0.7")
    ask(dns.port, "pay.example.org")
    ask(dns.port, "nobody.example.com")


def test_another_server_is_heard_as_well_over_tcp(
    operator: FakeOperator, listen: str, capture: "subprocess.Popen[str]", unbound_program: str, tmp_path: Path
) -> None:
    sink = listen.removeprefix("tcp://").replace(":", "@")
    with Unbound(unbound_program, tmp_path, sink, RECORDS) as dns:
        eventually(lambda: operator.batches and operator.batches[-1].header.hearing.sources, timeout_s=30)
        _ask_unbound(dns)
        eventually(partial(_require_heard, operator, ANSWERED), timeout_s=20)
    assert {o.resolver_ip for o in _observations(operator)} == {"127.0.0.1"}
    counters = _stop(capture, operator)
    assert (counters["frames"], counters["dnstap-other"], counters["events"]) == (10, 5, 5)


def test_on_a_unix_socket_the_message_says_who_the_server_is(
    operator: FakeOperator, unbound_program: str, tmp_path: Path
) -> None:
    path = tmp_path / "tap.sock"
    process = start_dnstap(f"unix://{path}", operator.url, "--window-ms=100")
    eventually(path.exists, timeout_s=30)
    with Unbound(unbound_program, tmp_path, str(path), RECORDS) as dns:
        eventually(lambda: operator.batches and operator.batches[-1].header.hearing.sources, timeout_s=30)
        _ask_unbound(dns)
        eventually(partial(_require_heard, operator, ANSWERED), timeout_s=20)
    assert {o.resolver_ip for o in _observations(operator)} == {"127.0.0.1"}
    assert _stop(process, operator)["dnstap-senders"] == 1


def _accepts(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def _observations(operator: FakeOperator) -> list[DnsObservation]:
    return [o for batch in operator.batches for o in batch.observations]


def _counted(operator: FakeOperator, reason: str) -> int:
    return operator.batches[-1].header.counters.get(reason, 0) if operator.batches else 0


def _require_asked(operator: FakeOperator, name: str) -> None:
    assert name in {o.qname for o in _observations(operator)}


def _require_heard(operator: FakeOperator, expected: set[tuple[object, ...]]) -> None:
    assert expected == _heard(operator)


def _heard(operator: FakeOperator) -> set[tuple[object, ...]]:
    """Return what was heard without times, repeats of different windows added up."""
    counts: dict[tuple[object, ...], int] = {}
    for o in _observations(operator):
        key = (o.client_ip, o.qname, o.qtype, o.rcode, o.answers, o.cnames, o.transport)
        counts[key] = counts.get(key, 0) + o.count
    return {(*key, count) for key, count in counts.items()}


def _stop(capture: "subprocess.Popen[str]", operator: FakeOperator) -> dict[str, int]:
    """End capture and return the counters it last told."""
    capture.send_signal(signal.SIGTERM)
    out, _ = capture.communicate(timeout=30)
    assert capture.returncode == 0, out
    return dict(operator.batches[-1].header.counters)
