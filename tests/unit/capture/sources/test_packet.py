"""The live source on the real kernel, in network namespaces of the test's own: no packet leaves the machine."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import packets as p
from tests.support.bpf import CORPUS, IPV4, IPV6, NOT_FOLLOWED, NOTHING, run
from tests.support.missing import give_up

from grapevine.capture.frames import Packet, parse_network
from grapevine.capture.sources.bpf import Wanted, wanted_filter

ROOT = Path(__file__).parents[4]
CLIENT, SERVER = (f"grapevine-{os.getpid()}-{side}" for side in ("client", "server"))
ENV = {**os.environ, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"}
TAG = b"\x81\x00\x00\x64"

_SEND = """
import socket, sys

with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
    s.bind((sys.argv[1], 0))
    for line in sys.stdin:
        s.send(bytes.fromhex(line))
"""

_SERVER = """
import socket, struct, sys
from threading import Thread

message = bytes.fromhex(sys.argv[1])

def serve_udp(s):
    while True:
        query, peer = s.recvfrom(512)
        s.sendto(query[:2] + message[2:], peer)

def serve_tcp(s):
    while True:
        peer, _ = s.accept()
        with peer:
            query = peer.recv(512)
            peer.sendall(struct.pack("!H", len(message)) + query[2:4] + message[2:])

udp4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp4.bind(("192.0.2.1", 53))
udp6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp6.bind(("2001:db8::1", 53))
tcp4 = socket.create_server(("192.0.2.1", 53))
print("ready", flush=True)
for serve, s in ((serve_udp, udp4), (serve_udp, udp6), (serve_tcp, tcp4)):
    Thread(target=serve, args=(s,)).start()
"""

_CLIENT = """
import select, socket, struct, sys, time
from grapevine.capture.counters import Counters
from grapevine.capture.intake import Intake
from grapevine.capture.sources.packet import PacketSource
from grapevine.capture.sources.ring import RETIRE_MS

source, counters = PacketSource(has_queries=True, has_connections=True, host_ips=(), now_s=0.0), Counters()
intake = Intake("packet", 1_000, counters)
query = bytes.fromhex(sys.argv[1])
for address in ("192.0.2.1", "2001:db8::1"):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.sendto(query, (address, 53))
        s.recv(512)
with socket.create_connection(("192.0.2.1", 53), 5) as s:
    s.sendall(struct.pack("!H", len(query)) + query)
    while s.recv(512):
        pass
while select.select([source], [], [], 2 * RETIRE_MS / 1_000)[0]:
    source.drain(intake.block)
intake.flush()
for cut in intake.take():
    for o in cut:
        if hasattr(o, "qname"):
            now = abs(time.time() * 1000 - o.first_ms) < 10_000
            print(o.client_ip, o.resolver_ip, o.qname, o.transport, o.count, now)
print(source.take_drops(), file=sys.stderr)
source.close()
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


def inside(namespace: str, *command: str) -> list[str]:
    return ["ip", "netns", "exec", namespace, sys.executable, *command]


@pytest.fixture
def namespaces() -> Iterator[None]:
    """Two namespaces joined by a veth pair, 192.0.2.2 and 2001:db8::2 asking, …1 answering."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        give_up("needs root and iproute2 to make network namespaces")
    try:
        ip("netns", "add", CLIENT)
        ip("netns", "add", SERVER)
        join("veth0")
        for namespace, host in ((CLIENT, 2), (SERVER, 1)):
            ip("-n", namespace, "addr", "add", f"192.0.2.{host}/24", "dev", "veth0")
            ip("-n", namespace, "addr", "add", f"2001:db8::{host}/64", "dev", "veth0", "nodad")
    except subprocess.CalledProcessError as error:
        _remove()
        give_up(f"cannot make network namespaces here: {error.stderr.decode().strip()}")
    yield
    _remove()


def _remove() -> None:
    for namespace in (CLIENT, SERVER):
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("netns", "delete", namespace)


def join(interface: str) -> None:
    """Join the namespaces by one more veth pair."""
    ip("link", "add", interface, "netns", CLIENT, "type", "veth", "peer", "name", interface, "netns", SERVER)
    for namespace in (CLIENT, SERVER):
        ip("-n", namespace, "link", "set", interface, "up")


def send(frames: Iterable[bytes], interface: str = "veth0") -> None:
    """Send frames from the server's end of a pair, as they are."""
    lines = "\n".join(frame.hex() for frame in frames)
    subprocess.run(inside(SERVER, "-c", _SEND, interface), input=lines, text=True, check=True, timeout=60)


