"""The real capture process on a node's network: what it hears under load, what a pod with NET_RAW cannot tell it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import packets as p
from tests.support.accounts import imbalance
from tests.support.eventually import eventually
from tests.support.fake_operator import FakeOperator
from tests.support.missing import give_up
from tests.support.node import SERVICE, Node, NodeError, Pod
from tests.support.processes import GRAPEVINE

from grapevine.model.observation import DnsObservation

pytestmark = [pytest.mark.integration, pytest.mark.root]

ROOT = Path(__file__).parents[2]
COREFILE = """
.:53 {
    template IN A example.com {
        answer "{{ .Name }} 30 IN A 192.0.2.1"
    }
}
"""
ASK = """
import socket, sys
from tests.support import packets as p
service, *names = sys.argv[1:]
with socket.socket(type=socket.SOCK_DGRAM) as client:
    client.settimeout(10)
    client.connect((service, 53))
    for number, name in enumerate(names):
        response = p.dns_response(name, transaction_id=number)
        client.send(response[:2] + b"\\1\\0" + response[4:])
        client.recv(512)
    print(client.getsockname()[1], flush=True)
    sys.stdin.readline()
"""
"""Look names up one after the other, tell from which port, and keep that port until told to end."""

SEND = """
import socket, sys
gateway, ethertype, *packets = sys.argv[1:]
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
    wire.bind(("eth0", 0))
    for packet in packets:
        wire.send(bytes.fromhex(gateway) + bytes(6) + bytes.fromhex(ethertype) + bytes.fromhex(packet))
"""
"""Put packets on the pod's interface, to the node's link address."""
IPV4, IPV6, VLAN = "0800", "86dd", "8100"


@pytest.fixture
def node() -> Iterator[Node]:
    try:
        with Node() as made:
            yield made
    except NodeError as error:
        give_up(str(error))


@pytest.fixture
def operator(node: Node) -> Iterator[FakeOperator]:
    with node.inside(FakeOperator) as server, server.serving():
        yield server


@pytest.fixture
def service(node: Node, coredns_binary: Path, tmp_path: Path) -> str:
    """The address of a DNS server that answers for example.com."""
    dns = node.pod()
    (tmp_path / "Corefile").write_text(COREFILE)
    node.start(coredns_binary, "-conf", tmp_path / "Corefile", pod=dns)
    node.serve_dns(dns)
    eventually(lambda: ":53 " in node.run("ss -Hltn", dns))
    return SERVICE


@pytest.fixture
def capture(node: Node, operator: FakeOperator) -> "subprocess.Popen[str]":
    process = node.start(*GRAPEVINE, "capture", f"--operator={operator.url}", "--window-ms=100")
    eventually(lambda: operator.batches, timeout_s=30)  # a heartbeat: the socket is open
    return process


def test_the_accounts_close_under_load(
    node: Node, operator: FakeOperator, service: str, capture: "subprocess.Popen[str]"
) -> None:
    pods, names = [node.pod() for _ in range(3)], [f"name-{number % 100}.example.com" for number in range(1_000)]
    asking = [ask(node, pod, service, *names) for pod in pods]
    response = p.dns_response(records=[p.a_record("198.51.100.6")])
    odd = [p.udp(response), p.udp(response)[:30], p.udp(response[:7]), p.udp(response[:2] + b"\0" * 400), p.udp(b"")]
    for _ in range(20):
        send(node, pods[0], IPV4, [p.ipv4(each, src=service, dst=pods[1].address) for each in odd])
        send(node, pods[0], IPV4, [p.ipv4(each, options=bytes(8)) for each in odd])
        send(node, pods[0], IPV4, [p.ipv4(each, fragment=0x2000) for each in odd])
        send(node, pods[0], IPV6, [p.ipv6(b"\x11\0" + bytes(6) + each, header=60) for each in odd])
        send(node, pods[0], VLAN, [b"\0\1\x08\0" + p.ipv4(each) for each in odd])
    for each in asking:
        port_of(each)
    eventually(lambda: (counted(operator, "events"), balance(operator)) == (len(pods) * len(names), {}), timeout_s=60)
    stop(capture)
    seen = [o for batch in operator.batches for o in batch.observations if isinstance(o, DnsObservation)]
    asked = {pod.address: sum(o.count for o in seen if o.client_ip == pod.address) for pod in pods}
    assert dict.fromkeys(asked, len(names)) == asked
    assert (0, 0) == (counted(operator, "kernel-drops"), counted(operator, "spool-overflow"))


def test_a12_forged_responses_make_no_observation(
    node: Node, operator: FakeOperator, service: str, capture: "subprocess.Popen[str]"
) -> None:
    forger, victim = node.pod(), node.pod()
    port = port_of(ask(node, victim, service, "asked.example.com"))
    forged = [
        p.ipv4(
            p.udp(p.dns_response(name, records=[p.a_record("198.51.100.6")]), dst_port=port), src=service, dst=client
        )
        for name, client in (
            ("self.example.com", forger.address),
            ("other.example.com", victim.address),
            ("asked.example.com.example.net", victim.address),
        )
    ]
    send(node, forger, IPV4, forged)
    eventually(lambda: counted(operator, "unsolicited") >= len(forged), timeout_s=20)
    stop(capture)
    seen = (each for batch in operator.batches for each in batch.observations)
    assert [("asked.example.com", victim.address, ("192.0.2.1",))] == [
        (each.qname, each.client_ip, each.answers) for each in seen if isinstance(each, DnsObservation)
    ]


def ask(node: Node, pod: Pod, service: str, *names: str) -> "subprocess.Popen[str]":
    command = (sys.executable, "-c", ASK, service, *names)
    return node.start(*command, pod=pod, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def port_of(asking: "subprocess.Popen[str]") -> int:
    """Wait until all was answered, and return the client's port."""
    assert asking.stdout is not None
    return int(asking.stdout.readline())


def send(node: Node, pod: Pod, ethertype: str, packets: list[bytes]) -> None:
    link = node.run("cat /sys/class/net/cni0/address").strip().replace(":", "")
    process = node.start(sys.executable, "-c", SEND, link, ethertype, *(each.hex() for each in packets), pod=pod)
    assert process.wait(30) == 0


def counted(operator: FakeOperator, reason: str) -> int:
    return operator.batches[-1].header.counters.get(reason, 0)


def balance(operator: FakeOperator) -> dict[str, int]:
    """Return what the counters last told do not account for; while frames come, some of them are yet to be added."""
    return imbalance(operator.batches[-1].header.counters)


def stop(capture: "subprocess.Popen[str]") -> None:
    """End capture, which sends all it holds."""
    capture.terminate()
    assert capture.wait(30) == 0
