"""The packet source on a node's network: what its filter learns of bridge and NAT, and that nothing is lost by it."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.support.missing import give_up
from tests.support.node import GATEWAY, SERVICE, Node, NodeError, Pod

pytestmark = pytest.mark.root

_SERVER = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 53))
print("ready", flush=True)
while True:
    query, peer = s.recvfrom(512)
    s.sendto(query[:2] + bytes([0x81, 0x80]) + query[4:], peer)
"""

_CLIENT = """
import socket, struct, sys, time

resolver, server, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((resolver, 53))
s.settimeout(10)
start_s = time.monotonic()
for number in range(count):
    s.send(struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + b"\\3www\\4shop\\0\\0\\1\\0\\1")
    s.recv(512)
    with socket.socket() as dialling:
        dialling.connect_ex((server, 81))  # closed: a SYN is all it takes
    time.sleep(max(0.0, start_s + (number + 1) / 1_000 - time.monotonic()))
"""

_SOURCE = """
import json, os, select
from grapevine.capture.counters import Counters
from grapevine.capture.intake import Intake
from grapevine.capture.sources.host import read_host_ips
from grapevine.capture.sources.learning import LEARN_S
from grapevine.capture.sources.packet import PacketSource
from grapevine.capture.sources.ring import RETIRE_MS

counters = Counters()
intake = Intake("packet", 1_000, counters, matching="on")
source = PacketSource(has_queries=True, has_connections=True, host_ips=read_host_ips(), now_s=0.0)
print("ready", flush=True)
while True:
    ready = select.select([source, 0], [], [])[0]
    if source in ready:
        source.drain(intake.block)
        continue
    if not os.read(0, 100):
        break
    while select.select([source], [], [], 2 * RETIRE_MS / 1_000)[0]:
        source.drain(intake.block)
    intake.flush()
    heard = [(o.client_ip, getattr(o, "resolver_ip", None) or o.dst_ip, o.count) for cut in intake.take() for o in cut]
    source.advance(LEARN_S, 0, 0)
    print(json.dumps([heard, counters.snapshot()]), flush=True)
"""


@pytest.fixture
def node() -> Iterator[Node]:
    try:
        with Node() as made:
            yield made
    except NodeError as error:
        give_up(str(error))


class Source:
    """A packet source on the node; it learns when it was asked for the first time."""

    def __init__(self, node: Node) -> None:
        pipe = subprocess.PIPE
        self._process = node.start(sys.executable, "-c", _SOURCE, stdin=pipe, stdout=pipe)
        _await_ready(self._process)
        self._counters: dict[str, int] = {}

    def heard(self) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
        """Return counts by client and resolver, or server, and the counters, of the time since the last call."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("heard\n")
        self._process.stdin.flush()
        observations, counters = json.loads(self._process.stdout.readline())
        counts: dict[tuple[str, str], int] = {}
        for client, server, count in observations:
            counts[client, server] = counts.get((client, server), 0) + count
        since = {reason: number - self._counters.get(reason, 0) for reason, number in counters.items()}
        self._counters = counters
        return counts, {reason: number for reason, number in since.items() if number}


def _await_ready(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def ask(node: Node, pod: Pod | None, resolver: str, server: str, count: int) -> None:
    """Look up, and dial, `count` times in a pod or on the node itself."""
    assert node.start(sys.executable, "-c", _CLIENT, resolver, server, str(count), pod=pod).wait(60) == 0


def test_leaves_out_the_copies_of_a_bridge_and_hears_as_much_as_before(node: Node) -> None:
    dns, client, newcomer = node.pod(), node.pod(), node.pod()
    node.serve_dns(dns)
    _await_ready(node.start(sys.executable, "-c", _SERVER, pod=dns, stdout=subprocess.PIPE))
    source = Source(node)

    ask(node, client, SERVICE, dns.address, 3_000)
    counts, counters = source.heard()
    assert counts == {(client.address, SERVICE): 3_000, (client.address, dns.address): 3_000}
    assert (counters["messages"], counters["folded"]) == (6_000, 3_000)
    assert counters["queries"] >= 6_000  # until the bridge knows who is where, it floods
    assert counters["connections-folded"] >= 3_000

    ask(node, client, SERVICE, dns.address, 50)
    counts, counters = source.heard()
    assert counts == {(client.address, SERVICE): 50, (client.address, dns.address): 50}
    assert counters["frames"] == 150  # of each query, response and SYN one copy

    ask(node, newcomer, SERVICE, dns.address, 50)
    assert source.heard()[0] == {(newcomer.address, SERVICE): 50, (newcomer.address, dns.address): 50}

    ask(node, None, dns.address, dns.address, 50)
    counts, _ = source.heard()
    assert counts == {(GATEWAY, dns.address): 100}  # look-ups and connections
