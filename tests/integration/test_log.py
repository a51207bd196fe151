"""`grapevine capture --source log`: what a real CoreDNS logs, from stdin, a file and pods."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support import packets as p
from tests.support.coredns import CoreDns
from tests.support.eventually import eventually
from tests.support.fake_operator import FakeOperator
from tests.support.fake_pod_logs import TOKEN, PodLogs, serving
from tests.support.processes import start_log
from tests.support.tls import a_pair, server_context

from grapevine.model.observation import DnsObservation
from grapevine.wire.schema import DnsPod

pytestmark = pytest.mark.integration

ZONE = (
    "hosts {",
    "    192.0.2.10 cart.example.org",
    "    fallthrough",
    "}",
    "template IN A example.net {",
    '    answer "{{ .Name }} 30 IN CNAME edge.example.com."',
    "}",
    "template ANY ANY example.com {",
    "    rcode NXDOMAIN",
    "}",
    "errors",
    "cache 30",
)
FORMATS = {
    "log": (),
    "log . combined": (),
    'log . "{remote} {name} {type} {rcode}"': (),
    'log . "{rcode} {>id} {proto} {remote}:{port} {type} {name} {duration}"': (
        "--line-format={rcode} {>id} {proto} {remote}:{port} {type} {name} {duration}",
    ),
}
ASKED = {
    ("127.0.0.1", "cart.example.org", "A", "NOERROR", "udp", 3),
    ("127.0.0.7", "cart.example.org", "AAAA", "NOERROR", "tcp", 1),
    ("127.0.0.1", "www.example.net", "A", "NOERROR", "udp", 1),
    ("127.0.0.1", "nobody.example.com", "A", "NXDOMAIN", "udp", 1),
    ("127.0.0.1", "nothing.test", "A", "SERVFAIL", "udp", 1),
}


@pytest.fixture
def operator() -> Iterator[FakeOperator]:
    with FakeOperator() as server, server.serving():
        yield server


def ask(dns: CoreDns) -> None:
    for _ in range(3):  # from the cache too, each of its own port
        dns.ask("Cart.example.org")
    dns.ask("cart.example.org", p.AAAA, tcp=True, source="127.0.0.7")
    dns.ask("www.example.net")
    dns.ask("nobody.example.com")
    dns.ask("nothing.test")


def log_of(binary: Path, directory: Path, plugin: str) -> str:
    """Return what CoreDNS logs of the questions."""
    with CoreDns(binary, directory, plugin, *ZONE) as dns:
        ask(dns)
    return dns.log_text()


@pytest.mark.parametrize("plugin", FORMATS)
def test_a_log_from_stdin_tells_what_was_asked(
    operator: FakeOperator, coredns_binary: Path, tmp_path: Path, plugin: str
) -> None:
    text = log_of(coredns_binary, tmp_path, plugin)
    capture = start_log(operator.url, "--file=-", *FORMATS[plugin])
    before_ms = time.time_ns() // 1_000_000
    out, _ = capture.communicate(text, timeout=60)
    assert capture.returncode == 0, out
    assert "no answers: no addresses, no CNAMEs" in out
    is_short = "{proto}" not in plugin and "{remote}" in plugin
    expected = {(*row[:4], "udp", row[5]) for row in ASKED} if is_short else ASKED
    if is_short:  # without port and id CoreDNS's own look-up of the CNAME's target seems the client's
        expected = expected | {("127.0.0.1", "edge.example.com", "A", "NXDOMAIN", "udp", 1)}
    assert heard(operator) == expected
    for each in observations(operator):
        assert (each.resolver_ip, each.source, each.answers, each.cnames) == ("0.0.0.0", "log", (), ())
        assert before_ms <= each.first_ms <= each.last_ms
    counters = operator.batches[-1].header.counters
    assert counters["frames"] == len(text.splitlines()) == counters["messages"] + counters["log-other"]
    assert counters["messages"] == counters["events"] + counters.get("folded", 0)


def test_a_file_is_read_to_its_end_and_a_format_that_is_not_known_is_told(
    operator: FakeOperator, coredns_binary: Path, tmp_path: Path
) -> None:
    text = log_of(coredns_binary, tmp_path, 'log . "{remote} {type} {name} {rcode}"')
    path = tmp_path / "stored.log"
    path.write_text("".join(f"1970-01-01T00:00:09.5Z stdout F {line}\n" for line in text.splitlines()))
    out, _ = start_log(operator.url, f"--file={path}").communicate(timeout=60)
    assert "give --line-format what stands behind `log .` in the Corefile" in out
    assert observations(operator) == []
    capture = start_log(operator.url, f"--file={path}", "--line-format={remote} {type} {name} {rcode}")
    out, _ = capture.communicate(timeout=60)
    assert capture.returncode == 0, out
    assert {each.first_ms for each in observations(operator)} == {9_500}
    assert sum(each.count for each in observations(operator)) == 8


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[PodLogs, tuple[str, ...]]]:
    """An API server with the log of one pod, and what capture is told of it."""
    pair = a_pair("localhost")
    (tmp_path / "ca.crt").write_text(pair.authority.pem)
    (tmp_path / "token").write_text(TOKEN)
    logs = PodLogs({"kube-system/coredns-one": []})
    with ExitStack() as stack:
        port = stack.enter_context(serving(logs, server_context(pair)))
        yield logs, (f"--api-server=https://localhost:{port}", f"--api-credentials={tmp_path}")


def test_the_pods_that_the_operator_names_are_followed_over_restarts(
    operator: FakeOperator, cluster: tuple[PodLogs, tuple[str, ...]], coredns_binary: Path, tmp_path: Path
) -> None:
    logs, flags = cluster
    operator.dns_pods = (DnsPod("kube-system", "coredns-one", "10.244.0.32"),)
    lines = log_of(coredns_binary, tmp_path, "log").splitlines()
    capture = start_log(operator.url, "--window-ms=100", *flags)
    try:
        eventually(lambda: logs.streams["kube-system/coredns-one"], timeout_s=30)
        half = len(lines) // 2
        for number, line in enumerate(lines):
            if number == half:
                eventually(lambda: operator.batches[-1].header.counters.get("frames", 0) >= half, timeout_s=20)
                logs.break_streams()
            logs.write("kube-system/coredns-one", 10**10 + number, line)
        eventually(lambda: heard(operator) == ASKED, timeout_s=20)
        assert {each.resolver_ip for each in observations(operator)} == {"10.244.0.32"}
        assert operator.batches[-1].header.hearing.sources == ("log",)
    finally:
        counters = _stop(capture, operator)
    assert (counters["log-streams"], counters["log-repeated"]) == (2, half)


def observations(operator: FakeOperator) -> list[DnsObservation]:
    return [o for batch in operator.batches for o in batch.observations if isinstance(o, DnsObservation)]


def heard(operator: FakeOperator) -> set[tuple[object, ...]]:
    """Return what was heard without times, repeats of different windows added up."""
    counts: dict[tuple[object, ...], int] = {}
    for o in observations(operator):
        key = (o.client_ip, o.qname, o.qtype, o.rcode, o.transport)
        counts[key] = counts.get(key, 0) + o.count
    return {(*key, count) for key, count in counts.items()}


def _stop(capture: "subprocess.Popen[str]", operator: FakeOperator) -> dict[str, int]:
    """End capture and return the counters it last told."""
    capture.send_signal(signal.SIGTERM)
    out, _ = capture.communicate(timeout=30)
    assert capture.returncode == 0, out
    return dict(operator.batches[-1].header.counters)