def ethernet(protocol: int, data: bytes, tag: bytes = b"") -> bytes:
    """Return a broadcast frame."""
    return b"\xff" * 6 + b"\x02" + bytes(5) + tag + protocol.to_bytes(2, "big") + data


class Listener:
    """A ring that listens in the client's namespace while entered."""

    def __enter__(self) -> "Listener":
        pipe = subprocess.PIPE
        command = inside(CLIENT, "-m", "tests.support.listener")
        self._process = subprocess.Popen(command, env=ENV, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def heard(self) -> list[tuple[str, int, int]]:
        """Return the frames since the last call."""
        return [tuple(frame) for frame in self._ask("heard")]

    def drops(self) -> int:
        """Return the number of frames that the kernel dropped since the last call."""
        return int(self._ask("drops"))

    def _ask(self, question: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@pytest.mark.root
@pytest.mark.usefixtures("namespaces")
def test_hears_each_response_once() -> None:
    answering = subprocess.Popen(
        inside(SERVER, "-c", _SERVER, p.dns_response().hex()), stdout=subprocess.PIPE, text=True
    )
    try:
        assert answering.stdout is not None
        assert answering.stdout.readline() == "ready\n"
        command = inside(CLIENT, "-c", _CLIENT, p.dns_response(flags=0x0100).hex())
        heard = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=60, check=False)
    finally:
        answering.kill()
        answering.communicate()
    assert (heard.returncode, heard.stderr) == (0, "0\n")
    assert heard.stdout.splitlines() == [
        "192.0.2.2 192.0.2.1 www.example.com udp 1 True",
        "2001:db8::2 2001:db8::1 www.example.com udp 1 True",
        "192.0.2.2 192.0.2.1 www.example.com tcp 1 True",
    ]


@pytest.mark.root
@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("outer", [b"", TAG], ids=["as it is", "with a tag that the kernel takes off"])
def test_the_kernel_passes_what_the_interpreter_passes(outer: bytes) -> None:
    # Where the frame's only tag would be the corpus's, the kernel would take that one off
    cases = [case for case in CORPUS.values() if outer or case[0] in (IPV4, IPV6)]
    with Listener() as listener:
        send(ethernet(protocol, data, outer) for protocol, data, _ in cases)
        heard = listener.heard()
        assert listener.drops() == 0
    program = wanted_filter(Wanted())
    expected = [(data[: run(program, data, protocol)].hex(), kind) for protocol, data, kind in cases if kind != NOTHING]
    assert [data for data, _, _ in heard] == [data for data, _ in expected]
    for (data, kind), (_, ethertype, direction) in zip(expected, heard, strict=True):
        packet = parse_network(bytes.fromhex(data), 0, len(data) // 2, ethertype, direction)
        assert isinstance(packet, Packet) or kind == NOT_FOLLOWED, data


@pytest.mark.root
@pytest.mark.usefixtures("namespaces")
def test_hears_interfaces_that_come_and_outlives_those_that_go() -> None:
    response = p.ipv4(p.udp(p.dns_response()))
    with Listener() as listener:
        for interface in ("veth1", "veth2"):
            join(interface)
            send([ethernet(IPV4, response)], interface)
            assert listener.heard() == [(response.hex(), IPV4, 1)]  # PACKET_BROADCAST
            ip("-n", CLIENT, "link", "set", interface, "down")
            ip("-n", CLIENT, "link", "delete", interface)
            assert listener.heard() == []
        send([ethernet(IPV4, response)])
        assert len(listener.heard()) == 1


@pytest.mark.root
@pytest.mark.usefixtures("namespaces")
def test_counts_what_the_ring_cannot_hold_and_goes_on() -> None:
    responses = [p.ipv4(p.udp(p.dns_response(transaction_id=number).ljust(1_400))) for number in range(3_000)]
    with Listener() as listener:
        send(ethernet(IPV4, response) for response in responses)
        heard = listener.heard()
        drops = listener.drops()
        assert drops > 0
        assert [data for data, _, _ in heard] == [each.hex() for each in responses[: len(heard)]]
        assert len(heard) + drops == len(responses)
        send([ethernet(IPV4, responses[-1])])
        assert [data for data, _, _ in listener.heard()] == [responses[-1].hex()]
        assert listener.drops() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux, which alone has the capability")
def test_says_which_capability_is_missing() -> None:
    as_user = ["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps=-all"] if os.geteuid() == 0 else []
    command = [*as_user, sys.executable, "-m", "grapevine.cli.main", "capture"]
    done = subprocess.run(command, env=ENV, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("grapevine: --source packet needs the capability CAP_NET_RAW: run as root")
