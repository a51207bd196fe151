"""The live source, in network namespaces of the test's own: no packet leaves the machine."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.packets import dns_response

from grapevine.capture.sources.packet import PacketSource
from grapevine.model.errors import PermanentInputError

SOURCE = Path(__file__).parents[4] / "operator"
NAMESPACES = [f"grapevine-{os.getpid()}-{side}" for side in ("client", "server")]

_SERVER = """
import socket, struct, sys
from threading import Thread

message = bytes.fromhex(sys.argv[1])

def serve_udp(s):
    while True:
        s.sendto(message, s.recvfrom(512)[1])

def serve_tcp(s):
    while True:
        peer, _ = s.accept()
        with peer:
            peer.recv(512)
            peer.sendall(struct.pack("!H", len(message)) + message)

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
import socket, sys, time
from grapevine.capture.counters import Counters
from grapevine.capture.intake import Intake
from grapevine.capture.sources.packet import PacketSource

source, counters = PacketSource(), Counters()
intake = Intake("packet", 1_000, counters)
for address in ("192.0.2.1", "2001:db8::1"):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.sendto(b"?", (address, 53))
        s.recv(512)
with socket.create_connection(("192.0.2.1", 53), 5) as s:
    s.sendall(b"?")
    while s.recv(512):
        pass
for packet, time_ms in source.read():
    intake.packet(packet, time_ms)
intake.flush()
for cut in intake.take():
    for o in cut:
        print(o.client_ip, o.resolver_ip, o.qname, o.transport, o.count, abs(time.time() * 1000 - o.first_ms) < 5_000)
print(source.take_drops(), file=sys.stderr)
source.close()
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    """Two namespaces joined by a veth pair, 192.0.2.2 and 2001:db8::2 asking, …1 answering."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2 to make network namespaces")
    client, server = NAMESPACES
    try:
        ip("netns", "add", client)
        ip("netns", "add", server)
        ip("link", "add", "veth0", "netns", client, "type", "veth", "peer", "name", "veth0", "netns", server)
        for namespace, host in ((client, 2), (server, 1)):
            ip("-n", namespace, "addr", "add", f"192.0.2.{host}/24", "dev", "veth0")
            ip("-n", namespace, "addr", "add", f"2001:db8::{host}/64", "dev", "veth0", "nodad")
            ip("-n", namespace, "link", "set", "veth0", "up")
    except subprocess.CalledProcessError as error:
        _remove()
        pytest.skip(f"cannot make network namespaces here: {error.stderr.decode().strip()}")
    yield client, server
    _remove()


def _remove() -> None:
    for namespace in NAMESPACES:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("netns", "delete", namespace)


@pytest.mark.root
def test_hears_each_response_once(namespaces: tuple[str, str]) -> None:
    client, server = namespaces
    message = dns_response().hex()
    python = [sys.executable, "-c"]
    answering = subprocess.Popen(
        ["ip", "netns", "exec", server, *python, _SERVER, message], stdout=subprocess.PIPE, text=True
    )
    try:
        assert answering.stdout is not None
        assert answering.stdout.readline() == "ready\n"
        env = {**os.environ, "PYTHONPATH": str(SOURCE)}
        command = ["ip", "netns", "exec", client, *python, _CLIENT]
        heard = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
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
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
def test_says_which_capability_is_missing() -> None:
    command = ["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps=-all", sys.executable, "-m"]
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([*command, "grapevine.cli.main", "capture"], env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("grapevine: --source packet needs the capability CAP_NET_RAW: run as root")


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() == 0, reason="for users without the capability")
def test_needs_the_capability() -> None:
    with pytest.raises(PermanentInputError, match="CAP_NET_RAW"):
        PacketSource()
